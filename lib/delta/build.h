/* SPDX-License-Identifier: MIT */
/*
 * Making a delta: how whoever holds one version gets another one in few bytes. Each 64 KiB chunk
 * that the old version lacks is told as copies of 4 KiB blocks found anywhere in the old version,
 * and the blocks that it has nowhere, compressed together with what is alike in the old version as
 * prefix. So an image that was built again, with every file elsewhere, costs as little as one that
 * was changed in place.
 *
 *   1. oldblocks.c  every block of the old version by its hash, samples of what is alike (threads)
 *   2. match.c      each new chunk: where its blocks are (threads), then neighbours to groups
 *   3. build.c      each group: literals, prefix, zstd (threads); to parts, in order; index last
 */
#pragma once

#include "lib/store/version.h"

struct cr_delta_options {
    unsigned threads; /* 0 = one for each CPU */
    int level;        /* zstd's; 0 = as high as keeps the whole in about a minute */
    /* One call now and then, from any thread, one at a time; non-zero ends the work with that
     * value. May be NULL. */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    void *context;
    uint32_t group_literals, prefix_chunks; /* 0 = the usual ones; for measurements */
};

struct cr_delta_stat {
    uint64_t chunks;        /* of the new version that the old one lacks */
    uint64_t copied_blocks; /* of 4 KiB, in those chunks */
    uint64_t zero_blocks;
    uint64_t literal_blocks;
    uint64_t groups, parts;
    uint64_t bytes; /* of index and parts: what travels */
    int level;
};

/*
 * Make the delta from `old` to `new_version`, both of `store`, and keep it there: parts first, the
 * index last, so that an index that is found has all its parts. Over one that is there already.
 * Returns 0, -EROFS (the store only reads), -EFBIG (disks above 16 TiB, or an index of too many
 * groups), what `progress` returned, -EBADMSG, -ENOENT (a chunk of the store) or another -errno.
 * Memory: 24 bytes a 4 KiB block of the old version, some bytes a KiB for what is alike, and some
 * tens of MiB a thread.
 */
int cr_delta_build(struct cr_store *store, struct cr_version *old, struct cr_version *new_version,
                   const struct cr_delta_options *options, struct cr_delta_stat *ret_stat,
                   struct cr_error *err);
