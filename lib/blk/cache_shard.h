/* SPDX-License-Identifier: MIT */
/*
 * One shard of the cache: a table by id, and the order in which entries are dropped. That follows
 * 2Q (Johnson and Shasha, 1994): entries begin in a queue of the young. Those that were asked for
 * again, some time later, move on to the old, which are kept by second chance; the others are
 * dropped, and their ids remembered for a while: who comes back soon is old at once. So a client
 * that reads a whole disk once goes through the young and leaves the old alone.
 *
 * Of cache.c only. The shard's lock is held in each function, but for new, done and
 * cr_shard_entry_free.
 */
#pragma once

#include "lib/blk/cache.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARD_BITS 6
#define SHARDS     (1U << SHARD_BITS)
#define CACHE_LINE 64
/* The young are dropped first while they have more than 1/4 of the memory. */
#define YOUNG_SHARE 4U

struct flight;

struct entry {
    struct cr_cache_entry pub; /* first: callers hold a pointer to it */
    struct cr_id id;
    atomic_uint pins;
    bool old;         /* in which ring */
    bool used;        /* since it came into its ring, or the hand last came by */
    uint32_t arrival; /* the shard's count when it came */
    uint32_t arrival_ms;
    struct flight *flight; /* not NULL: being loaded, pub is not valid yet and not in the ring */
    struct entry *next;    /* in its bucket */
    struct entry *before, *after; /* in its ring */
};

struct ring {
    struct entry *hand; /* the one that came first, or whose turn it is; NULL = the ring is empty */
    uint64_t bytes;
    size_t count;
};

struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entries;      /* in the table, with those being loaded */
    struct ring young, old;
    uint32_t arrivals;
    uint64_t *ghosts; /* [ghost_mask + 1], by a hash of their id; 0 = none */
    uint64_t ghost_mask;
    cr_cache_clock *clock_ms;
    uint64_t hits, misses, waits, evictions;
};

static inline uint64_t cr_shard_entry_cost(size_t len)
{
    return len + sizeof(struct entry);
}

/* Takes NULL. */
void cr_shard_entry_free(struct entry *entry);

/* A share of a cache of `max_bytes` in all. Returns 0 or -ENOMEM; cr_shard_done in any case. */
int cr_shard_new(struct shard *shard, uint64_t max_bytes);
void cr_shard_done(struct shard *shard);

struct entry *cr_shard_find(const struct shard *shard, const struct cr_id *id);
/* Into the table, not yet in a ring. */
void cr_shard_add(struct shard *shard, struct entry *entry);
/* Out of the table; it never arrived. */
void cr_shard_remove(struct shard *shard, struct entry *entry);

/* Its value came: among the young, or among the old when it was here not long ago. */
void cr_shard_arrive(struct shard *shard, struct entry *entry);

/* Somebody asks for an entry that has arrived. */
void cr_shard_touch(struct shard *shard, struct entry *entry);

/*
 * Take out an entry that nobody holds: of the young when they have more than their share, of all
 * when `any`. NULL = none.
 */
struct entry *cr_shard_evict(struct shard *shard, bool any);
