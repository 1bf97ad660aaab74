/* SPDX-License-Identifier: MIT */
#include "client/agent/overlay.h"

#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define QEMU_IMG_TIMEOUT_MS 60000

/* Remove the folders below `overlays` that no living session locks. */
static int overlays_sweep(int overlays, const char *path, unsigned *ret_swept, struct cr_error *err)
{
    int list = openat(overlays, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = list >= 0 ? fdopendir(list) : NULL;
    unsigned swept = 0;
    if (dir == NULL)
        return cr_error_errno(err, -errno, "looking for leftover overlays in '%s'", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        CLEANUP_CLOSE int fd =
            openat(overlays, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        int r = cr_dir_remove(overlays, entry->d_name);
        if (r < 0)
            return cr_error_errno(err, r, "removing the leftover overlay '%s/%s'", path,
                                  entry->d_name);
        swept++;
    }
    *ret_swept = swept;
    return 0;
}

/* The two names that --overlay-keep needs must be free: nothing is ever overwritten. */
static int keep_check(const char *keep, const char *part, struct cr_error *err)
{
    struct stat st;
    if (lstat(keep, &st) == 0)
        return cr_error_set(err, -EEXIST,
                            "keeping the overlay as '%s': the file exists; move it away or choose "
                            "another name",
                            keep);
    if (lstat(part, &st) == 0)
        return cr_error_set(err, -EEXIST,
                            "keeping the overlay as '%s': '%s' was left by a session that did not "
                            "end well; move it away or remove it",
                            keep, part);
    return 0;
}

/* A new folder below `overlays`, locked. The caller holds the lock of `overlays` itself. */
static int folder_make(const char *overlays, struct overlay *overlay, struct cr_error *err)
{
    int n = snprintf(overlay->folder, sizeof(overlay->folder), "%s/XXXXXX", overlays);
    if (n < 0 || (size_t)n >= sizeof(overlay->folder) - sizeof("/overlay.qcow2"))
        return cr_error_set(err, -ENAMETOOLONG, "making an overlay in '%s': the name is too long",
                            overlays);
    if (mkdtemp(overlay->folder) == NULL)
        return cr_error_errno(err, -errno, "making a folder in '%s'", overlays);
    overlay->lock_fd = open(overlay->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (overlay->lock_fd < 0 || flock(overlay->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return cr_error_errno(err, -errno, "locking '%s'", overlay->folder);
    return 0;
}

int overlay_open(const char *cache, const char *keep, struct overlay *ret_overlay,
                 struct cr_error *err)
{
    char overlays[PATH_MAX];
    struct overlay overlay = {.lock_fd = -1, .keep = keep};
    const char *base = keep != NULL ? keep : cache;

    int n = snprintf(overlays, sizeof(overlays), "%s/overlays", cache);
    if (n < 0 || (size_t)n >= sizeof(overlays) || strlen(base) > PATH_MAX - 64)
        return cr_error_set(err, -ENAMETOOLONG, "opening the cache '%s': the name is too long",
                            cache);
    int r = cr_dir_make(AT_FDCWD, overlays, 0700);
    if (r == 0 && access(overlays, W_OK | X_OK) < 0)
        r = -errno;
    if (r < 0)
        return cr_error_errno(err, r,
                              "opening the cache '%s' for writing (choose another with --cache, or "
                              "change its owner)",
                              cache);
    CLEANUP_CLOSE int fd = open(overlays, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return cr_error_errno(err, -errno, "locking '%s'", overlays);
    r = overlays_sweep(fd, overlays, &overlay.swept, err);
    if (r < 0)
        return r;
    r = folder_make(overlays, &overlay, err);
    if (r == 0 && keep != NULL) {
        snprintf(overlay.path, sizeof(overlay.path), "%s.part", keep);
        r = keep_check(keep, overlay.path, err);
    } else if (r == 0) {
        n = snprintf(overlay.path, sizeof(overlay.path), "%s/overlay.qcow2", overlay.folder);
        r = n < 0 || (size_t)n >= sizeof(overlay.path) ? -ENAMETOOLONG : 0;
    }
    if (r < 0) {
        cr_dir_remove(AT_FDCWD, overlay.folder);
        if (overlay.lock_fd >= 0)
            close(overlay.lock_fd);
        return r;
    }
    *ret_overlay = overlay;
    return 0;
}

int overlay_create(struct overlay *overlay, const char *base, uint64_t size_bytes,
                   struct cr_error *err)
{
    char size[24];
    char words[TOOL_WORDS_BYTES];
    int status = -1;
    struct stat st;

    if (overlay->keep == NULL && unlink(overlay->path) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "removing the overlay '%s'", overlay->path);
    if (lstat(overlay->path, &st) == 0)
        return cr_error_set(err, -EEXIST, "making the overlay '%s': it exists", overlay->path);
    snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
    /* -u: the base is known to be there and its size is given, so qemu-img need not ask for it. */
    const char *const argv[] = {"qemu-img", "create", "-q", "-u", "-f",          "qcow2", "-F",
                                "raw",      "-b",     base, "--", overlay->path, size,    NULL};
    int r = tool_run(argv, QEMU_IMG_TIMEOUT_MS, &status, words, err);
    if (r < 0)
        return cr_error_prefix(err, r, "making the overlay '%s'", overlay->path);
    if (status != 0)
        return cr_error_set(err, -EIO, "making the overlay '%s': %s", overlay->path,
                            words[0] != '\0' ? words : "qemu-img failed and gave no reason");
    return 0;
}

/* Rename the finished overlay to the name it is kept under, durably. */
static int overlay_keep(const struct overlay *overlay, struct cr_error *err)
{
    char folder[PATH_MAX];
    CLEANUP_CLOSE int fd = open(overlay->path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* the session ended before it was made */
    if (fd < 0 || fsync(fd) < 0 ||
        renameat2(AT_FDCWD, overlay->path, AT_FDCWD, overlay->keep, RENAME_NOREPLACE) < 0)
        return cr_error_errno(err, -errno, "keeping the overlay '%s' as '%s'", overlay->path,
                              overlay->keep);
    const char *slash = strrchr(overlay->keep, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - overlay->keep) + 1 : 1,
             slash != NULL ? overlay->keep : ".");
    int r = cr_dir_fsync(AT_FDCWD, folder);
    return r < 0 ? cr_error_errno(err, r, "keeping the overlay '%s'", overlay->keep) : 0;
}

int overlay_close(struct overlay *overlay, struct cr_error *err)
{
    int r = 0;
    if (overlay->lock_fd < 0)
        return 0;
    if (overlay->keep != NULL)
        r = overlay_keep(overlay, err);
    int removed = cr_dir_remove(AT_FDCWD, overlay->folder);
    if (r == 0 && removed < 0)
        r = cr_error_errno(err, removed, "removing the overlay in '%s'", overlay->folder);
    close(overlay->lock_fd);
    overlay->lock_fd = -1;
    return r;
}

int overlay_base_format(const char *export, const char *socket, char *out, size_t out_size)
{
    size_t used = 0;
    const char *const parts[] = {"nbd+unix:///", export, "?socket=", socket};
    for (size_t i = 0; i < CR_ARRAY_LEN(parts); i++) {
        bool literal = i % 2 == 0;
        for (const unsigned char *p = (const unsigned char *)parts[i]; *p != '\0'; p++) {
            bool plain = literal || isalnum(*p) || strchr("-._~/@:", *p) != NULL;
            if (used + 4 > out_size)
                return -ENAMETOOLONG;
            used += (size_t)snprintf(out + used, out_size - used, plain ? "%c" : "%%%02X", *p);
        }
    }
    return 0;
}
