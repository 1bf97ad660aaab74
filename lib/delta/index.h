/* SPDX-License-Identifier: MIT */
/*
 * The index of a delta (FORMAT.md, "Delta"): which versions it is for, its parts with their hashes,
 * and which group of chunks lies where in them. A parser that owns no I/O.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

struct cr_delta_part {
    uint32_t bytes;
    struct cr_id hash; /* SHA-256 of the part */
};

/* Chunks that are made together, out of one stretch of a part (group.h). */
struct cr_delta_group {
    uint64_t first;         /* the lowest chunk that it makes; all below the next group's first */
    uint32_t chunks;        /* so many of the new disk */
    uint32_t part;          /* where it lies */
    uint32_t offset, bytes; /* in that part */
};

struct cr_delta_index {
    struct cr_id old_root, new_root;
    uint64_t old_bytes, new_bytes; /* of the disks */
    uint64_t chunks;               /* of all groups */
    uint32_t part_count, group_count;
    struct cr_delta_part *parts;   /* owned */
    struct cr_delta_group *groups; /* owned; rising */
};

void cr_delta_index_done(struct cr_delta_index *index);

/* Returns 0, -ENOMEM, or -EBADMSG with the reason ("it claims ..."). */
int cr_delta_index_parse(const void *data, size_t len, struct cr_delta_index *ret_index,
                         struct cr_error *err);

/* The bytes of the index, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_delta_index_format(const struct cr_delta_index *index, struct cr_buf *out);

/* The group that makes chunk `chunk` if one does, or NULL. Borrowed from `index`. */
const struct cr_delta_group *cr_delta_index_find(const struct cr_delta_index *index,
                                                 uint64_t chunk);

/* "OLDHEX-NEWHEX", the name of a delta's index in CR_SPACE_DELTAS. Returns `out`. */
#define CR_DELTA_NAME 144
const char *cr_delta_index_name(const struct cr_id *old_root, const struct cr_id *new_root,
                                char out[static CR_DELTA_NAME]);

/* "OLDHEX-NEWHEX.N", the name of its part N. Returns `out`. */
const char *cr_delta_part_name(const struct cr_id *old_root, const struct cr_id *new_root,
                               uint32_t part, char out[static CR_DELTA_NAME]);
