/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/chunkfile.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

const char *cr_chunkfile_name(const struct cr_id *root, char out[static CR_CHUNKFILE_NAME])
{
    char hex[CR_ID_HEX];
    snprintf(out, CR_CHUNKFILE_NAME, "%s.disk", cr_id_format(root, hex));
    return out;
}

/* Whoever only looks whether a version is in use, or drops it, has the lock for a moment. */
static int lock_patiently(int fd)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000000};
    for (int tries = 0;; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK || tries == 10)
            return -errno;
        nanosleep(&moment, NULL);
    }
}

/* Still the file of that name: it may have been removed before it was locked. */
static bool is_there(int fd, int dir_fd, const char *name)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/*
 * A map must not outlive its file: one that is about to be made, or to be made larger, begins
 * without a map, and that is durable first.
 */
static int file_lock(struct cr_chunkfile *file, int dir_fd, const struct cr_id *root,
                     const char *name, struct cr_error *err)
{
    char map[CR_MAPFILE_NAME];
    cr_mapfile_name(root, map);
    do {
        cr_chunkfile_done(file);
        file->fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (file->fd < 0 && errno == ENOENT && cr_mapfile_forget(dir_fd, map) == 0) {
            file->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
            if (file->fd >= 0)
                (void)cr_dir_fsync(dir_fd, ".."); /* the folder may be new, too */
        }
        if (file->fd < 0)
            return cr_error_errno(err, -errno, "cannot open the cache file '%s'", name);
        if (lock_patiently(file->fd) < 0)
            return cr_error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
                                "the cache file '%s' is in use by another process; stop that one, "
                                "or give this one a cache folder of its own",
                                name);
    } while (!is_there(file->fd, dir_fd, name));
    return 0;
}

int cr_chunkfile_open(struct cr_chunkfile *file, int dir_fd, const struct cr_id *root,
                      uint64_t disk_bytes, struct cr_error *err)
{
    struct stat st;
    char name[CR_CHUNKFILE_NAME], map[CR_MAPFILE_NAME];
    *file = (struct cr_chunkfile){.fd = -1, .disk_bytes = disk_bytes};
    int r = file_lock(file, dir_fd, root, cr_chunkfile_name(root, name), err);
    if (r < 0)
        return r;
    if (fstat(file->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return cr_error_set(err, -EINVAL, "the cache file '%s' is not a file; remove it", name);
    if ((uint64_t)st.st_size == disk_bytes)
        return 0;
    r = cr_mapfile_forget(dir_fd, cr_mapfile_name(root, map));
    if (r == 0 && ftruncate(file->fd, (off_t)disk_bytes) < 0)
        r = -errno;
    return r < 0 ? cr_error_errno(err, r, "cannot make the cache file '%s' as large as the disk",
                                  name)
                 : 0;
}

int cr_chunkfile_look(struct cr_chunkfile *file, int dir_fd, const struct cr_id *root,
                      uint64_t disk_bytes)
{
    struct stat st;
    char name[CR_CHUNKFILE_NAME];
    *file = (struct cr_chunkfile){.fd = -1, .disk_bytes = disk_bytes};
    file->fd = openat(dir_fd, cr_chunkfile_name(root, name),
                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file->fd < 0 || fstat(file->fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) && (uint64_t)st.st_size == disk_bytes ? 0 : -EINVAL;
}

void cr_chunkfile_done(struct cr_chunkfile *file)
{
    cr_cleanup_close(&file->fd);
    file->fd = -1;
}

enum cr_chunkfile_found cr_chunkfile_read(const struct cr_chunkfile *file, uint64_t index,
                                          const struct cr_id *id, uint8_t *plain)
{
    uint32_t len = cr_chunk_bytes(file->disk_bytes, index);
    off_t offset = (off_t)(index << CR_CHUNK_SHIFT);
    struct cr_id found;
    /* Where nothing was ever written, 64 KiB of zeros need not be copied to find that out. */
    off_t data = lseek(file->fd, offset, SEEK_DATA);
    if (data >= offset + (off_t)len || (data < 0 && errno == ENXIO))
        return CR_FOUND_NOTHING;
    if (cr_pread_full(file->fd, plain, len, index << CR_CHUNK_SHIFT) < 0)
        return CR_FOUND_SOMETHING_ELSE;
    if (cr_is_zero(plain, len))
        return CR_FOUND_NOTHING;
    cr_hash(plain, len, &found);
    return cr_id_equal(&found, id) ? CR_FOUND : CR_FOUND_SOMETHING_ELSE;
}

int cr_chunkfile_keep(const struct cr_chunkfile *file, uint64_t index, const uint8_t *plain)
{
    return cr_pwrite_full(file->fd, plain, cr_chunk_bytes(file->disk_bytes, index),
                          index << CR_CHUNK_SHIFT);
}

int cr_chunkfile_punch(int fd, uint64_t first, uint64_t end)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)(first << CR_CHUNK_SHIFT), (off_t)((end - first) << CR_CHUNK_SHIFT)) < 0
               ? -errno
               : 0;
}
