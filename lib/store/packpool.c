/* SPDX-License-Identifier: MIT */
#include "lib/store/packpool.h"

#include "lib/base/mem.h"

#include <assert.h>
#include <errno.h>

#define USED_MAX 3U

static uint64_t cost(const struct cr_warm *warm)
{
    return sizeof(*warm) + warm->len +
           warm->frame_count * (sizeof(*warm->frames) + sizeof(*warm->verified));
}

/* --- queues and table ---------------------------------------------------------------------- */

static struct cr_warm_queue *queue_of(struct cr_packpool *pool, const struct cr_warm *warm)
{
    return warm->hot ? &pool->hot : &pool->cold;
}

static void queue_add(struct cr_packpool *pool, struct cr_warm *warm)
{
    struct cr_warm_queue *queue = queue_of(pool, warm);
    warm->newer = NULL;
    warm->older = queue->newest;
    if (queue->newest != NULL)
        queue->newest->newer = warm;
    else
        queue->oldest = warm;
    queue->newest = warm;
    queue->bytes += cost(warm);
}

static void queue_remove(struct cr_packpool *pool, struct cr_warm *warm)
{
    struct cr_warm_queue *queue = queue_of(pool, warm);
    if (warm->newer != NULL)
        warm->newer->older = warm->older;
    else
        queue->newest = warm->older;
    if (warm->older != NULL)
        warm->older->newer = warm->newer;
    else
        queue->oldest = warm->newer;
    queue->bytes -= cost(warm);
}

static struct cr_warm **link_of(struct cr_packpool *pool, const struct cr_id *name)
{
    struct cr_warm **link = &pool->buckets[cr_id_hash(name) % CR_WARM_BUCKETS];
    while (*link != NULL && !cr_id_equal(&(*link)->name, name))
        link = &(*link)->next;
    return link;
}

struct cr_warm *cr_packpool_find(const struct cr_packpool *pool, const struct cr_id *name)
{
    struct cr_warm *warm = pool->buckets[cr_id_hash(name) % CR_WARM_BUCKETS];
    while (warm != NULL && !cr_id_equal(&warm->name, name))
        warm = warm->next;
    return warm;
}

struct cr_warm *cr_packpool_begin(struct cr_packpool *pool, const struct cr_id *name, bool hot)
{
    struct cr_warm *warm = cr_calloc(1, sizeof(*warm));
    if (warm == NULL)
        return NULL;
    *warm = (struct cr_warm){.name = *name, .hot = hot, .in_table = true, .pins = 2};
    *link_of(pool, name) = warm;
    pool->packs++;
    return warm;
}

void cr_packpool_drop(struct cr_packpool *pool, struct cr_warm *warm)
{
    if (!warm->in_table)
        return;
    struct cr_warm **link = link_of(pool, &warm->name);
    assert(*link == warm);
    *link = warm->next;
    warm->in_table = false;
    pool->packs--;
    if (warm->state == CR_WARM_READY)
        queue_remove(pool, warm);
    cr_packpool_unpin(warm);
}

void cr_packpool_unpin(struct cr_warm *warm)
{
    if (--warm->pins > 0)
        return;
    free(warm->data);
    free(warm->frames);
    free(warm->verified);
    free(warm);
}

/* The one that goes next. Who was touched since the last time goes to the end of its queue. */
static struct cr_warm *victim(struct cr_packpool *pool)
{
    if (pool->hot.oldest == NULL ||
        (pool->cold.oldest != NULL && pool->cold.bytes > pool->max_bytes / 4))
        return pool->cold.oldest;
    while (pool->hot.oldest->used > 0) {
        struct cr_warm *spared = pool->hot.oldest;
        spared->used--;
        queue_remove(pool, spared);
        queue_add(pool, spared);
    }
    return pool->hot.oldest;
}

static void room_make(struct cr_packpool *pool)
{
    struct cr_warm *warm;
    while (pool->cold.bytes + pool->hot.bytes > pool->max_bytes && (warm = victim(pool)) != NULL) {
        cr_packpool_drop(pool, warm);
        pool->evictions++;
    }
}

void cr_packpool_land(struct cr_packpool *pool, struct cr_warm *warm)
{
    warm->state = CR_WARM_READY;
    if (!warm->in_table)
        return; /* dropped while it was loaded: good for who waits for it, and gone then */
    queue_add(pool, warm);
    room_make(pool);
}

void cr_packpool_heat(struct cr_packpool *pool, struct cr_warm *warm, bool hot)
{
    if (warm->used < USED_MAX)
        warm->used++;
    if (!hot || warm->hot)
        return;
    bool queued = warm->in_table && warm->state == CR_WARM_READY;
    if (queued)
        queue_remove(pool, warm);
    warm->hot = true;
    if (queued)
        queue_add(pool, warm);
}

void cr_packpool_done(struct cr_packpool *pool)
{
    for (size_t i = 0; i < CR_WARM_BUCKETS; i++)
        while (pool->buckets[i] != NULL)
            cr_packpool_drop(pool, pool->buckets[i]);
}

/* --- the bytes of one ---------------------------------------------------------------------- */

int cr_warm_fill(struct cr_warm *warm, uint8_t *data, size_t len)
{
    CLEANUP_FREE uint8_t *bytes = data;
    CLEANUP_FREE struct cr_pack_entry *frames = NULL;
    uint32_t count = 0;
    if (len < CR_PACK_HEADER_BYTES + CR_PACK_TRAILER_BYTES)
        return -EBADMSG;
    size_t footer = cr_pack_footer_bytes(bytes + len - CR_PACK_TRAILER_BYTES);
    if (footer == 0 || footer > len)
        return -EBADMSG;
    int r =
        cr_pack_footer_parse(bytes + len - footer, footer, &warm->name, len, &frames, &count, NULL);
    if (r < 0)
        return r;
    warm->verified = cr_calloc(count, sizeof(*warm->verified));
    if (warm->verified == NULL)
        return -ENOMEM;
    warm->frames = TAKE_PTR(frames);
    warm->frame_count = count;
    warm->data = TAKE_PTR(bytes);
    warm->len = len;
    return 0;
}

/* The first frame that ends behind `offset`. */
static uint32_t frame_at(const struct cr_warm *warm, uint64_t offset)
{
    uint32_t low = 0, high = warm->frame_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct cr_pack_entry *frame = &warm->frames[middle];
        if ((uint64_t)frame->offset + frame->frame_len > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int cr_warm_read(struct cr_warm *warm, void *data, size_t len, uint64_t offset)
{
    CLEANUP_FREE uint8_t *plain = NULL;
    if (offset > warm->len || len > warm->len - offset)
        return -ENODATA;
    for (uint32_t i = frame_at(warm, offset);
         i < warm->frame_count && warm->frames[i].offset < offset + len; i++) {
        const struct cr_pack_entry *frame = &warm->frames[i];
        size_t plain_len;
        if (atomic_load_explicit(&warm->verified[i], memory_order_relaxed))
            continue;
        if (plain == NULL && (plain = malloc(CR_CHUNK_BYTES)) == NULL)
            return -ENOMEM;
        int r = cr_object_open(CR_CHUNK, &frame->id, warm->data + frame->offset, frame->frame_len,
                               plain, CR_CHUNK_BYTES, &plain_len, NULL);
        if (r < 0)
            return r;
        atomic_store_explicit(&warm->verified[i], true, memory_order_relaxed);
    }
    memcpy(data, warm->data + offset, len);
    return 0;
}
