/* SPDX-License-Identifier: MIT */
/*
 * The sparse file that keeps chunks of one version in disk order, and a bit in memory for each of
 * them: its bytes in the file have been verified in this run. Bits are set and read without a lock.
 */
#pragma once

#include "lib/image/object.h"

#include <stdatomic.h>

struct cr_chunkfile {
    int fd;
    uint64_t disk_bytes;
    atomic_ulong *trusted;       /* a bit for each chunk */
    atomic_uint_least64_t known; /* chunks whose bit was ever set */
};

/*
 * Open `name` in the folder `dir_fd` for a disk of `disk_bytes`; it is made when it is not there.
 * Returns 0, -EBUSY when another process has it, or -errno with a sentence. On failure too, the
 * file wants cr_chunkfile_done.
 */
int cr_chunkfile_open(struct cr_chunkfile *file, int dir_fd, const char *name, uint64_t disk_bytes,
                      struct cr_error *err);
void cr_chunkfile_done(struct cr_chunkfile *file);

bool cr_chunkfile_is_trusted(const struct cr_chunkfile *file, uint64_t index);

enum cr_chunkfile_found { CR_FOUND, CR_FOUND_NOTHING, CR_FOUND_SOMETHING_ELSE };

/*
 * Read chunk `index` into `plain`, which has room for all of it, and trust it when it hashes to
 * `id`. A file that cannot be read holds something else.
 */
enum cr_chunkfile_found cr_chunkfile_verify(struct cr_chunkfile *file, uint64_t index,
                                            const struct cr_id *id, uint8_t *plain);

/* Write the verified bytes of chunk `index` and trust it. Returns 0 or -errno. */
int cr_chunkfile_keep(struct cr_chunkfile *file, uint64_t index, const uint8_t *plain);

/*
 * Read `len` bytes at `offset`, of trusted chunks only. When that fails they are trusted no more.
 */
int cr_chunkfile_read(struct cr_chunkfile *file, uint8_t *out, uint64_t len, uint64_t offset);
