/* SPDX-License-Identifier: MIT */
/*
 * A request is planned under the mutex: each read is answered from a pack in memory, or waits for
 * one that somebody loads, or loads one, or reads its range directly. What is to be read is then
 * read in one go without the mutex. Nobody waits before the loads that he owes have landed, so
 * nobody waits in a circle.
 */
#include "lib/store/packcache.h"

#include "lib/base/mem.h"
#include "lib/store/packdisk.h"
#include "lib/store/packpool.h"
#include "lib/store/packtouch.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define RECORDS       16384U
#define TOUCHES_WHOLE 8U /* in one burst, after which the rest of a pack is read with it */

struct cr_packcache {
    struct cr_blobs base;
    struct cr_blob_ops ops;
    struct cr_blobs *inner;
    pthread_mutex_t mutex; /* over pool, touch and the states and pins of packs */
    pthread_cond_t landed;
    struct cr_packpool pool;
    struct cr_packtouch *touch;
    struct cr_packdisk *disk; /* NULL = none */
    atomic_uint_least64_t reads[CR_SPACE_COUNT], read_bytes[CR_SPACE_COUNT];
    atomic_uint_least64_t hits, waits, loads, folder_loads, damaged;
};

/* One read of a request. */
struct plan {
    struct cr_warm *warm; /* pinned; NULL = read the range directly */
    bool load;            /* by us */
    bool keep;            /* write it to the folder when it is here */
    bool done;
    uint32_t pack_bytes; /* to be loaded; 0 = not known */
};

static struct cr_packcache *cache_of(struct cr_blobs *blobs)
{
    return (struct cr_packcache *)blobs;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- the place underneath ------------------------------------------------------------------ */

static int inner_size(struct cr_packcache *cache, enum cr_space space, const char *name,
                      uint64_t *ret_bytes, struct cr_error *err)
{
    atomic_fetch_add(&cache->reads[space], 1);
    return cache->inner->ops->size(cache->inner, space, name, ret_bytes, err);
}

static void inner_read_many(struct cr_packcache *cache, enum cr_space space,
                            struct cr_blob_read *reads, size_t count)
{
    if (count == 0)
        return;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += reads[i].len;
    atomic_fetch_add(&cache->reads[space], count);
    atomic_fetch_add(&cache->read_bytes[space], bytes);
    cr_blobs_read_many(cache->inner, space, reads, count);
}

/* --- planning; the mutex is held ----------------------------------------------------------- */

/* A pack that is in memory or on its way there was touched. */
static void plan_present(struct cr_packcache *cache, struct plan *plan, struct cr_warm *warm,
                         struct cr_touch_record *record)
{
    bool was_hot = warm->hot;
    if (cr_packtouch_add(cache->touch, record, &warm->name, now_ms()))
        cr_packpool_heat(&cache->pool, warm, record->bursts > 1);
    warm->pins++;
    plan->warm = warm;
    plan->keep = warm->hot && !was_hot && cache->disk != NULL;
    if (warm->state == CR_WARM_LOADING)
        atomic_fetch_add(&cache->waits, 1);
    atomic_fetch_add(&cache->hits, 1);
}

/* A pack that is absent: is it worth loading? */
static void plan_absent(struct cr_packcache *cache, struct plan *plan, const struct cr_id *name,
                        struct cr_touch_record *record)
{
    cr_packtouch_add(cache->touch, record, name, now_ms());
    bool hot = record->bursts > 1;
    if (!hot && record->touches < TOUCHES_WHOLE &&
        (cache->disk == NULL || !cr_packdisk_has(cache->disk, name)))
        return;
    plan->warm = cr_packpool_begin(&cache->pool, name, hot);
    plan->load = plan->warm != NULL;
    plan->keep = hot && cache->disk != NULL;
    plan->pack_bytes = record->pack_bytes;
}

static void plan_read(struct cr_packcache *cache, struct plan *plan,
                      const struct cr_blob_read *read)
{
    struct cr_id name;
    if (cr_id_parse(read->name, strlen(read->name), &name) < 0)
        return;
    struct cr_touch_record *record = cr_packtouch_find(cache->touch, &name);
    /* The end of a pack is its footer, which is read to build the index: that is no touch. */
    bool footer = record->pack_bytes != 0 && read->offset + read->len == record->pack_bytes;
    struct cr_warm *warm = cr_packpool_find(&cache->pool, &name);
    if (footer)
        return;
    if (warm != NULL)
        plan_present(cache, plan, warm, record);
    else
        plan_absent(cache, plan, &name, record);
}

/* --- loading ------------------------------------------------------------------------------- */

/* The pack is whole now, or will not come. */
static void land(struct cr_packcache *cache, struct plan *plan, int result)
{
    pthread_mutex_lock(&cache->mutex);
    if (result == 0) {
        cr_packpool_land(&cache->pool, plan->warm);
    } else {
        plan->warm->state = CR_WARM_FAILED;
        cr_packpool_drop(&cache->pool, plan->warm);
    }
    plan->load = false;
    pthread_cond_broadcast(&cache->landed);
    pthread_mutex_unlock(&cache->mutex);
}

static bool load_from_folder(struct cr_packcache *cache, struct plan *plan)
{
    uint8_t *data = NULL;
    size_t len = 0;
    if (cache->disk == NULL || cr_packdisk_load(cache->disk, &plan->warm->name, &data, &len) < 0)
        return false;
    if (cr_warm_fill(plan->warm, data, len) < 0) {
        cr_packdisk_drop(cache->disk, &plan->warm->name);
        atomic_fetch_add(&cache->damaged, 1);
        return false;
    }
    atomic_fetch_add(&cache->folder_loads, 1);
    plan->keep = false;
    land(cache, plan, 0);
    return true;
}

/* Where a whole pack shall be read to; false when that cannot be. */
static bool load_prepare(struct cr_packcache *cache, const struct plan *plan, const char *name,
                         struct cr_blob_read *whole)
{
    uint64_t size = plan->pack_bytes;
    if (size == 0 && inner_size(cache, CR_SPACE_PACKS, name, &size, NULL) < 0)
        return false;
    if (size == 0 || size > CR_PACK_BYTES_MAX)
        return false;
    *whole = (struct cr_blob_read){.name = name, .data = malloc(size), .len = size};
    return whole->data != NULL;
}

/* Read packs that are to be loaded, and ranges that are read directly, all in one go. */
static void load_all(struct cr_packcache *cache, struct plan *plans, struct cr_blob_read *reads,
                     size_t count, struct cr_blob_read *inner, size_t *which)
{
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (plans[i].warm == NULL)
            inner[asked] = reads[i];
        else if (!plans[i].load || load_from_folder(cache, &plans[i]))
            continue;
        else if (!load_prepare(cache, &plans[i], reads[i].name, &inner[asked])) {
            land(cache, &plans[i], -ENOMEM);
            continue;
        }
        which[asked++] = i;
    }
    inner_read_many(cache, CR_SPACE_PACKS, inner, asked);
    for (size_t k = 0; k < asked; k++) {
        struct plan *plan = &plans[which[k]];
        if (plan->warm == NULL) {
            reads[which[k]] = inner[k];
            plan->done = true;
            continue;
        }
        int r = inner[k].result;
        if (r < 0)
            free(inner[k].data);
        else
            r = cr_warm_fill(plan->warm, inner[k].data, inner[k].len);
        if (r == 0)
            atomic_fetch_add(&cache->loads, 1);
        land(cache, plan, r);
    }
}

/* --- answering ----------------------------------------------------------------------------- */

/* A frame of it does not verify: away with it, and the next reads ask the store. */
static void distrust(struct cr_packcache *cache, struct cr_warm *warm)
{
    atomic_fetch_add(&cache->damaged, 1);
    pthread_mutex_lock(&cache->mutex);
    struct cr_touch_record *record = cr_packtouch_find(cache->touch, &warm->name);
    record->touches = record->bursts = 0;
    cr_packpool_drop(&cache->pool, warm);
    pthread_mutex_unlock(&cache->mutex);
    if (cache->disk != NULL)
        cr_packdisk_drop(cache->disk, &warm->name);
}

/* Answer from memory, after waiting for whoever loads it. False: the range must be read directly.
 */
static bool answer(struct cr_packcache *cache, struct plan *plan, struct cr_blob_read *read)
{
    struct cr_warm *warm = plan->warm;
    pthread_mutex_lock(&cache->mutex);
    while (warm->state == CR_WARM_LOADING)
        pthread_cond_wait(&cache->landed, &cache->mutex);
    bool ready = warm->state == CR_WARM_READY;
    pthread_mutex_unlock(&cache->mutex);
    int r = ready ? cr_warm_read(warm, read->data, read->len, read->offset) : -ENOENT;
    if (r == -EBADMSG)
        distrust(cache, warm);
    else if (ready && plan->keep)
        cr_packdisk_store(cache->disk, &warm->name, warm->data, warm->len);
    read->result = 0;
    return r == 0;
}

static void answer_all(struct cr_packcache *cache, struct plan *plans, struct cr_blob_read *reads,
                       size_t count, struct cr_blob_read *inner, size_t *which)
{
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (plans[i].done)
            continue;
        if (!answer(cache, &plans[i], &reads[i])) {
            inner[asked] = reads[i];
            which[asked++] = i;
        }
    }
    inner_read_many(cache, CR_SPACE_PACKS, inner, asked);
    for (size_t k = 0; k < asked; k++)
        reads[which[k]] = inner[k];
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < count; i++)
        if (plans[i].warm != NULL)
            cr_packpool_unpin(plans[i].warm);
    pthread_mutex_unlock(&cache->mutex);
}

static void packs_read(struct cr_packcache *cache, struct cr_blob_read *reads, size_t count)
{
    if (cache->pool.max_bytes == 0 && cache->disk == NULL) { /* it only counts */
        inner_read_many(cache, CR_SPACE_PACKS, reads, count);
        return;
    }
    CLEANUP_FREE struct plan *plans = cr_calloc(count, sizeof(*plans));
    CLEANUP_FREE struct cr_blob_read *inner = cr_calloc(count, sizeof(*inner));
    CLEANUP_FREE size_t *which = cr_calloc(count, sizeof(*which));
    if (plans == NULL || inner == NULL || which == NULL) {
        inner_read_many(cache, CR_SPACE_PACKS, reads, count);
        return;
    }
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < count; i++)
        plan_read(cache, &plans[i], &reads[i]);
    pthread_mutex_unlock(&cache->mutex);
    load_all(cache, plans, reads, count, inner, which);
    answer_all(cache, plans, reads, count, inner, which);
}

/* A pack changes or goes. */
static void pack_forget(struct cr_packcache *cache, enum cr_space space, const char *text)
{
    struct cr_id name;
    if (space != CR_SPACE_PACKS || cr_id_parse(text, strlen(text), &name) < 0)
        return;
    pthread_mutex_lock(&cache->mutex);
    struct cr_warm *warm = cr_packpool_find(&cache->pool, &name);
    if (warm != NULL)
        cr_packpool_drop(&cache->pool, warm);
    cr_packtouch_find(cache->touch, &name)->pack_bytes = 0;
    pthread_mutex_unlock(&cache->mutex);
    if (cache->disk != NULL)
        cr_packdisk_drop(cache->disk, &name);
}

/* --- struct cr_blob_ops -------------------------------------------------------------------- */

static void cache_close(struct cr_blobs *blobs)
{
    struct cr_packcache *cache = cache_of(blobs);
    cache->inner->ops->close(cache->inner);
    cr_packpool_done(&cache->pool);
    cr_packtouch_free(cache->touch);
    cr_packdisk_close(cache->disk);
    pthread_cond_destroy(&cache->landed);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static void cache_size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                            size_t count)
{
    struct cr_packcache *cache = cache_of(blobs);
    struct cr_id id;
    atomic_fetch_add(&cache->reads[space], count);
    cr_blobs_size_many(cache->inner, space, sizes, count);
    if (space != CR_SPACE_PACKS)
        return;
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < count; i++)
        if (sizes[i].result == 0 && sizes[i].bytes <= CR_PACK_BYTES_MAX &&
            cr_id_parse(sizes[i].name, strlen(sizes[i].name), &id) == 0)
            cr_packtouch_find(cache->touch, &id)->pack_bytes = (uint32_t)sizes[i].bytes;
    pthread_mutex_unlock(&cache->mutex);
}

static int cache_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      uint64_t *ret_bytes, struct cr_error *err)
{
    struct cr_blob_size size = {.name = name};
    cache_size_many(blobs, space, &size, 1);
    if (size.result == 0)
        *ret_bytes = size.bytes;
    else if (err != NULL)
        *err = size.err;
    return size.result;
}

static void cache_read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                            size_t count)
{
    struct cr_packcache *cache = cache_of(blobs);
    if (space == CR_SPACE_PACKS)
        packs_read(cache, reads, count);
    else
        inner_read_many(cache, space, reads, count);
}

static int cache_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                      size_t len, uint64_t offset, struct cr_error *err)
{
    struct cr_packcache *cache = cache_of(blobs);
    if (space != CR_SPACE_PACKS) {
        atomic_fetch_add(&cache->reads[space], 1);
        atomic_fetch_add(&cache->read_bytes[space], len);
        return cache->inner->ops->read(cache->inner, space, name, data, len, offset, err);
    }
    struct cr_blob_read read = {.name = name, .data = data, .len = len, .offset = offset};
    packs_read(cache, &read, 1);
    if (read.result < 0 && err != NULL)
        *err = read.err;
    return read.result;
}

static int cache_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink,
                      void *context, struct cr_error *err)
{
    struct cr_packcache *cache = cache_of(blobs);
    atomic_fetch_add(&cache->reads[space], 1);
    return cache->inner->ops->list(cache->inner, space, sink, context, err);
}

static int cache_put(struct cr_blobs *blobs, enum cr_space space, const char *name,
                     const void *data, size_t len, struct cr_error *err)
{
    struct cr_packcache *cache = cache_of(blobs);
    pack_forget(cache, space, name);
    return cache->inner->ops->put(cache->inner, space, name, data, len, err);
}

static int cache_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                        struct cr_error *err)
{
    struct cr_packcache *cache = cache_of(blobs);
    int r = cache->inner->ops->remove(cache->inner, space, name, err);
    pack_forget(cache, space, name);
    return r;
}

static int cache_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                               uint64_t generation, struct cr_error *err)
{
    struct cr_packcache *cache = cache_of(blobs);
    int r = cache->inner->ops->remove_marked(cache->inner, space, name, generation, err);
    if (r == 0)
        pack_forget(cache, space, name);
    return r;
}

static int cache_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->sync(inner, err);
}

static int cache_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                      struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->lock(inner, name, ret_lock, err);
}

static int cache_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                           struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->lock_seen(inner, lock, generation, err);
}

static void cache_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    inner->ops->unlock(inner, lock);
}

static int cache_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context,
                        struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->leases(inner, sink, context, err);
}

static int cache_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                         const struct cr_id *expected, const void *data, size_t len,
                         struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->replace(inner, space, name, expected, data, len, err);
}

static int cache_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->mark(inner, mark, err);
}

static int cache_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name,
                        struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->unmark(inner, space, name, err);
}

static int cache_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context,
                       struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->marks(inner, sink, context, err);
}

static int cache_watch(struct cr_blobs *blobs, cr_store_changed *changed, void *context,
                       struct cr_error *err)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->watch(inner, changed, context, err);
}

static bool cache_watching(struct cr_blobs *blobs)
{
    struct cr_blobs *inner = cache_of(blobs)->inner;
    return inner->ops->watching(inner);
}

/* What the inner one cannot do, this one cannot either. */
static struct cr_blob_ops ops_over(const struct cr_blob_ops *inner)
{
    return (struct cr_blob_ops){
        .close = cache_close,
        .size = cache_size,
        .read = cache_read,
        .read_many = cache_read_many,
        .size_many = cache_size_many,
        .list = cache_list,
        .put = inner->put ? cache_put : NULL,
        .remove = inner->remove ? cache_remove : NULL,
        .sync = inner->sync ? cache_sync : NULL,
        .lock = inner->lock ? cache_lock : NULL,
        .lock_seen = inner->lock_seen ? cache_lock_seen : NULL,
        .unlock = inner->unlock ? cache_unlock : NULL,
        .leases = inner->leases ? cache_leases : NULL,
        .replace = inner->replace ? cache_replace : NULL,
        .mark = inner->mark ? cache_mark : NULL,
        .unmark = inner->unmark ? cache_unmark : NULL,
        .marks = inner->marks ? cache_marks : NULL,
        .remove_marked = inner->remove_marked ? cache_remove_marked : NULL,
        .watch = inner->watch ? cache_watch : NULL,
        .watching = inner->watching ? cache_watching : NULL,
    };
}

/* --- life ---------------------------------------------------------------------------------- */

int cr_packcache_new(struct cr_blobs *inner, const struct cr_packcache_options *options,
                     struct cr_blobs **ret_blobs, struct cr_packcache **ret_cache,
                     struct cr_error *err)
{
    struct cr_packcache *cache = cr_calloc(1, sizeof(*cache));
    if (cache == NULL) {
        inner->ops->close(inner);
        return cr_error_errno(err, -ENOMEM, "making the pack cache");
    }
    cache->inner = inner;
    cache->ops = ops_over(inner->ops);
    cache->base.ops = &cache->ops;
    cache->pool.max_bytes = options->memory_bytes;
    pthread_mutex_init(&cache->mutex, NULL);
    pthread_cond_init(&cache->landed, NULL);
    int r = cr_packtouch_new(RECORDS, &cache->touch);
    if (r < 0)
        cr_error_errno(err, r, "making the pack cache");
    else if (options->folder != NULL)
        r = cr_packdisk_open(options->folder, options->folder_bytes, &cache->disk, err);
    if (r < 0) {
        cache_close(&cache->base);
        return r;
    }
    *ret_blobs = &cache->base;
    *ret_cache = cache;
    return 0;
}

void cr_packcache_stat(struct cr_packcache *cache, struct cr_packcache_stat *ret_stat)
{
    *ret_stat = (struct cr_packcache_stat){
        .hits = atomic_load(&cache->hits),
        .waits = atomic_load(&cache->waits),
        .loads = atomic_load(&cache->loads),
        .folder_loads = atomic_load(&cache->folder_loads),
        .damaged = atomic_load(&cache->damaged),
        .folder_bytes = cache->disk != NULL ? cr_packdisk_bytes(cache->disk) : 0,
    };
    for (size_t i = 0; i < CR_SPACE_COUNT; i++) {
        ret_stat->reads[i] = atomic_load(&cache->reads[i]);
        ret_stat->read_bytes[i] = atomic_load(&cache->read_bytes[i]);
    }
    pthread_mutex_lock(&cache->mutex);
    ret_stat->evictions = cache->pool.evictions;
    ret_stat->packs = cache->pool.packs;
    ret_stat->memory_bytes = cache->pool.cold.bytes + cache->pool.hot.bytes;
    pthread_mutex_unlock(&cache->mutex);
}
