/* SPDX-License-Identifier: MIT */
/* A version read like a disk: any offset and length, through a cache of verified plain chunks. */
#pragma once

#include "lib/blk/cache.h"
#include "lib/store/version.h"

struct cr_disk;

/*
 * Open `ref` of `store`. `store` and `cache` are borrowed; several disks may share them. Returns as
 * cr_version_open.
 */
int cr_disk_open(struct cr_store *store, const struct cr_ref *ref, struct cr_cache *cache,
                 struct cr_disk **ret_disk, struct cr_error *err);
void cr_disk_close(struct cr_disk *disk);
void cr_disk_cleanup(struct cr_disk **disk);

/* Borrowed. */
struct cr_version *cr_disk_version(struct cr_disk *disk);

/*
 * Read `len` bytes at `offset`, both inside the disk (-EINVAL otherwise). Never returns unverified
 * bytes: -EBADMSG with a sentence that names the chunk instead, and `data` is worth nothing then.
 * Missing neighbours are fetched in one request. Thread-safe.
 */
int cr_disk_read(struct cr_disk *disk, void *data, size_t len, uint64_t offset,
                 struct cr_error *err);

/* Have the chunks of this range in the cache, as far as it holds them. As cr_disk_read. */
int cr_disk_prefetch(struct cr_disk *disk, uint64_t len, uint64_t offset, struct cr_error *err);

/*
 * From `offset` on: is it a hole (in whole chunks), and for how many bytes? Exact up to `max`, and
 * never longer.
 */
int cr_disk_extent(struct cr_disk *disk, uint64_t offset, uint64_t max, uint64_t *ret_len,
                   bool *ret_hole, struct cr_error *err);
