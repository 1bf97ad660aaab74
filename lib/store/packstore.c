/* SPDX-License-Identifier: MIT */
/*
 * The store on top of blobs: chunks inside packs, found through an index in memory that is built
 * from the footers when it is first needed, and brought up to date when an id is not found (another
 * process may have published since). packindex.c keeps it, packread.c reads through it, packside.c
 * hands the side objects through.
 */
#include "lib/store/packstore.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

const char *const cr_space_names[CR_SPACE_COUNT] = {
    [CR_SPACE_PACKS] = "packs",
    [CR_SPACE_SEGMENTS] = "segments",
    [CR_SPACE_MANIFESTS] = "manifests",
    [CR_SPACE_HEADS] = "heads",
    [CR_SPACE_DELTAS] = "deltas",
    [CR_SPACE_RECORDS] = "records",
    [CR_SPACE_TRUST] = "trust",
    [CR_SPACE_STATE] = "state",
    [CR_SPACE_HOT] = "hot",
};

void cr_blobs_read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                        size_t count)
{
    if (blobs->ops->read_many != NULL) {
        blobs->ops->read_many(blobs, space, reads, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        reads[i].result = blobs->ops->read(blobs, space, reads[i].name, reads[i].data, reads[i].len,
                                           reads[i].offset, &reads[i].err);
}

void cr_blobs_size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                        size_t count)
{
    if (blobs->ops->size_many != NULL) {
        blobs->ops->size_many(blobs, space, sizes, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sizes[i].result =
            blobs->ops->size(blobs, space, sizes[i].name, &sizes[i].bytes, &sizes[i].err);
}

/* Heads whose hash is remembered, to tell news from what is known. */
#define HEADS_SEEN_MAX 4096
/* A blob that changes its size that often while it is read is given up. */
#define BLOB_TRIES 16

static enum cr_space space_of(enum cr_kind kind)
{
    return kind == CR_MANIFEST ? CR_SPACE_MANIFESTS : CR_SPACE_SEGMENTS;
}

/* Read a blob of `size` bytes, appended to `out`. */
static int sized_get(struct packstore *ps, enum cr_space space, const char *name, uint64_t size,
                     struct cr_buf *out, struct cr_error *err)
{
    if (size > out->max - out->len || cr_buf_reserve(out, out->len + (size_t)size) < 0)
        return cr_error_set(err, -EBADMSG,
                            "'%s/%s' of store '%s' is corrupted: it has %" PRIu64
                            " bytes, at most %zu",
                            cr_space_names[space], name, ps->base.uri, size, out->max);
    return ps->blobs->ops->read(ps->blobs, space, name, out->data + out->len, (size_t)size, 0, err);
}

int packstore_blob_get(struct packstore *ps, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err)
{
    uint64_t size = 0, after = 0;
    int r = ps->blobs->ops->size(ps->blobs, space, name, &size, err);
    /* One that was replaced between the two calls is cut off: it is read again. */
    for (unsigned tries = 0; r == 0; tries++, size = after) {
        int read = sized_get(ps, space, name, size, out, err);
        if (read < 0 && read != -ENODATA)
            return read;
        r = ps->blobs->ops->size(ps->blobs, space, name, &after, err);
        if (r == 0 && ((read == 0 && after == size) || tries == BLOB_TRIES)) {
            out->len += read == 0 ? (size_t)size : 0;
            return read;
        }
    }
    return r;
}

static int packstore_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                                struct cr_buf *frame, struct cr_error *err)
{
    char hex[CR_ID_HEX];
    int r =
        packstore_blob_get(packstore_of(store), space_of(kind), cr_id_format(id, hex), frame, err);
    if (r == -ENOENT)
        cr_error_set(err, r, "%s '%s' is missing from store '%s'", cr_kinds[kind].name, hex,
                     store->uri);
    return r;
}

static int packstore_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                              struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    size_t before = head->len;
    int r = packstore_blob_get(ps, CR_SPACE_HEADS, name, head, err);
    if (r < 0)
        return r;
    struct cr_id hash;
    cr_hash(head->data + before, head->len - before, &hash);
    pthread_rwlock_wrlock(&ps->lock);
    if (ps->heads_seen.count >= HEADS_SEEN_MAX)
        cr_idset_done(&ps->heads_seen);
    /* A head not seen before may lead to packs that were not there at the last look. */
    if (cr_idset_add(&ps->heads_seen, &hash) != 0)
        atomic_store(&ps->quiet_until_ms, 0);
    pthread_rwlock_unlock(&ps->lock);
    return 0;
}

struct name_filter {
    cr_name_sink *sink;
    void *context;
};

/* Hand on what may be an image's name; a backend's folder can hold other things. */
static int name_filter(void *context, const char *name)
{
    struct name_filter *filter = context;
    struct cr_ref ref;
    if (strchr(name, '@') != NULL || cr_ref_parse(name, &ref, NULL) < 0)
        return 0;
    return filter->sink(filter->context, name);
}

static int packstore_heads_list(struct cr_store *store, cr_name_sink *sink, void *context,
                                struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    struct name_filter filter = {.sink = sink, .context = context};
    return ps->blobs->ops->list(ps->blobs, CR_SPACE_HEADS, name_filter, &filter, err);
}

/* --- writing --------------------------------------------------------------------------------- */

/* What a collector has condemned counts as absent: it is written again, and so stays. */
static int packstore_chunks_have(struct cr_store *store, const struct cr_id *ids, size_t count,
                                 bool *have, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    struct cr_place place;
    (void)err;
    pthread_rwlock_rdlock(&ps->lock);
    for (size_t i = 0; i < count; i++)
        have[i] = cr_index_find(ps->index, &ids[i], &place) && !place.condemned;
    pthread_rwlock_unlock(&ps->lock);
    return 0;
}

/* The lock is a lease; what others stored or condemned before we hold it is known when we do. */
static int packstore_image_lock(struct cr_store *store, const char *name,
                                struct cr_store_lock **ret_lock, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    struct cr_store_lock *lock;
    int r = ps->blobs->ops->lock(ps->blobs, name, &lock, err);
    if (r < 0)
        return r;
    r = packstore_look(ps, lock, err);
    if (r < 0)
        ps->blobs->ops->unlock(ps->blobs, lock);
    else
        *ret_lock = lock;
    return r;
}

static void packstore_image_unlock(struct cr_store *store, struct cr_store_lock *lock)
{
    struct packstore *ps = packstore_of(store);
    ps->blobs->ops->unlock(ps->blobs, lock);
}

static int packstore_pack_put(struct cr_store *store, const struct cr_pack *pack,
                              const struct cr_id *name, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    char hex[CR_ID_HEX];
    int r = ps->blobs->ops->put(ps->blobs, CR_SPACE_PACKS, cr_id_format(name, hex),
                                pack->bytes.data, pack->bytes.len, err);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&ps->lock);
    r = cr_index_add_pack(ps->index, name, pack->entries, pack->count);
    cr_index_revive(ps->index, name); /* by the put */
    pthread_rwlock_unlock(&ps->lock);
    return r < 0 ? cr_error_errno(err, r, "indexing pack '%s'", hex) : 0;
}

static int packstore_object_put(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                                const void *frame, size_t frame_len, bool *ret_new,
                                struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    char hex[CR_ID_HEX];
    /* One that is there is trusted only after a look: a damaged one is written again. */
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[kind].plain_max);
    *ret_new = packstore_object_condemned(ps, kind, id) ||
               cr_store_object_read(store, kind, id, &plain, NULL) < 0;
    if (!*ret_new)
        return 0;
    return ps->blobs->ops->put(ps->blobs, space_of(kind), cr_id_format(id, hex), frame, frame_len,
                               err);
}

static int packstore_sync(struct cr_store *store, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    return ps->blobs->ops->sync(ps->blobs, err);
}

static int packstore_head_set(struct cr_store *store, const char *name,
                              const struct cr_id *expected, const void *data, size_t len,
                              struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    return ps->blobs->ops->replace(ps->blobs, CR_SPACE_HEADS, name, expected, data, len, err);
}

/* --- figures --------------------------------------------------------------------------------- */

struct space_sum {
    struct packstore *ps;
    enum cr_space space;
    uint64_t count, bytes, versions;
};

static int space_add(void *context, const char *name)
{
    struct space_sum *sum = context;
    uint64_t bytes = 0;
    int r = sum->ps->blobs->ops->size(sum->ps->blobs, sum->space, name, &bytes, NULL);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    sum->count++;
    sum->bytes += bytes;
    struct cr_head head;
    if (sum->space == CR_SPACE_HEADS &&
        cr_store_head_read(&sum->ps->base, name, &head, NULL, NULL) == 0) {
        sum->versions += head.count;
        cr_head_done(&head);
    }
    return 0;
}

static int packstore_stat(struct cr_store *store, struct cr_store_stat *ret_stat,
                          struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    struct space_sum sums[CR_SPACE_COUNT];
    int r = packstore_refresh(ps, false, err);
    for (int i = 0; i < CR_SPACE_COUNT && r == 0; i++) {
        sums[i] = (struct space_sum){.ps = ps, .space = (enum cr_space)i};
        struct name_filter filter = {.sink = space_add, .context = &sums[i]};
        r = ps->blobs->ops->list(ps->blobs, (enum cr_space)i, name_filter, &filter, err);
    }
    if (r < 0)
        return r;
    pthread_rwlock_rdlock(&ps->lock);
    uint64_t chunks = cr_index_chunks(ps->index);
    pthread_rwlock_unlock(&ps->lock);
    *ret_stat = (struct cr_store_stat){
        .images = sums[CR_SPACE_HEADS].count,
        .versions = sums[CR_SPACE_HEADS].versions,
        .packs = sums[CR_SPACE_PACKS].count,
        .chunks = chunks,
        .pack_bytes = sums[CR_SPACE_PACKS].bytes,
        .segments = sums[CR_SPACE_SEGMENTS].count,
        .segment_bytes = sums[CR_SPACE_SEGMENTS].bytes,
        .manifests = sums[CR_SPACE_MANIFESTS].count,
        .manifest_bytes = sums[CR_SPACE_MANIFESTS].bytes,
        .head_bytes = sums[CR_SPACE_HEADS].bytes,
    };
    return 0;
}

static int packstore_damaged_list(struct cr_store *store, cr_name_sink *sink, void *context,
                                  struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    int r = packstore_refresh(ps, false, err);
    pthread_rwlock_rdlock(&ps->lock);
    for (size_t i = 0; i < ps->damaged.count && r == 0; i++) {
        char hex[CR_ID_HEX], line[CR_ID_HEX + CR_ERROR_BYTES + 2];
        snprintf(line, sizeof(line), "%s: %s", cr_id_format(&ps->damaged.list[i].name, hex),
                 ps->damaged.list[i].why.text);
        r = sink(context, line);
    }
    pthread_rwlock_unlock(&ps->lock);
    return r;
}

static void packstore_close(struct cr_store *store)
{
    struct packstore *ps = packstore_of(store);
    if (ps->blobs != NULL)
        ps->blobs->ops->close(ps->blobs);
    cr_index_free(ps->index);
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        cr_idset_done(&ps->condemned[i]);
    cr_idset_done(&ps->heads_seen);
    free(ps->damaged.list);
    pthread_mutex_destroy(&ps->refresh_mutex);
    pthread_rwlock_destroy(&ps->lock);
    free(ps);
}

/* --- being told of new heads ----------------------------------------------------------------- */

static int packstore_watch(struct cr_store *store, cr_store_changed *changed, void *context,
                           struct cr_error *err)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    if (blobs->ops->watch == NULL)
        return cr_error_set(err, -ENOTSUP, "store '%s' cannot tell when a head changes",
                            store->uri);
    return blobs->ops->watch(blobs, changed, context, err);
}

static bool packstore_watching(struct cr_store *store)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    return blobs->ops->watching != NULL && blobs->ops->watching(blobs);
}

static const struct cr_store_ops packstore_ops = {
    .close = packstore_close,
    .chunks_get = packstore_chunks_get,
    .object_get = packstore_object_get,
    .head_get = packstore_head_get,
    .heads_list = packstore_heads_list,
    .chunks_have = packstore_chunks_have,
    .image_lock = packstore_image_lock,
    .image_unlock = packstore_image_unlock,
    .keep = packstore_keep,
    .pack_put = packstore_pack_put,
    .object_put = packstore_object_put,
    .sync = packstore_sync,
    .head_set = packstore_head_set,
    .stat = packstore_stat,
    .side_get = packstore_side_get,
    .side_list = packstore_side_list,
    .side_put = packstore_side_put,
    .side_replace = packstore_side_replace,
    .side_remove = packstore_side_remove,
    .watch = packstore_watch,
    .watching = packstore_watching,
    .damaged_list = packstore_damaged_list,
};

bool packstore_is(const struct cr_store *store)
{
    return store->ops == &packstore_ops;
}

int cr_packstore_new(struct cr_blobs *blobs, struct cr_store **ret_store, struct cr_error *err)
{
    struct packstore *ps = cr_calloc(1, sizeof(*ps));
    if (ps == NULL || cr_index_new(&ps->index) < 0) {
        free(ps);
        blobs->ops->close(blobs);
        return cr_error_errno(err, -ENOMEM, "opening a store");
    }
    ps->base.ops = &packstore_ops;
    ps->blobs = blobs;
    ps->clock_ms = packstore_clock_ms;
    pthread_rwlock_init(&ps->lock, NULL);
    pthread_mutex_init(&ps->refresh_mutex, NULL);
    *ret_store = &ps->base;
    return 0;
}
