/* SPDX-License-Identifier: MIT */
#include "lib/blk/cache_shard.h"

#include "lib/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define BUCKETS_MIN 16U

/*
 * Asking again counts when so many others arrived in the shard meanwhile, or so much time passed: a
 * disk that is read in pieces of 4 KiB asks for each chunk sixteen times in a row.
 */
#define APART_ARRIVALS 4U
#define APART_MS       20U

#define GHOSTS_MIN     64U /* of a shard; a power of two, as the maximum is */
#define GHOSTS_MAX     4096U
#define FRAME_BYTES    (16 * CR_KIB) /* of a usual chunk, about */

/* --- the table of a shard; its lock is held ------------------------------------------------ */

static struct entry **bucket_of(const struct shard *shard, const struct cr_id *id)
{
    return &shard->buckets[(cr_id_hash(id) >> SHARD_BITS) & (shard->bucket_count - 1)];
}

struct entry *cr_shard_find(const struct shard *shard, const struct cr_id *id)
{
    struct entry *entry = *bucket_of(shard, id);
    while (entry != NULL && !cr_id_equal(&entry->id, id))
        entry = entry->next;
    return entry;
}

/* Twice the buckets; when memory is short the chains just get longer. */
static void table_grow(struct shard *shard)
{
    struct shard wider = {.bucket_count = shard->bucket_count * 2};
    wider.buckets = cr_calloc(wider.bucket_count, sizeof(wider.buckets[0]));
    if (wider.buckets == NULL)
        return;
    for (size_t i = 0; i < shard->bucket_count; i++) {
        for (struct entry *entry = shard->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            struct entry **bucket = bucket_of(&wider, &entry->id);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(shard->buckets);
    shard->buckets = wider.buckets;
    shard->bucket_count = wider.bucket_count;
}

void cr_shard_add(struct shard *shard, struct entry *entry)
{
    if (shard->entries >= shard->bucket_count)
        table_grow(shard);
    struct entry **bucket = bucket_of(shard, &entry->id);
    entry->next = *bucket;
    *bucket = entry;
    shard->entries++;
}

void cr_shard_remove(struct shard *shard, struct entry *entry)
{
    struct entry **link = bucket_of(shard, &entry->id);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    shard->entries--;
}

/* --- the rings of a shard; its lock is held ------------------------------------------------ */

static uint64_t coarse_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t *ghost_of(const struct shard *shard, const struct cr_id *id)
{
    return &shard->ghosts[(cr_id_hash(id) >> SHARD_BITS) & shard->ghost_mask];
}

/* New entries go right behind the hand: it meets them last. */
static void ring_add(struct shard *shard, struct entry *entry)
{
    struct ring *ring = entry->old ? &shard->old : &shard->young;
    ring->bytes += cr_shard_entry_cost(entry->pub.len);
    ring->count++;
    if (ring->hand == NULL) {
        entry->before = entry->after = ring->hand = entry;
        return;
    }
    entry->after = ring->hand;
    entry->before = ring->hand->before;
    entry->before->after = entry;
    entry->after->before = entry;
}

static void ring_remove(struct shard *shard, struct entry *entry)
{
    struct ring *ring = entry->old ? &shard->old : &shard->young;
    ring->bytes -= cr_shard_entry_cost(entry->pub.len);
    ring->count--;
    if (entry->after == entry) {
        ring->hand = NULL;
        return;
    }
    entry->before->after = entry->after;
    entry->after->before = entry->before;
    if (ring->hand == entry)
        ring->hand = entry->after;
}

void cr_shard_arrive(struct shard *shard, struct entry *entry)
{
    uint64_t *ghost = ghost_of(shard, &entry->id);
    entry->old = *ghost == cr_id_hash(&entry->id);
    if (entry->old)
        *ghost = 0;
    entry->arrival = shard->arrivals++;
    entry->arrival_ms = (uint32_t)shard->clock_ms();
    ring_add(shard, entry);
}

void cr_shard_touch(struct shard *shard, struct entry *entry)
{
    if (entry->used)
        return;
    entry->used = entry->old || shard->arrivals - entry->arrival > APART_ARRIVALS ||
                  (uint32_t)shard->clock_ms() - entry->arrival_ms >= APART_MS;
}

static struct entry *entry_take(struct shard *shard, struct entry *entry)
{
    ring_remove(shard, entry);
    cr_shard_remove(shard, entry);
    shard->evictions++;
    return entry;
}

static bool is_pinned(const struct entry *entry)
{
    return atomic_load_explicit(&entry->pins, memory_order_acquire) != 0;
}

/* Take out the first of the young that nobody holds and nobody asked for again; NULL = none. */
static struct entry *young_evict(struct shard *shard)
{
    for (size_t steps = shard->young.count; steps > 0; steps--) {
        struct entry *entry = shard->young.hand;
        if (entry->used) {
            ring_remove(shard, entry);
            entry->old = true;
            entry->used = false;
            ring_add(shard, entry);
        } else if (is_pinned(entry)) {
            shard->young.hand = entry->after;
        } else {
            *ghost_of(shard, &entry->id) = cr_id_hash(&entry->id);
            return entry_take(shard, entry);
        }
    }
    return NULL;
}

/* Take out one of the old that nobody holds and nobody has used for a turn of the hand. */
static struct entry *old_evict(struct shard *shard)
{
    for (size_t steps = 2 * shard->old.count; steps > 0; steps--) {
        struct entry *entry = shard->old.hand;
        if (entry->used)
            entry->used = false;
        else if (!is_pinned(entry))
            return entry_take(shard, entry);
        shard->old.hand = entry->after;
    }
    return NULL;
}

struct entry *cr_shard_evict(struct shard *shard, bool any)
{
    struct entry *victim = NULL;
    /* When the young are all in use they do not push out the old: they go when they are released.
     */
    if (shard->young.bytes * YOUNG_SHARE > shard->young.bytes + shard->old.bytes)
        return young_evict(shard);
    if (any)
        victim = old_evict(shard);
    if (victim == NULL && any)
        victim = young_evict(shard);
    return victim;
}

/* --- life ---------------------------------------------------------------------------------- */

void cr_shard_entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = {entry->pub.data};
    free(data.out);
    free(entry);
}

/* Ghosts of a shard: about as many as there may be frames. */
static uint64_t ghosts_of(uint64_t max_bytes)
{
    uint64_t count = GHOSTS_MIN;
    while (count < GHOSTS_MAX && count * SHARDS * FRAME_BYTES < max_bytes)
        count *= 2;
    return count;
}

int cr_shard_new(struct shard *shard, uint64_t max_bytes)
{
    pthread_mutex_init(&shard->lock, NULL);
    shard->clock_ms = coarse_ms;
    shard->ghost_mask = ghosts_of(max_bytes) - 1;
    shard->bucket_count = BUCKETS_MIN;
    shard->buckets = cr_calloc(BUCKETS_MIN, sizeof(shard->buckets[0]));
    shard->ghosts = cr_calloc(shard->ghost_mask + 1, sizeof(shard->ghosts[0]));
    return shard->buckets == NULL || shard->ghosts == NULL ? -ENOMEM : 0;
}

void cr_shard_done(struct shard *shard)
{
    for (size_t b = 0; shard->buckets != NULL && b < shard->bucket_count; b++) {
        for (struct entry *entry = shard->buckets[b], *next; entry != NULL; entry = next) {
            next = entry->next;
            assert(atomic_load(&entry->pins) == 0);
            cr_shard_entry_free(entry);
        }
    }
    free(shard->buckets);
    free(shard->ghosts);
    pthread_mutex_destroy(&shard->lock);
}
