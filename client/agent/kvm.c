/* SPDX-License-Identifier: MIT */
#include "client/agent/kvm.h"

#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define SECTOR_BYTES     512U
#define PROBE_TIMEOUT_MS 5000

/* The debug device ends QEMU with (value written << 1) | 1. */
#define PROBE_VALUE  0x21
#define PROBE_STATUS (PROBE_VALUE << 1 | 1)

static bool cpu_has_flag(void)
{
    CLEANUP_FCLOSE FILE *file = fopen("/proc/cpuinfo", "re");
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;
    while (file != NULL && getline(&line, &size, file) > 0) {
        if (strncmp(line, "flags", 5) != 0)
            continue;
        char *rest = line;
        for (char *word; (word = strtok_r(rest, " \t\n", &rest)) != NULL;)
            if (strcmp(word, "vmx") == 0 || strcmp(word, "svm") == 0)
                return true;
        return false;
    }
    return false;
}

/* A boot sector that reports and ends: QEMU's whole firmware has to run before it. */
static int probe_write(const char *path)
{
    static const unsigned char code[] = {
        0xba, 0xf4,        0x00, /* mov dx, 0xf4 */
        0xb0, PROBE_VALUE,       /* mov al, PROBE_VALUE */
        0xee,                    /* out dx, al */
        0xf4,                    /* hlt */
    };
    unsigned char sector[SECTOR_BYTES] = {[510] = 0x55, [511] = 0xaa};
    memcpy(sector, code, sizeof(code));
    return cr_file_replace(AT_FDCWD, path, sector, sizeof(sector), 0600);
}

/* Does the probe guest run with this accelerator? */
static bool probe_runs(const char *folder)
{
    char path[PATH_MAX];
    char drive[PATH_MAX + 64];
    char words[TOOL_WORDS_BYTES];
    int status = -1;
    int n = snprintf(path, sizeof(path), "%s/kvm-probe.img", folder);
    if (n < 0 || (size_t)n >= sizeof(path) || strchr(path, ',') != NULL || probe_write(path) < 0)
        return false;
    snprintf(drive, sizeof(drive), "if=ide,format=raw,file=%s", path);
    const char *const argv[] = {"qemu-system-x86_64",
                                "-nodefaults",
                                "-no-user-config",
                                "-display",
                                "none",
                                "-machine",
                                "pc,accel=kvm",
                                "-m",
                                "16",
                                "-drive",
                                drive,
                                "-device",
                                "isa-debug-exit,iobase=0xf4,iosize=4",
                                NULL};
    int r = tool_run(argv, PROBE_TIMEOUT_MS, &status, words, NULL);
    unlink(path);
    return r == 0 && status == PROBE_STATUS;
}

bool kvm_usable(const char *folder, const char **ret_reason)
{
    if (!cpu_has_flag()) {
        *ret_reason = "the CPU shows neither vmx nor svm (switch virtualisation on in the "
                      "firmware setup)";
        return false;
    }
    if (access("/dev/kvm", R_OK | W_OK) < 0) {
        *ret_reason = errno == ENOENT ? "there is no /dev/kvm (load kvm_intel or kvm_amd)"
                                      : "/dev/kvm may not be opened (join the group kvm)";
        return false;
    }
    if (!probe_runs(folder)) {
        *ret_reason = "a probe guest did not run in /dev/kvm";
        return false;
    }
    return true;
}
