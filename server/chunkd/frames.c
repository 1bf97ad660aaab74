/* SPDX-License-Identifier: MIT */
#include "server/chunkd/frames.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "server/chunkd/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define COMPLAINTS 64 /* corrupted objects remembered, so that each is logged once */

struct frames {
    struct cr_store *store;
    struct cr_cache *cache;
    atomic_uint_least64_t reads[CR_KIND_COUNT];
    atomic_uint_least64_t corrupted, errors;
    struct log_limit errors_limit;
    pthread_mutex_t complaints_lock;
    struct cr_id complaints[COMPLAINTS];
    unsigned complaints_next;
};

/* An object's name in the cache. Kinds are kept apart, so that a chunk is never found as a segment.
 */
static struct cr_id key_of(enum cr_kind kind, const struct cr_id *id)
{
    struct cr_id key = *id;
    key.bytes[CR_ID_BYTES - 1] ^= (uint8_t)kind;
    return key;
}

/* --- life ------------------------------------------------------------------------------------- */

int frames_new(struct cr_store *store, uint64_t cache_bytes, struct frames **ret_frames)
{
    struct frames *frames = cr_calloc(1, sizeof(*frames));
    if (frames == NULL)
        return -ENOMEM;
    frames->store = store;
    pthread_mutex_init(&frames->complaints_lock, NULL);
    int r = cr_cache_new(cache_bytes, &frames->cache);
    if (r < 0) {
        frames_free(frames);
        return r;
    }
    *ret_frames = frames;
    return 0;
}

void frames_free(struct frames *frames)
{
    if (frames == NULL)
        return;
    cr_cache_free(frames->cache);
    pthread_mutex_destroy(&frames->complaints_lock);
    free(frames);
}

void frames_release(struct frames *frames, struct frame *frame)
{
    if (frame->entry != NULL)
        cr_cache_release(frames->cache, TAKE_PTR(frame->entry));
}

void frames_stat(struct frames *frames, struct frames_stat *ret_stat)
{
    cr_cache_stat(frames->cache, &ret_stat->cache);
    for (size_t i = 0; i < CR_KIND_COUNT; i++)
        ret_stat->reads[i] = atomic_load(&frames->reads[i]);
    ret_stat->corrupted = atomic_load(&frames->corrupted);
    ret_stat->errors = atomic_load(&frames->errors);
}

/* --- a frame that came from the store --------------------------------------------------------- */

static bool complained_before(struct frames *frames, const struct cr_id *id)
{
    bool found = false;
    pthread_mutex_lock(&frames->complaints_lock);
    for (size_t i = 0; i < COMPLAINTS && !found; i++)
        found = cr_id_equal(&frames->complaints[i], id);
    if (!found)
        frames->complaints[frames->complaints_next++ % COMPLAINTS] = *id;
    pthread_mutex_unlock(&frames->complaints_lock);
    return found;
}

void frames_corrupted(struct frames *frames, const struct cr_id *key, const struct cr_error *err)
{
    atomic_fetch_add(&frames->corrupted, 1);
    if (!complained_before(frames, key))
        log_event("%s", err->text);
}

/*
 * What the store says of a chunk that it cannot hand out is the same for all chunks of a damaged
 * pack, but for the chunk's id: it is logged once, not once a chunk.
 */
static struct cr_id complaint_of(const struct cr_id *id, const struct cr_error *err)
{
    char hex[CR_ID_HEX];
    const char *at = strstr(err->text, cr_id_format(id, hex)), *rest = at ? at + strlen(hex) : NULL;
    struct cr_id key = *id;
    if (rest != NULL)
        cr_hash(rest, strlen(rest), &key);
    return key;
}

/* Count and log what a read of the store came to. Returns `result`. */
static int read_ended(struct frames *frames, const struct cr_id *id, int result,
                      const struct cr_error *err)
{
    uint64_t dropped;
    if (result == -EBADMSG) {
        frames_corrupted(frames, id, err);
    } else if (result < 0 && result != -ENOENT) {
        atomic_fetch_add(&frames->errors, 1);
        if (log_limit_pass(&frames->errors_limit, &dropped))
            log_event("%s", err->text);
    }
    return result;
}

/* Verify a frame and copy it behind its length, as struct frame has it. */
static int frame_make(enum cr_kind kind, const struct cr_id *id, const void *frame, size_t len,
                      uint8_t **ret_data, size_t *ret_len, struct cr_error *err)
{
    CLEANUP_FREE uint8_t *plain = malloc(cr_kinds[kind].plain_max);
    CLEANUP_FREE uint8_t *data = malloc(sizeof(uint32_t) + len);
    size_t plain_len;
    if (plain == NULL || data == NULL)
        return cr_error_errno(err, -ENOMEM, "keep a %s in memory", cr_kinds[kind].name);
    int r = cr_object_open(kind, id, frame, len, plain, cr_kinds[kind].plain_max, &plain_len, err);
    if (r < 0)
        return r;
    cr_put_le32(data, (uint32_t)len);
    memcpy(data + sizeof(uint32_t), frame, len);
    *ret_data = TAKE_PTR(data);
    *ret_len = sizeof(uint32_t) + len;
    return 0;
}

/*
 * Frames that are being sent stay in memory however little the cache may hold. Slow clients could
 * ask for all the memory there is; past twice the cache they are asked to come back later.
 */
static int memory_check(struct frames *frames, struct cr_error *err)
{
    struct cr_cache_stat stat;
    cr_cache_stat(frames->cache, &stat);
    if (stat.bytes / 2 > stat.max_bytes)
        return cr_error_set(err, -EBUSY,
                            "too much is being sent at once for a cache of %llu bytes; ask again",
                            (unsigned long long)stat.max_bytes);
    return 0;
}

/* --- loading: chunks come in batches, segments and manifests alone ---------------------------- */

struct loading {
    struct frames *frames;
    struct cr_cache_claim *claim;
    const struct cr_id *ids;
};

static int chunk_loaded(void *context, size_t index, int result, const void *data, size_t len,
                        const struct cr_error *why)
{
    struct loading *loading = context;
    struct frames *frames = loading->frames;
    const struct cr_id *id = &loading->ids[index];
    struct cr_error err = {0};
    struct cr_id complaint = *id;
    uint8_t *value = NULL;
    size_t value_len = 0;
    atomic_fetch_add(&frames->reads[CR_CHUNK], 1);
    if (result < 0 && why != NULL) {
        err = *why;
        complaint = complaint_of(id, why);
    } else if (result == 0) {
        result = frame_make(CR_CHUNK, id, data, len, &value, &value_len, &err);
    }
    if (read_ended(frames, &complaint, result, &err) < 0)
        cr_cache_refuse(loading->claim, index, result, &err);
    else
        cr_cache_deliver(loading->claim, index, value, value_len);
    return 0;
}

static int chunks_load(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                       size_t count, struct cr_error *err)
{
    struct frames *frames = context;
    struct loading loading = {.frames = frames, .claim = claim, .ids = ids};
    int r = memory_check(frames, err);
    if (r < 0)
        return r;
    r = frames->store->ops->chunks_get(frames->store, ids, count, chunk_loaded, &loading, err);
    return read_ended(frames, &ids[0], r, err);
}

struct object_loading {
    struct frames *frames;
    enum cr_kind kind;
    const struct cr_id *id;
};

static int object_load(void *context, const struct cr_id *key, uint8_t **ret_data, size_t *ret_len,
                       struct cr_error *err)
{
    const struct object_loading *loading = context;
    struct frames *frames = loading->frames;
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[loading->kind].frame_max);
    (void)key;
    int r = memory_check(frames, err);
    if (r < 0)
        return r;
    atomic_fetch_add(&frames->reads[loading->kind], 1);
    r = frames->store->ops->object_get(frames->store, loading->kind, loading->id, &frame, err);
    if (r == 0)
        r = frame_make(loading->kind, loading->id, frame.data, frame.len, ret_data, ret_len, err);
    return read_ended(frames, loading->id, r, err);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool frames_peek(struct frames *frames, enum cr_kind kind, const struct cr_id *id,
                 struct frame *ret_frame)
{
    struct cr_id key = key_of(kind, id);
    ret_frame->entry = cr_cache_peek(frames->cache, &key);
    return ret_frame->entry != NULL;
}

int frames_get(struct frames *frames, enum cr_kind kind, const struct cr_id *id,
               struct frame *ret_frame, struct cr_error *err)
{
    if (kind == CR_CHUNK)
        return cr_cache_get_batch(frames->cache, id, 1, chunks_load, frames, &ret_frame->entry,
                                  err);
    struct object_loading loading = {.frames = frames, .kind = kind, .id = id};
    struct cr_id key = key_of(kind, id);
    return cr_cache_get(frames->cache, &key, object_load, &loading, &ret_frame->entry, err);
}

void frames_get_batch(struct frames *frames, const struct cr_id *ids, uint32_t count,
                      struct frame *ret_frames, int *ret_results)
{
    const struct cr_cache_entry *entries[CR_BATCH_IDS_MAX];
    struct cr_error err;
    int r = cr_cache_get_batch(frames->cache, ids, count, chunks_load, frames, entries, &err);
    for (uint32_t i = 0; i < count; i++) {
        ret_results[i] = r;
        if (r == 0)
            ret_frames[i].entry = entries[i];
    }
    /* One of them cannot be had; the others are in the cache by now. */
    for (uint32_t i = 0; r < 0 && i < count; i++)
        ret_results[i] = frames_get(frames, CR_CHUNK, &ids[i], &ret_frames[i], &err);
}
