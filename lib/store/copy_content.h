/* SPDX-License-Identifier: MIT */
/* The content of one version, for copy.c: chunks, segments, manifest and record. */
#pragma once

#include "lib/image/idset.h"
#include "lib/store/blobs.h"
#include "lib/store/copy.h"

#include <pthread.h>
#include <stdatomic.h>

#define CR_COPY_LANES_MAX 16U

struct cr_pool;
struct cr_copy;

/* What one worker fills. */
struct cr_copy_lane {
    struct cr_copy *copy;
    struct cr_pack pack;
    const struct cr_id *ids; /* of the batch under way */
    uint8_t plain[CR_CHUNK_BYTES];
};

struct cr_copy {
    struct cr_store *from, *to;
    const struct cr_copy_options *options;
    struct cr_copy_stat stat;
    struct cr_pool *pool;
    struct cr_copy_lane *lanes[CR_COPY_LANES_MAX];
    unsigned lane_count;
    uint64_t done_bytes, total_bytes;

    /* One segment's missing chunks, which the workers share out. */
    struct cr_id *wanted;
    size_t wanted_count;
    atomic_size_t next;

    pthread_mutex_t mutex;  /* over all below, and stat while workers run */
    struct cr_idset stored; /* chunks that this copy has put, or holds in its packs */
    int result;             /* the first error of the workers; 0 = none so far */
    bool unreadable;        /* it was one of the source: only this version is spoiled */
    struct cr_error why;
};

/* Begin with another image: forget what is under way. */
void cr_copy_lanes_reset(struct cr_copy *copy);

/*
 * Copy the signed metadata; durable when this returns. What clients know never goes back: of
 * timestamps and drafts the one with the higher version stays. -EEXIST with a sentence where `to`
 * holds other metadata under the same numbers; nothing of it is changed then. copy_trust.c.
 */
int cr_copy_trust(struct cr_copy *copy, struct cr_error *err);

/*
 * Copy what `info` needs and `to` has not; durable when this returns. The lock of the image is
 * held. Returns 0 or -errno; copy->unreadable tells whether that is the source's fault.
 */
int cr_copy_version(struct cr_copy *copy, const struct cr_version_info *info, struct cr_error *err);

/*
 * The hot list of a version that both have, and the boots behind it: what `to` has stays, unless it
 * mirrors. That they cannot be read harms nobody. Returns 0 or what the target said.
 */
int cr_copy_hot(struct cr_copy *copy, const struct cr_id *root, struct cr_error *err);
