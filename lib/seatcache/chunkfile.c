/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/chunkfile.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

int cr_chunkfile_open(struct cr_chunkfile *file, int dir_fd, const char *name, uint64_t disk_bytes,
                      struct cr_error *err)
{
    struct stat st;
    *file = (struct cr_chunkfile){.fd = -1, .disk_bytes = disk_bytes};
    file->trusted = cr_calloc(cr_disk_chunks(disk_bytes) / WORD_BITS + 1, sizeof(file->trusted[0]));
    if (file->trusted == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open the cache file '%s'", name);
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

void cr_chunkfile_done(struct cr_chunkfile *file)
{
    cr_cleanup_close(&file->fd);
    file->fd = -1;
    free(TAKE_PTR(file->trusted));
}

bool cr_chunkfile_is_trusted(const struct cr_chunkfile *file, uint64_t index)
{
    unsigned long word =
        atomic_load_explicit(&file->trusted[index / WORD_BITS], memory_order_acquire);
    return word >> (index % WORD_BITS) & 1;
}

static void trust(struct cr_chunkfile *file, uint64_t index)
{
    unsigned long bit = 1UL << (index % WORD_BITS);
    unsigned long before =
        atomic_fetch_or_explicit(&file->trusted[index / WORD_BITS], bit, memory_order_release);
    if (!(before & bit))
        atomic_fetch_add_explicit(&file->known, 1, memory_order_relaxed);
}

enum cr_chunkfile_found cr_chunkfile_verify(struct cr_chunkfile *file, uint64_t index,
                                            const struct cr_id *id, uint8_t *plain)
{
    uint32_t len = cr_chunk_bytes(file->disk_bytes, index);
    struct cr_id found;
    if (cr_pread_full(file->fd, plain, len, index << CR_CHUNK_SHIFT) < 0)
        return CR_FOUND_SOMETHING_ELSE;
    if (cr_is_zero(plain, len))
        return CR_FOUND_NOTHING;
    cr_hash(plain, len, &found);
    if (!cr_id_equal(&found, id))
        return CR_FOUND_SOMETHING_ELSE;
    trust(file, index);
    return CR_FOUND;
}

int cr_chunkfile_keep(struct cr_chunkfile *file, uint64_t index, const uint8_t *plain)
{
    uint32_t len = cr_chunk_bytes(file->disk_bytes, index);
    int r = cr_pwrite_full(file->fd, plain, len, index << CR_CHUNK_SHIFT);
    if (r == 0)
        trust(file, index);
    return r;
}

int cr_chunkfile_read(struct cr_chunkfile *file, uint8_t *out, uint64_t len, uint64_t offset)
{
    int r = cr_pread_full(file->fd, out, len, offset);
    uint64_t end = (offset + len - 1) >> CR_CHUNK_SHIFT;
    for (uint64_t index = offset >> CR_CHUNK_SHIFT; r < 0 && index <= end; index++)
        atomic_fetch_and(&file->trusted[index / WORD_BITS], ~(1UL << (index % WORD_BITS)));
    return r;
}
