/* SPDX-License-Identifier: MIT */
/*
 * Packs in memory for packcache.c: a table by name and two queues for eviction. `cold` holds packs
 * touched in one burst, first in first out; `hot` those of several bursts, by second chance. Cold
 * packs are dropped first while they have more than a quarter of the memory. Not thread-safe but
 * for what is said of a pinned pack.
 */
#pragma once

#include "lib/image/pack.h"

#include <stdatomic.h>

enum cr_warm_state { CR_WARM_LOADING, CR_WARM_READY, CR_WARM_FAILED };

/* A pack. data, frames and name of a READY one never change while it is pinned. */
struct cr_warm {
    struct cr_warm *next; /* in its bucket */
    struct cr_warm *newer, *older;
    struct cr_id name;
    enum cr_warm_state state;
    bool in_table, hot;
    uint8_t used;  /* bursts since it was spared from eviction, at most 3 */
    unsigned pins; /* the table has one too */
    uint8_t *data;
    size_t len;
    struct cr_pack_entry *frames; /* in the order of their offsets */
    uint32_t frame_count;
    atomic_bool *verified; /* [frame_count] */
};

#define CR_WARM_BUCKETS 1024U

struct cr_packpool {
    struct cr_warm *buckets[CR_WARM_BUCKETS];
    struct cr_warm_queue {
        struct cr_warm *newest, *oldest;
        uint64_t bytes;
    } cold, hot;
    uint64_t max_bytes, packs, evictions;
};

/* The pack in the table, also one that is being loaded; NULL = none. */
struct cr_warm *cr_packpool_find(const struct cr_packpool *pool, const struct cr_id *name);

/* A new pack in the state LOADING, in the table and pinned for the caller; NULL without memory. */
struct cr_warm *cr_packpool_begin(struct cr_packpool *pool, const struct cr_id *name, bool hot);

/* It is READY: into its queue, and make room. */
void cr_packpool_land(struct cr_packpool *pool, struct cr_warm *warm);

/* It was touched in another burst. */
void cr_packpool_heat(struct cr_packpool *pool, struct cr_warm *warm, bool hot);

/* Out of the table; freed with the last pin. */
void cr_packpool_drop(struct cr_packpool *pool, struct cr_warm *warm);
void cr_packpool_unpin(struct cr_warm *warm);

/* Nothing may be pinned any more. */
void cr_packpool_done(struct cr_packpool *pool);

/*
 * Give a pinned pack that is LOADING its bytes (malloc; taken over, also when this fails). Returns
 * 0, -ENOMEM or -EBADMSG: its footer is not that of this name. By its loader only, without a lock.
 */
int cr_warm_fill(struct cr_warm *warm, uint8_t *data, size_t len);

/*
 * Copy a range of a pinned, READY pack after verifying the frames in it that nobody has read yet.
 * Returns 0, -ENODATA (beyond its end), -ENOMEM or -EBADMSG. Needs no lock.
 */
int cr_warm_read(struct cr_warm *warm, void *data, size_t len, uint64_t offset);
