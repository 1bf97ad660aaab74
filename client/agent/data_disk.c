/* SPDX-License-Identifier: MIT */
#include "client/agent/data_disk.h"

#include "client/agent/shelf.h"
#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/desktop/overlay_note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER              "data-disks"
#define QEMU_IMG_TIMEOUT_MS 60000

static int disk_make(const char *path, uint64_t bytes, struct cr_error *err)
{
    char size[24], part[PATH_MAX + 8], words[TOOL_WORDS_BYTES];
    int status = -1;
    snprintf(size, sizeof(size), "%" PRIu64, bytes);
    snprintf(part, sizeof(part), "%s.part", path);
    if (unlink(part) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "making the data disk '%s'", path);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "--", part, size, NULL};
    int r = tool_run(argv, QEMU_IMG_TIMEOUT_MS, &status, words, err);
    if (r < 0)
        return cr_error_prefix(err, r, "making the data disk '%s'", path);
    if (status != 0)
        return cr_error_set(err, -EIO, "making the data disk '%s': %s", path, words);
    CLEANUP_CLOSE int fd = open(part, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 ||
        renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        return cr_error_errno(err, -errno, "making the data disk '%s'", path);
    return shelf_sync_above(path, err);
}

/* The disk of the person in the cache folder. */
static int own_disk_open(const struct session_options *options, uint64_t bytes, char *path,
                         struct cr_error *err)
{
    char name[CR_OVERLAY_OWNER_TEXT + 8], owner[CR_OVERLAY_OWNER_TEXT];
    struct stat st;
    snprintf(name, sizeof(name), "%s.qcow2", cr_overlay_owner(options->person, owner));
    int r = shelf_path(path, options->cache, FOLDER, "", err);
    if (r < 0)
        return r;
    r = shelf_folder_make(path, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int lock = shelf_lock(options->cache, err);
    r = lock < 0 ? lock : shelf_path(path, options->cache, FOLDER, name, err);
    if (r < 0)
        return r;
    return stat(path, &st) == 0 ? 0 : disk_make(path, bytes, err);
}

int data_disk_open(const struct session_options *options, uint64_t bytes, char *path,
                   struct cr_error *err)
{
    const char *given = options->data_disk;
    path[0] = '\0';
    if (given != NULL && cr_bytes_parse(given, CR_DISK_BYTES_MAX, &bytes) < 0) {
        if (realpath(given, path) == NULL)
            return cr_error_errno(err, -errno,
                                  "opening the data disk '%s' (give a size, such as 20G, or a "
                                  "qcow2 file that is there)",
                                  given);
        return 0;
    }
    return bytes == 0 ? 0 : own_disk_open(options, bytes, path, err);
}
