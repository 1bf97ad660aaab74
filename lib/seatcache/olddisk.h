/* SPDX-License-Identifier: MIT */
/*
 * Another version that the cache folder holds, wholly or in part, to take chunks and blocks from.
 * Nothing is asked of any store: what is not in the folder is not at hand. Needs 8 bytes of memory
 * a chunk of data and a bit a chunk of the disk. After opening, thread-safe.
 */
#pragma once

#include "lib/seatcache/chunkfile.h"

struct cr_olddisk;

/*
 * Open the version `root`, whose file is in the folder `disks_fd` and whose manifest and segments
 * are in `objects_fd`; both borrowed for the call. Returns 0, -ENOENT or another -errno.
 */
int cr_olddisk_open(int disks_fd, int objects_fd, const struct cr_id *root,
                    struct cr_olddisk **ret_old);
/* Takes NULL. */
void cr_olddisk_close(struct cr_olddisk *old);
void cr_olddisk_cleanup(struct cr_olddisk **old);

const struct cr_id *cr_olddisk_root(const struct cr_olddisk *old);
uint64_t cr_olddisk_bytes(const struct cr_olddisk *old);

/*
 * The chunk of `len` bytes whose id is `id`, wherever on the disk it is, at chunk `index` first;
 * into `plain`, which is overwritten in any case. True when its bytes hash to `id`.
 */
bool cr_olddisk_chunk(const struct cr_olddisk *old, uint64_t index, const struct cr_id *id,
                      uint32_t len, uint8_t *plain);

/*
 * Blocks of 4 KiB from `first` on, not verified, with zeros behind the end of the disk. Returns 0,
 * or -ENOENT when not all of them are in the file.
 */
int cr_olddisk_blocks(const struct cr_olddisk *old, uint64_t first, uint32_t count, uint8_t *out);
