/* SPDX-License-Identifier: MIT */
/*
 * Locks: one mutex a shard, held only for table work, never for a load, never two at once. A pin is
 * taken under the shard's lock and given back without it; the evictor, under the lock, drops only
 * what has no pin.
 */
#include "lib/blk/cache_shard.h"

#include "lib/base/mem.h"

#include <assert.h>
#include <errno.h>

/* A load under way, for those who wait. Guarded by the shard's lock. */
struct flight {
    pthread_cond_t landed;
    bool done;
    unsigned waiters;
    int result;
    struct cr_error err;
};

struct cr_cache {
    struct shard shards[SHARDS];
    _Alignas(CACHE_LINE) atomic_uint_least64_t bytes;
    atomic_uint evict_next; /* the shard whose turn it is */
    uint64_t max_bytes;
};

struct cr_cache_claim {
    struct cr_cache *cache;
    size_t count;
    struct cr_id ids[CR_CACHE_BATCH_MAX];
    struct entry *entries[CR_CACHE_BATCH_MAX]; /* NULL once delivered or refused */
};

static struct shard *shard_of(struct cr_cache *cache, const struct cr_id *id)
{
    return &cache->shards[cr_id_hash(id) & (SHARDS - 1)];
}

/* --- the budget; no lock is held ----------------------------------------------------------- */

/*
 * The shards take turns giving up one entry each, until the budget holds or all is in use: the old
 * only where the young have no more than their share. What is in use (a large batch on its way)
 * does not push out the old; it goes when it is released.
 */
static void shrink(struct cr_cache *cache)
{
    unsigned fruitless = 0;
    uint64_t young = 0, all = 0; /* bytes in the shards since the last victim */
    while (atomic_load(&cache->bytes) > cache->max_bytes && fruitless < 2 * SHARDS) {
        struct shard *shard =
            &cache->shards[atomic_fetch_add(&cache->evict_next, 1) & (SHARDS - 1)];
        if (fruitless == SHARDS && young * YOUNG_SHARE > all)
            return;
        pthread_mutex_lock(&shard->lock);
        struct entry *victim = cr_shard_evict(shard, fruitless >= SHARDS);
        young += shard->young.bytes;
        all += shard->young.bytes + shard->old.bytes;
        pthread_mutex_unlock(&shard->lock);
        if (victim == NULL) {
            fruitless++;
            continue;
        }
        fruitless = 0;
        young = all = 0;
        atomic_fetch_sub(&cache->bytes, cr_shard_entry_cost(victim->pub.len));
        cr_shard_entry_free(victim);
    }
}

/* --- looking up, waiting, landing ---------------------------------------------------------- */

static void pin(struct entry *entry)
{
    atomic_fetch_add_explicit(&entry->pins, 1, memory_order_relaxed);
}

static struct entry *flight_begin(struct shard *shard, const struct cr_id *id)
{
    CLEANUP_FREE struct entry *entry = calloc(1, sizeof(*entry));
    struct flight *flight = calloc(1, sizeof(*flight));
    if (entry == NULL || flight == NULL) {
        free(flight);
        return NULL;
    }
    pthread_cond_init(&flight->landed, NULL);
    flight->waiters = 1; /* whoever loads learns the outcome as the others do */
    entry->id = *id;
    entry->flight = flight;
    pin(entry);
    cr_shard_add(shard, entry);
    shard->misses++;
    return TAKE_PTR(entry);
}

static void flight_free(struct flight *flight)
{
    pthread_cond_destroy(&flight->landed);
    free(flight);
}

/* End a flight; the shard's lock is held. Who waits has pinned the entry, or gets the error. */
static void flight_end(struct shard *shard, struct entry *entry, int result,
                       const struct cr_error *err)
{
    struct flight *flight = TAKE_PTR(entry->flight);
    if (result == 0) {
        cr_shard_arrive(shard, entry);
    } else {
        cr_shard_remove(shard, entry);
        cr_shard_entry_free(entry);
    }
    flight->result = result;
    if (result != 0 && err != NULL)
        flight->err = *err;
    flight->done = true;
    pthread_cond_broadcast(&flight->landed);
}

/* Wait for a flight that was begun or joined. The pin is worth nothing when it fails. */
static int flight_wait(struct shard *shard, struct flight *flight, struct cr_error *err)
{
    pthread_mutex_lock(&shard->lock);
    while (!flight->done)
        pthread_cond_wait(&flight->landed, &shard->lock);
    int result = flight->result;
    if (result != 0 && err != NULL)
        *err = flight->err;
    bool last = --flight->waiters == 0;
    pthread_mutex_unlock(&shard->lock);
    if (last)
        flight_free(flight);
    return result;
}

void cr_cache_deliver(struct cr_cache_claim *claim, size_t index, uint8_t *data, size_t len)
{
    struct entry *entry = TAKE_PTR(claim->entries[index]);
    assert(entry != NULL);
    struct shard *shard = shard_of(claim->cache, &entry->id);
    entry->pub.data = data;
    entry->pub.len = len;
    atomic_fetch_add(&claim->cache->bytes, cr_shard_entry_cost(len));
    pthread_mutex_lock(&shard->lock);
    flight_end(shard, entry, 0, NULL);
    pthread_mutex_unlock(&shard->lock);
}

void cr_cache_refuse(struct cr_cache_claim *claim, size_t index, int result,
                     const struct cr_error *err)
{
    struct entry *entry = TAKE_PTR(claim->entries[index]);
    assert(entry != NULL && result < 0);
    struct shard *shard = shard_of(claim->cache, &entry->id);
    pthread_mutex_lock(&shard->lock);
    flight_end(shard, entry, result, err);
    pthread_mutex_unlock(&shard->lock);
}

/* One id of a batch on its way. */
struct seat {
    struct entry *entry;   /* pinned */
    struct flight *flight; /* to wait for, our own too; NULL = the entry is there */
};

/* Pin what is there, join what is under way, claim the rest. */
static int batch_board(struct cr_cache *cache, const struct cr_id *id, struct seat *seat,
                       struct cr_cache_claim *claim)
{
    struct shard *shard = shard_of(cache, id);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = cr_shard_find(shard, id);
    if (entry == NULL) {
        entry = flight_begin(shard, id);
        if (entry != NULL) {
            claim->ids[claim->count] = *id;
            claim->entries[claim->count++] = entry;
        }
    } else {
        pin(entry);
        if (entry->flight != NULL) {
            entry->flight->waiters++;
            shard->waits++;
        } else {
            cr_shard_touch(shard, entry);
            shard->hits++;
        }
    }
    *seat = (struct seat){entry, entry != NULL ? entry->flight : NULL};
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL ? 0 : -ENOMEM;
}

/* Load what was claimed, or refuse it when boarding failed. Every flight has landed afterwards. */
static void batch_fly(struct cr_cache_claim *claim, int result, cr_cache_load_batch *load,
                      void *context)
{
    struct cr_error err = {0};
    if (result == 0 && claim->count > 0)
        result = load(context, claim, claim->ids, claim->count, &err);
    for (size_t i = 0; i < claim->count; i++)
        if (claim->entries[i] != NULL)
            cr_cache_refuse(claim, i, result != 0 ? result : -EIO, &err);
}

int cr_cache_get_batch(struct cr_cache *cache, const struct cr_id *ids, size_t count,
                       cr_cache_load_batch *load, void *context,
                       const struct cr_cache_entry **ret_entries, struct cr_error *err)
{
    struct cr_cache_claim claim;
    struct seat seats[CR_CACHE_BATCH_MAX];
    size_t boarded = 0;
    int result = 0;
    assert(count <= CR_CACHE_BATCH_MAX);
    claim.cache = cache;
    claim.count = 0;
    for (; boarded < count && result == 0; boarded++)
        result = batch_board(cache, &ids[boarded], &seats[boarded], &claim);
    if (result != 0)
        cr_error_errno(err, result, "cannot keep a value in memory");
    batch_fly(&claim, result, load, context);
    if (claim.count > 0)
        shrink(cache);

    for (size_t i = 0; i < boarded; i++) {
        if (seats[i].flight == NULL)
            continue;
        int r = flight_wait(shard_of(cache, &ids[i]), seats[i].flight, result == 0 ? err : NULL);
        if (r != 0)
            seats[i].entry = NULL;
        if (result == 0)
            result = r;
    }
    for (size_t i = 0; i < boarded; i++) {
        if (result == 0)
            ret_entries[i] = &seats[i].entry->pub;
        else if (seats[i].entry != NULL)
            cr_cache_release(cache, &seats[i].entry->pub);
    }
    return result;
}

/* A loader of one, as a batch of one. */
struct single {
    cr_cache_load *load;
    void *context;
};

static int load_single(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                       size_t count, struct cr_error *err)
{
    const struct single *single = context;
    uint8_t *data = NULL;
    size_t len = 0;
    (void)count;
    int r = single->load(single->context, &ids[0], &data, &len, err);
    if (r == 0)
        cr_cache_deliver(claim, 0, data, len);
    return r;
}

int cr_cache_get(struct cr_cache *cache, const struct cr_id *id, cr_cache_load *load, void *context,
                 const struct cr_cache_entry **ret_entry, struct cr_error *err)
{
    *ret_entry = NULL;
    struct shard *shard = shard_of(cache, id);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = cr_shard_find(shard, id);
    bool hit = entry != NULL && entry->flight == NULL;
    if (hit) {
        pin(entry);
        cr_shard_touch(shard, entry);
        shard->hits++;
    }
    pthread_mutex_unlock(&shard->lock);
    if (hit) {
        *ret_entry = &entry->pub;
        return 0;
    }
    struct single single = {load, context};
    return cr_cache_get_batch(cache, id, 1, load_single, &single, ret_entry, err);
}

const struct cr_cache_entry *cr_cache_peek(struct cr_cache *cache, const struct cr_id *id)
{
    struct shard *shard = shard_of(cache, id);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = cr_shard_find(shard, id);
    if (entry != NULL && entry->flight != NULL)
        entry = NULL;
    if (entry != NULL) {
        pin(entry);
        cr_shard_touch(shard, entry);
        shard->hits++;
    }
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL ? &entry->pub : NULL;
}

int cr_cache_put(struct cr_cache *cache, const struct cr_id *id, uint8_t *data, size_t len)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        free(data);
        return -ENOMEM;
    }
    entry->id = *id;
    entry->pub = (struct cr_cache_entry){data, len};
    struct shard *shard = shard_of(cache, id);
    pthread_mutex_lock(&shard->lock);
    bool fresh = cr_shard_find(shard, id) == NULL;
    if (fresh) {
        atomic_fetch_add(&cache->bytes, cr_shard_entry_cost(len));
        cr_shard_add(shard, entry);
        cr_shard_arrive(shard, entry);
    }
    pthread_mutex_unlock(&shard->lock);
    if (!fresh)
        cr_shard_entry_free(entry);
    else
        shrink(cache);
    return 0;
}

void cr_cache_release(struct cr_cache *cache, const struct cr_cache_entry *pub)
{
    (void)cache;
    /* `pub` is the first member of an entry that is not const. */
    union {
        const struct cr_cache_entry *pub;
        struct entry *entry;
    } pinned = {pub};
    unsigned before = atomic_fetch_sub_explicit(&pinned.entry->pins, 1, memory_order_release);
    assert(before > 0);
    (void)before;
}

/* --- the whole cache ----------------------------------------------------------------------- */

int cr_cache_new(uint64_t max_bytes, struct cr_cache **ret_cache)
{
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = aligned_alloc(CACHE_LINE, sizeof(*cache));
    if (cache == NULL)
        return -ENOMEM;
    memset(cache, 0, sizeof(*cache));
    cache->max_bytes = max_bytes;
    int r = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        if (cr_shard_new(&cache->shards[i], max_bytes) < 0)
            r = -ENOMEM;
    if (r < 0)
        return r;
    *ret_cache = TAKE_PTR(cache);
    return 0;
}

void cr_cache_free(struct cr_cache *cache)
{
    if (cache == NULL)
        return;
    for (unsigned i = 0; i < SHARDS; i++)
        cr_shard_done(&cache->shards[i]);
    free(cache);
}

void cr_cache_cleanup(struct cr_cache **cache)
{
    cr_cache_free(*cache);
}

void cr_cache_set_clock(struct cr_cache *cache, cr_cache_clock *clock_ms)
{
    for (unsigned i = 0; i < SHARDS; i++)
        cache->shards[i].clock_ms = clock_ms;
}

void cr_cache_stat(struct cr_cache *cache, struct cr_cache_stat *ret_stat)
{
    struct cr_cache_stat stat = {.max_bytes = cache->max_bytes};
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        stat.hits += shard->hits;
        stat.misses += shard->misses;
        stat.waits += shard->waits;
        stat.evictions += shard->evictions;
        stat.entries += shard->entries;
        pthread_mutex_unlock(&shard->lock);
    }
    stat.bytes = atomic_load(&cache->bytes);
    *ret_stat = stat;
}
