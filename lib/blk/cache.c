/* SPDX-License-Identifier: MIT */
/*
 * Locks: one mutex a shard, held only for table work, never for a load, never two at once. A pin is
 * taken under the shard's lock and given back without it; the evictor, under the lock, drops only
 * what has no pin.
 */
#include "lib/blk/cache.h"

#include "lib/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define SHARD_BITS  6
#define SHARDS      (1U << SHARD_BITS)
#define BUCKETS_MIN 16U
#define CACHE_LINE  64

struct entry {
    struct cr_cache_entry pub; /* first: callers hold a pointer to it */
    struct cr_id id;
    atomic_uint pins;
    bool used;             /* since the clock's hand last came by */
    struct flight *flight; /* not NULL: being loaded, pub is not valid yet and not in the ring */
    struct entry *next;    /* in its bucket */
    struct entry *before, *after; /* in the clock's ring */
};

/* A load under way, for those who wait. Guarded by the shard's lock. */
struct flight {
    pthread_cond_t landed;
    bool done;
    unsigned waiters;
    int result;
    struct cr_error err;
};

struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entries;      /* in the table, with those being loaded */
    struct entry *hand;  /* of the clock; NULL = the ring is empty */
    uint64_t hits, misses, waits, evictions;
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

static uint64_t cost(size_t len)
{
    return len + sizeof(struct entry);
}

/* --- the table of a shard; its lock is held ------------------------------------------ */

static struct entry **bucket_of(const struct shard *shard, const struct cr_id *id)
{
    return &shard->buckets[(cr_id_hash(id) >> SHARD_BITS) & (shard->bucket_count - 1)];
}

static struct entry *table_find(const struct shard *shard, const struct cr_id *id)
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

static void table_add(struct shard *shard, struct entry *entry)
{
    if (shard->entries >= shard->bucket_count)
        table_grow(shard);
    struct entry **bucket = bucket_of(shard, &entry->id);
    entry->next = *bucket;
    *bucket = entry;
    shard->entries++;
}

static void table_remove(struct shard *shard, struct entry *entry)
{
    struct entry **link = bucket_of(shard, &entry->id);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    shard->entries--;
}

/* New entries go right behind the hand: it meets them last. */
static void ring_add(struct shard *shard, struct entry *entry)
{
    if (shard->hand == NULL) {
        entry->before = entry->after = shard->hand = entry;
        return;
    }
    entry->after = shard->hand;
    entry->before = shard->hand->before;
    entry->before->after = entry;
    entry->after->before = entry;
}

static void ring_remove(struct shard *shard, struct entry *entry)
{
    if (entry->after == entry) {
        shard->hand = NULL;
        return;
    }
    entry->before->after = entry->after;
    entry->after->before = entry->before;
    if (shard->hand == entry)
        shard->hand = entry->after;
}

/* Take one entry out that nobody holds and nobody has used for a turn of the hand; NULL = none. */
static struct entry *ring_evict(struct shard *shard)
{
    if (shard->hand == NULL)
        return NULL;
    for (size_t steps = 2 * shard->entries; steps > 0; steps--) {
        struct entry *entry = shard->hand;
        if (entry->used) {
            entry->used = false;
        } else if (atomic_load_explicit(&entry->pins, memory_order_acquire) == 0) {
            ring_remove(shard, entry);
            table_remove(shard, entry);
            shard->evictions++;
            return entry;
        }
        shard->hand = entry->after;
    }
    return NULL;
}

/* --- the budget; no lock is held ----------------------------------------------------- */

static void entry_free(struct entry *entry)
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

/* The shards take turns giving up one entry each, until the budget holds or all is in use. */
static void shrink(struct cr_cache *cache)
{
    unsigned fruitless = 0;
    while (atomic_load(&cache->bytes) > cache->max_bytes && fruitless < SHARDS) {
        struct shard *shard =
            &cache->shards[atomic_fetch_add(&cache->evict_next, 1) & (SHARDS - 1)];
        pthread_mutex_lock(&shard->lock);
        struct entry *victim = ring_evict(shard);
        pthread_mutex_unlock(&shard->lock);
        if (victim == NULL) {
            fruitless++;
            continue;
        }
        fruitless = 0;
        atomic_fetch_sub(&cache->bytes, cost(victim->pub.len));
        entry_free(victim);
    }
}

/* --- looking up, waiting, landing ---------------------------------------------------- */

static void pin(struct entry *entry)
{
    atomic_fetch_add_explicit(&entry->pins, 1, memory_order_relaxed);
}

static void touch(struct entry *entry)
{
    if (!entry->used)
        entry->used = true;
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
    table_add(shard, entry);
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
        ring_add(shard, entry);
    } else {
        table_remove(shard, entry);
        entry_free(entry);
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
    atomic_fetch_add(&claim->cache->bytes, cost(len));
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
    struct entry *entry = table_find(shard, id);
    if (entry == NULL) {
        entry = flight_begin(shard, id);
        if (entry != NULL) {
            claim->ids[claim->count] = *id;
            claim->entries[claim->count++] = entry;
        }
    } else {
        pin(entry);
        touch(entry);
        if (entry->flight != NULL) {
            entry->flight->waiters++;
            shard->waits++;
        } else {
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
    struct entry *entry = table_find(shard, id);
    bool hit = entry != NULL && entry->flight == NULL;
    if (hit) {
        pin(entry);
        touch(entry);
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
    struct entry *entry = table_find(shard, id);
    if (entry != NULL && entry->flight != NULL)
        entry = NULL;
    if (entry != NULL) {
        pin(entry);
        touch(entry);
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
    bool fresh = table_find(shard, id) == NULL;
    if (fresh) {
        atomic_fetch_add(&cache->bytes, cost(len));
        table_add(shard, entry);
        ring_add(shard, entry);
    }
    pthread_mutex_unlock(&shard->lock);
    if (!fresh)
        entry_free(entry);
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

/* --- the whole cache ----------------------------------------------------------------- */

int cr_cache_new(uint64_t max_bytes, struct cr_cache **ret_cache)
{
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = aligned_alloc(CACHE_LINE, sizeof(*cache));
    if (cache == NULL)
        return -ENOMEM;
    memset(cache, 0, sizeof(*cache));
    cache->max_bytes = max_bytes;
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->shards[i].lock, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        shard->bucket_count = BUCKETS_MIN;
        shard->buckets = cr_calloc(BUCKETS_MIN, sizeof(shard->buckets[0]));
        if (shard->buckets == NULL)
            return -ENOMEM;
    }
    *ret_cache = TAKE_PTR(cache);
    return 0;
}

void cr_cache_free(struct cr_cache *cache)
{
    if (cache == NULL)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        for (size_t b = 0; shard->buckets != NULL && b < shard->bucket_count; b++) {
            for (struct entry *entry = shard->buckets[b], *next; entry != NULL; entry = next) {
                next = entry->next;
                assert(atomic_load(&entry->pins) == 0);
                entry_free(entry);
            }
        }
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    free(cache);
}

void cr_cache_cleanup(struct cr_cache **cache)
{
    cr_cache_free(*cache);
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
