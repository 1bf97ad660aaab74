/* SPDX-License-Identifier: MIT */
/* Where the blocks of the chunks that an old version lacks are found in it, and which neighbours
 * make a group. */
#pragma once

#include "lib/delta/group.h"
#include "lib/delta/oldblocks.h"

/* A chunk of the new version that the old one lacks. */
struct cr_match {
    uint64_t chunk;
    struct cr_id id;
    uint32_t blocks;                   /* fewer at the end of the disk */
    uint32_t literals;                 /* of them */
    uint64_t sources[CR_CHUNK_BLOCKS]; /* as cr_delta_writer_add takes them */
};

struct cr_match_group {
    uint64_t first, count; /* of the matches */
    uint32_t literals;
};

struct cr_matches {
    struct cr_match *items; /* owned; rising chunks */
    uint64_t count;
    struct cr_match_group *groups; /* owned */
    uint32_t group_count;
    uint64_t copied, zeros, literals; /* blocks */
};

void cr_matches_done(struct cr_matches *matches);

/*
 * Match `version` against the old one; groups of up to about `group_literals` literals. Returns 0
 * or -errno.
 */
int cr_matches_find(struct cr_store *store, struct cr_version *version,
                    const struct cr_oldblocks *blocks, uint32_t group_literals,
                    struct cr_delta_work *work, struct cr_matches *ret_matches,
                    struct cr_error *err);
