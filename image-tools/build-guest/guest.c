/* SPDX-License-Identifier: MIT */
#include "image-tools/build-guest/guest.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

/* In the appliance's /dev, which lies in memory and is the guest's /dev while a command runs. */
#define LOG_PATH "/dev/.carrel-build.log"

#define ENVIRONMENT                                                                                \
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "         \
    "LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive; cd /; umask 022; "

/* What a signal ends, so that the call that is under way returns. */
static volatile sig_atomic_t appliance_pid;

static int failed(const struct guest *guest, struct cr_error *err, const char *what)
{
    const char *reason = guestfs_last_error(guest->handle);
    return cr_error_set(err, -EIO, "%s: %.500s", what,
                        reason != NULL ? reason : "libguestfs gives no reason");
}

static void strings_free(char ***strings)
{
    for (char **s = *strings; s != NULL && *s != NULL; s++)
        free(*s);
    free(*strings);
}

static void terminated(int number)
{
    (void)number;
    if (appliance_pid == 0) /* not started yet */
        _exit(EXIT_FAILURE);
    if (appliance_pid > 0)
        kill((pid_t)appliance_pid, SIGKILL);
}

/* --- starting --------------------------------------------------------------------------------- */

/* QEMU hangs where /dev/kvm exists and the processor has nothing for it. */
static bool kvm_usable(void)
{
    CLEANUP_FCLOSE FILE *file = fopen("/proc/cpuinfo", "re");
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;
    if (access("/dev/kvm", R_OK | W_OK) < 0)
        return false;
    while (file != NULL && getline(&line, &size, file) > 0)
        if (strncmp(line, "flags", 5) == 0)
            return strstr(line, " vmx") != NULL || strstr(line, " svm") != NULL;
    return false;
}

static int appliance_start(struct guest *guest, const struct guest_options *options,
                           struct cr_error *err)
{
    char server[PATH_MAX + 8];
    snprintf(server, sizeof(server), "unix:%s", options->socket);
    char tcg[] = "force_tcg";
    char *settings[] = {tcg, NULL}, *servers[] = {server, NULL};
    guestfs_h *g = guest->handle;
    bool good = true;
    if (getenv("LIBGUESTFS_BACKEND") == NULL)
        good = guestfs_set_backend(g, "direct") == 0;
    if (good && getenv("LIBGUESTFS_BACKEND_SETTINGS") == NULL && !kvm_usable())
        good = guestfs_set_backend_settings(g, settings) == 0;
    if (good && options->memory_mib > 0)
        good = guestfs_set_memsize(g, options->memory_mib) == 0;
    good = good && guestfs_set_network(g, options->network ? 1 : 0) == 0 &&
           guestfs_add_drive_opts(g, "", GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd",
                                  GUESTFS_ADD_DRIVE_OPTS_SERVER, servers,
                                  GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
                                  GUESTFS_ADD_DRIVE_OPTS_DISCARD, "besteffort", -1) == 0;
    if (!good || guestfs_launch(g) < 0)
        return failed(guest, err,
                      "the build machine (libguestfs) does not start; "
                      "`libguestfs-test-tool` tells more");
    appliance_pid = guestfs_get_pid(g);
    return 0;
}

/* Shorter mount points first: "/" before "/boot" before "/boot/efi". */
static void mounts_sort(char **mounts, size_t pairs)
{
    for (size_t i = 1; i < pairs; i++)
        for (size_t k = i; k > 0 && strlen(mounts[2 * k]) < strlen(mounts[2 * k - 2]); k--)
            for (size_t n = 0; n < 2; n++) {
                char *other = mounts[2 * k + n];
                mounts[2 * k + n] = mounts[2 * k - 2 + n];
                mounts[2 * k - 2 + n] = other;
            }
}

static int linux_find(struct guest *guest, struct cr_error *err)
{
    CLEANUP(strings_free) char **roots = guestfs_inspect_os(guest->handle);
    if (roots == NULL)
        return failed(guest, err, "the disk cannot be searched for a system");
    if (roots[0] == NULL)
        return cr_error_set(err, -ENOENT,
                            "the base holds no system that libguestfs knows; is it a whole disk "
                            "with an installed Linux?");
    if (roots[1] != NULL)
        return cr_error_set(err, -ENOTUNIQ,
                            "the base holds several systems ('%s', '%s'); a recipe works on a disk "
                            "with one",
                            roots[0], roots[1]);
    CLEANUP_FREE char *type = guestfs_inspect_get_type(guest->handle, roots[0]);
    if (type == NULL || strcmp(type, "linux") != 0)
        return cr_error_set(err, -ENOTSUP,
                            "the base holds '%s'; a recipe can work on Linux only: change such an "
                            "image in a virtual machine and use `carrel image commit`",
                            type != NULL ? type : "an unknown system");
    guest->mounts = guestfs_inspect_get_mountpoints(guest->handle, roots[0]);
    if (guest->mounts == NULL)
        return failed(guest, err, "the mount points of the base's system are unknown");
    size_t count = 0;
    while (guest->mounts[count] != NULL)
        count++;
    mounts_sort(guest->mounts, count / 2);
    return 0;
}

int guest_mount(struct guest *guest, struct cr_error *err)
{
    for (char **m = guest->mounts; m[0] != NULL; m += 2)
        if (guestfs_mount(guest->handle, m[1], m[0]) < 0 && strcmp(m[0], "/") == 0)
            return failed(guest, err, "the system's root cannot be mounted");
    return 0;
}

int guest_start(struct guest *guest, const struct guest_options *options, struct cr_error *err)
{
    struct sigaction action = {.sa_handler = terminated};
    sigaction(SIGTERM, &action, NULL);
    guest->handle = guestfs_create();
    if (guest->handle == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot use libguestfs");
    guestfs_set_error_handler(guest->handle, NULL, NULL);
    int r = appliance_start(guest, options, err);
    if (r == 0)
        r = linux_find(guest, err);
    return r == 0 ? guest_mount(guest, err) : r;
}

void guest_stop(struct guest *guest)
{
    if (guest->handle != NULL)
        guestfs_close(guest->handle);
    appliance_pid = -1; /* nothing is left to be killed */
    strings_free(&guest->mounts);
    *guest = (struct guest){0};
}

/* --- working ---------------------------------------------------------------------------------- */

int guest_put(struct guest *guest, const char *local, const char *remote, unsigned mode,
              uint32_t uid, uint32_t gid, struct cr_error *err)
{
    char folder[PATH_MAX], what[256];
    snprintf(folder, sizeof(folder), "%s", remote);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    guestfs_h *g = guest->handle;
    if ((folder[0] != '\0' && guestfs_mkdir_p(g, folder) < 0) ||
        guestfs_upload(g, local, remote) < 0 || guestfs_chown(g, (int)uid, (int)gid, remote) < 0 ||
        guestfs_chmod(g, (int)mode, remote) < 0) {
        snprintf(what, sizeof(what), "cannot write '%.200s' in the image", remote);
        return failed(guest, err, what);
    }
    return 0;
}

/* "COMMAND" as one word of a shell. */
static int quoted_append(struct cr_buf *out, const char *text)
{
    int r = cr_buf_append(out, "'", 1);
    for (; *text != '\0' && r == 0; text++)
        r = *text == '\'' ? cr_buf_append(out, "'\\''", 4) : cr_buf_append(out, text, 1);
    return r == 0 ? cr_buf_append(out, "'", 1) : r;
}

/* "STATUS\nLOG", as the command below prints it. */
static int answer_take(const char *answer, struct cr_buf *log, int *ret_status,
                       struct cr_error *err)
{
    char *end = NULL;
    long number = strtol(answer, &end, 10);
    if (end == answer || *end != '\n' || number < 0 || number > 255)
        return cr_error_set(err, -EIO, "the image's shell gives no exit status but '%.64s'",
                            answer);
    size_t len = strlen(end + 1), room = log->max - log->len;
    int r = cr_buf_append(log, end + 1, len < room ? len : room);
    if (r < 0)
        return cr_error_errno(err, r, "cannot take the log of the command");
    *ret_status = (int)number;
    return 0;
}

int guest_run(struct guest *guest, const char *command, struct cr_buf *log, int *ret_status,
              struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf line = CR_BUF_INIT(256 * CR_KIB);
    int r = cr_buf_printf(&line, ENVIRONMENT "sh -c ");
    if (r == 0)
        r = quoted_append(&line, command);
    if (r == 0) /* one call for all, because each costs a second in an emulated machine */
        r = cr_buf_printf(&line,
                          " >" LOG_PATH " 2>&1 </dev/null; echo $?; tail -c %zu " LOG_PATH
                          " | tr -d '\\000'; rm -f " LOG_PATH,
                          log->max - log->len);
    if (r == 0)
        r = cr_buf_append(&line, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "cannot run the command");
    CLEANUP_FREE char *answer = guestfs_sh(guest->handle, (const char *)line.data);
    if (answer == NULL)
        return failed(guest, err, "the command cannot be run in the image");
    return answer_take(answer, log, ret_status, err);
}

int guest_settle(struct guest *guest, struct cr_error *err)
{
    guestfs_h *g = guest->handle;
    char words[5][16] = {"fuser", "-k", "-M", "-m", "/sysroot"};
    char *kill_users[] = {words[0], words[1], words[2], words[3], words[4], NULL};
    for (char **m = guest->mounts; m[0] != NULL; m += 2)
        guestfs_fstrim(g, m[0], -1); /* not every file system can, and none must */
    if (guestfs_umount_all(g) < 0) {
        free(guestfs_debug(g, "sh", kill_users)); /* status 1 = there was nothing to end */
        if (guestfs_umount_all(g) < 0)
            return failed(guest, err,
                          "the image's file systems cannot be unmounted; does "
                          "something that the step started still run?");
    }
    if (guestfs_sync(g) < 0)
        return failed(guest, err, "the image's file systems cannot be written out");
    return 0;
}
