/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/chunkfile.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

int cr_chunkfile_open(struct cr_chunkfile *file, int dir_fd, const char *name, uint64_t disk_bytes,
                      struct cr_error *err)
{
    struct stat st;
    *file = (struct cr_chunkfile){.fd = -1, .disk_bytes = disk_bytes};
    file->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0)
        return cr_error_errno(err, -errno, "cannot open the cache file '%s'", name);
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0)
        return cr_error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
                            "the cache file '%s' is in use by another process; stop that one, or "
                            "give this one a cache folder of its own",
                            name);
    if (fstat(file->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return cr_error_set(err, -EINVAL, "the cache file '%s' is not a file; remove it", name);
    if ((uint64_t)st.st_size != disk_bytes && ftruncate(file->fd, (off_t)disk_bytes) < 0)
        return cr_error_errno(err, -errno, "cannot make the cache file '%s' as large as the disk",
                              name);
    return 0;
}

int cr_chunkfile_look(struct cr_chunkfile *file, int dir_fd, const char *name, uint64_t disk_bytes)
{
    struct stat st;
    *file = (struct cr_chunkfile){.fd = -1, .disk_bytes = disk_bytes};
    file->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
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
    struct cr_id found;
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
