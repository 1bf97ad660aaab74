/* SPDX-License-Identifier: MIT */
/*
 * A cache in memory of things named by an id, with single flight: however many threads ask for the
 * same absent id at once, one of them loads it and the others wait for the result. Bounded by
 * bytes; entries that nobody holds are dropped by second chance (CLOCK). Sharded, so that readers
 * of different ids rarely meet. The NBD plugin keeps plain chunks in one, chunkd keeps frames.
 *
 * Loaders run without any lock held. A thread never waits for somebody else's load while it still
 * owes one, so loads cannot wait for each other in a circle.
 */
#pragma once

#include "lib/image/object.h"

struct cr_cache;

/* A pinned entry: `data` stays valid until cr_cache_release. */
struct cr_cache_entry {
    const uint8_t *data;
    size_t len;
};

/*
 * Load the value of `id`: allocate with malloc, fill *ret_data and *ret_len (the cache owns the
 * memory then). Returns 0 or -errno with a sentence; failures are not kept, the next asker tries
 * again, but all who waited for this flight get this error.
 */
typedef int cr_cache_load(void *context, const struct cr_id *id, uint8_t **ret_data,
                          size_t *ret_len, struct cr_error *err);

struct cr_cache_stat {
    uint64_t hits, misses, waits, evictions;
    uint64_t bytes; /* values and a small fixed amount for each entry; this is what is bounded */
    uint64_t entries, max_bytes;
};

/* Keep at most `max_bytes` of values (entries in use may exceed it). Returns 0 or -ENOMEM. */
int cr_cache_new(uint64_t max_bytes, struct cr_cache **ret_cache);

/* Nobody may hold an entry or be in a call any more. Takes NULL. */
void cr_cache_free(struct cr_cache *cache);
void cr_cache_cleanup(struct cr_cache **cache);

/* The entry of `id`, loaded if absent. Release it with cr_cache_release. Thread-safe. */
int cr_cache_get(struct cr_cache *cache, const struct cr_id *id, cr_cache_load *load, void *context,
                 const struct cr_cache_entry **ret_entry, struct cr_error *err);

/* The entry if it is present; NULL otherwise. Never waits for a load. */
const struct cr_cache_entry *cr_cache_peek(struct cr_cache *cache, const struct cr_id *id);

/*
 * Put a value that came some other way; takes ownership of `data` (malloc), whatever is returned.
 * A value that is there already, or being loaded, stays. Returns 0 or -ENOMEM.
 */
int cr_cache_put(struct cr_cache *cache, const struct cr_id *id, uint8_t *data, size_t len);

void cr_cache_release(struct cr_cache *cache, const struct cr_cache_entry *entry);
void cr_cache_stat(struct cr_cache *cache, struct cr_cache_stat *ret_stat);

/* Milliseconds by some clock that does not go back; for tests. Before the first use. */
typedef uint64_t cr_cache_clock(void);
void cr_cache_set_clock(struct cr_cache *cache, cr_cache_clock *clock_ms);

/* --- many at once -------------------------------------------------------------------- */

#define CR_CACHE_BATCH_MAX CR_BATCH_IDS_MAX

/* The absent ids of one batch, which the caller has promised to load. */
struct cr_cache_claim;

/*
 * Load the `count` distinct `ids` in one go: hand each value to cr_cache_deliver or its failure to
 * cr_cache_refuse, in any order. What was neither delivered nor refused when this returns fails
 * with the returned value and the sentence in `err` (-EIO when 0 was returned).
 */
typedef int cr_cache_load_batch(void *context, struct cr_cache_claim *claim,
                                const struct cr_id *ids, size_t count, struct cr_error *err);

/* Value of ids[index]; takes ownership of `data` (malloc). Whoever waits for it goes on at once. */
void cr_cache_deliver(struct cr_cache_claim *claim, size_t index, uint8_t *data, size_t len);

/* Nothing to be had for ids[index]; `err` may be NULL. Others of the batch are not touched. */
void cr_cache_refuse(struct cr_cache_claim *claim, size_t index, int result,
                     const struct cr_error *err);

/*
 * The entries of `count` ids, at most CR_CACHE_BATCH_MAX, which may repeat: those that are absent
 * and that nobody else is loading are loaded by one call of `load`. On success ret_entries[i]
 * belongs to ids[i], each to be released; on failure (the first in the order of ids) there are
 * none.
 */
int cr_cache_get_batch(struct cr_cache *cache, const struct cr_id *ids, size_t count,
                       cr_cache_load_batch *load, void *context,
                       const struct cr_cache_entry **ret_entries, struct cr_error *err);
