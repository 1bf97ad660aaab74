/* SPDX-License-Identifier: MIT */
/*
 * The store on top of blobs: chunks inside packs, found through an index in memory that is built
 * from the footers when the store is opened, and brought up to date when an id is not found
 * (another process may have published since).
 */
#include "lib/store/packstore.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

const char *const cr_space_names[CR_SPACE_COUNT] = {
    [CR_SPACE_PACKS] = "packs",         [CR_SPACE_SEGMENTS] = "segments",
    [CR_SPACE_MANIFESTS] = "manifests", [CR_SPACE_HEADS] = "heads",
    [CR_SPACE_DELTAS] = "deltas",       [CR_SPACE_RECORDS] = "records",
    [CR_SPACE_TRUST] = "trust",         [CR_SPACE_STATE] = "state",
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

/* Frames of one pack that lie this close are read in one go, up to RUN_MAX bytes. */
#define RUN_GAP (16 * CR_KIB)
#define RUN_MAX (2 * CR_MIB)
/* A footer of a usual pack comes with the first read of its end. */
#define FOOTER_GUESS (16 * CR_KIB)

/* --- the index ------------------------------------------------------------------------------- */

/* Read and parse the footer of a pack. */
static int footer_read(struct packstore *ps, const struct cr_id *name,
                       struct cr_pack_entry **ret_entries, uint32_t *ret_count,
                       struct cr_error *err)
{
    char hex[CR_ID_HEX];
    uint64_t size = 0;
    cr_id_format(name, hex);
    int r = ps->blobs->ops->size(ps->blobs, CR_SPACE_PACKS, hex, &size, err);
    if (r < 0)
        return r;
    if (size < CR_PACK_HEADER_BYTES + CR_PACK_TRAILER_BYTES || size > CR_PACK_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it has %" PRIu64 " bytes", size);
    size_t len = size < FOOTER_GUESS ? (size_t)size : FOOTER_GUESS;
    CLEANUP_FREE uint8_t *end = malloc(CR_PACK_FOOTER_MAX);
    if (end == NULL)
        return cr_error_errno(err, -ENOMEM, "reading a footer");
    r = ps->blobs->ops->read(ps->blobs, CR_SPACE_PACKS, hex, end, len, size - len, err);
    if (r < 0)
        return r;
    size_t footer = cr_pack_footer_bytes(end + len - CR_PACK_TRAILER_BYTES);
    if (footer == 0 || footer > size)
        return cr_error_set(err, -EBADMSG, "its footer is damaged or cut off");
    if (footer > len) {
        r = ps->blobs->ops->read(ps->blobs, CR_SPACE_PACKS, hex, end, footer, size - footer, err);
        if (r < 0)
            return r;
        len = footer;
    }
    return cr_pack_footer_parse(end + len - footer, footer, name, size, ret_entries, ret_count,
                                err);
}

static int damage_add(struct pack_damages *damages, const struct cr_id *name, int code,
                      const struct cr_error *why)
{
    struct pack_damage *grown = realloc(damages->list, (damages->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    damages->list = grown;
    damages->list[damages->count++] =
        (struct pack_damage){.name = *name, .code = code, .why = *why};
    return 0;
}

static bool pack_is_indexed(struct packstore *ps, const struct cr_id *name)
{
    pthread_rwlock_rdlock(&ps->lock);
    bool known = cr_index_has_pack(ps->index, name);
    pthread_rwlock_unlock(&ps->lock);
    return known;
}

static int index_pack(void *context, const char *text)
{
    struct packstore *ps = context;
    struct cr_id name;
    if (cr_id_parse(text, strlen(text), &name) < 0 || pack_is_indexed(ps, &name))
        return 0;
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    uint32_t count = 0;
    struct cr_error why = {0};
    int r = footer_read(ps, &name, &entries, &count, &why);
    if (r == -ENOENT)
        return 0; /* collected meanwhile */
    /* One pack that cannot be read does not hide the others. */
    if (r == -EBADMSG || r == -ENODATA || r == -EIO)
        return damage_add(&ps->newfound, &name, r == -EIO ? -EIO : -EBADMSG, &why);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&ps->lock);
    r = cr_index_add_pack(ps->index, &name, entries, count);
    pthread_rwlock_unlock(&ps->lock);
    return r;
}

/*
 * Take in the packs that came since the last time, and look again at those that were damaged: a
 * backup may have brought them back. Others see the old list of damage until the new one is whole.
 */
static int index_refresh(struct packstore *ps, struct cr_error *err)
{
    pthread_mutex_lock(&ps->refresh_mutex);
    int r = ps->blobs->ops->list(ps->blobs, CR_SPACE_PACKS, index_pack, ps, err);
    if (r == 0) {
        pthread_rwlock_wrlock(&ps->lock);
        struct pack_damages old = ps->damaged;
        ps->damaged = ps->newfound;
        ps->newfound = old;
        pthread_rwlock_unlock(&ps->lock);
    }
    free(ps->newfound.list);
    ps->newfound = (struct pack_damages){0};
    pthread_mutex_unlock(&ps->refresh_mutex);
    if (r < 0 && err != NULL && err->text[0] == '\0')
        cr_error_errno(err, r, "reading the packs of store '%s'", ps->base.uri);
    return r;
}

/* --- reading --------------------------------------------------------------------------------- */

struct wanted {
    size_t index; /* in the caller's ids */
    struct cr_place place;
};

static int by_place(const void *a, const void *b)
{
    const struct cr_place *x = &((const struct wanted *)a)->place;
    const struct cr_place *y = &((const struct wanted *)b)->place;
    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Look the ids up; those found go to `wanted`, the numbers of the others to `missing`. */
static void lookup(struct packstore *ps, const struct cr_id *ids, size_t count,
                   struct wanted *wanted, size_t *ret_wanted, size_t *missing, size_t *ret_missing)
{
    size_t found = 0, lost = 0;
    pthread_rwlock_rdlock(&ps->lock);
    for (size_t i = 0; i < count; i++) {
        wanted[found].index = i;
        if (cr_index_find(ps->index, &ids[i], &wanted[found].place))
            found++;
        else
            missing[lost++] = i;
    }
    pthread_rwlock_unlock(&ps->lock);
    *ret_wanted = found;
    *ret_missing = lost;
}

/*
 * -ENOENT only where all packs are well; else the chunk may lie in one that is not: -EBADMSG, or
 * -EIO while asking again may help. What is damaged stands before the store's name, which may be
 * long.
 */
static int missing_error(struct packstore *ps, const struct cr_id *id, struct cr_error *err)
{
    char hex[CR_ID_HEX], pack[CR_ID_HEX];
    int code = -ENOENT;
    cr_id_format(id, hex);
    pthread_rwlock_rdlock(&ps->lock);
    const struct pack_damages *damaged = &ps->damaged;
    const struct pack_damage *first = damaged->list;
    for (size_t i = 0; i < damaged->count && code != -EIO; i++)
        code = damaged->list[i].code;
    if (damaged->count == 0)
        cr_error_set(err, code, "chunk '%s' is missing from store '%s'", hex, ps->base.uri);
    else if (damaged->count == 1)
        cr_error_set(err, code,
                     "chunk '%s' is missing, and pack '%s' is damaged: %.200s (in store '%s')", hex,
                     cr_id_format(&first->name, pack), first->why.text, ps->base.uri);
    else
        cr_error_set(err, code,
                     "chunk '%s' is missing, and %zu packs are damaged, such as '%s': %.200s (in "
                     "store '%s')",
                     hex, damaged->count, cr_id_format(&first->name, pack), first->why.text,
                     ps->base.uri);
    pthread_rwlock_unlock(&ps->lock);
    return code;
}

/* Hand out the frames of wanted[0..count), which lie close together in one pack. */
static int run_read(struct packstore *ps, const struct cr_id *ids, const struct wanted *wanted,
                    size_t count, cr_frame_sink *sink, void *context)
{
    uint32_t start = wanted[0].place.offset;
    uint32_t end = start;
    for (size_t i = 0; i < count; i++)
        if (wanted[i].place.offset + wanted[i].place.frame_len > end)
            end = wanted[i].place.offset + wanted[i].place.frame_len;
    char pack[CR_ID_HEX], hex[CR_ID_HEX];
    struct cr_error why = {0};
    pthread_rwlock_rdlock(&ps->lock);
    cr_id_format(cr_index_pack_name(ps->index, wanted[0].place.pack), pack);
    pthread_rwlock_unlock(&ps->lock);
    CLEANUP_FREE uint8_t *bytes = malloc(end - start);
    int r = bytes == NULL ? cr_error_errno(&why, -ENOMEM, "reading pack '%s'", pack)
                          : ps->blobs->ops->read(ps->blobs, CR_SPACE_PACKS, pack, bytes,
                                                 end - start, start, &why);
    for (size_t i = 0; i < count; i++) {
        struct cr_error each = {0};
        int result = 0;
        if (r < 0)
            result = cr_error_set(&each, r, "chunk '%s' cannot be read from pack '%s': %.300s",
                                  cr_id_format(&ids[wanted[i].index], hex), pack, why.text);
        int stop = sink(context, wanted[i].index, result,
                        r < 0 ? NULL : bytes + (wanted[i].place.offset - start),
                        r < 0 ? 0 : wanted[i].place.frame_len, &each);
        if (stop != 0)
            return stop;
    }
    return 0;
}

static int packstore_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                                cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    CLEANUP_FREE struct wanted *wanted = cr_calloc(count + 1, sizeof(*wanted));
    CLEANUP_FREE size_t *missing = cr_calloc(count, sizeof(*missing));
    if (wanted == NULL || missing == NULL)
        return cr_error_errno(err, -ENOMEM, "reading %zu chunks", count);
    size_t found, lost;
    lookup(ps, ids, count, wanted, &found, missing, &lost);
    if (lost > 0) {
        int r = index_refresh(ps, err);
        if (r < 0)
            return r;
        lookup(ps, ids, count, wanted, &found, missing, &lost);
    }
    for (size_t i = 0; i < lost; i++) {
        struct cr_error why = {0};
        int result = missing_error(ps, &ids[missing[i]], &why);
        int stop = sink(context, missing[i], result, NULL, 0, &why);
        if (stop != 0)
            return stop;
    }
    qsort(wanted, found, sizeof(*wanted), by_place);
    for (size_t from = 0, to; from < found; from = to) {
        const struct cr_place *first = &wanted[from].place;
        for (to = from + 1; to < found; to++) {
            const struct cr_place *last = &wanted[to - 1].place, *next = &wanted[to].place;
            if (next->pack != first->pack ||
                next->offset > last->offset + last->frame_len + RUN_GAP ||
                next->offset + next->frame_len - first->offset > RUN_MAX)
                break;
        }
        int stop = run_read(ps, ids, wanted + from, to - from, sink, context);
        if (stop != 0)
            return stop;
    }
    return 0;
}

static enum cr_space space_of(enum cr_kind kind)
{
    return kind == CR_MANIFEST ? CR_SPACE_MANIFESTS : CR_SPACE_SEGMENTS;
}

int packstore_blob_get(struct packstore *ps, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err)
{
    uint64_t size = 0;
    int r = ps->blobs->ops->size(ps->blobs, space, name, &size, err);
    if (r < 0)
        return r;
    if (size > out->max - out->len || cr_buf_reserve(out, out->len + (size_t)size) < 0)
        return cr_error_set(err, -EBADMSG,
                            "'%s/%s' of store '%s' is corrupted: it has %" PRIu64
                            " bytes, at most %zu",
                            cr_space_names[space], name, ps->base.uri, size, out->max);
    r = ps->blobs->ops->read(ps->blobs, space, name, out->data + out->len, (size_t)size, 0, err);
    if (r == 0)
        out->len += (size_t)size;
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
    return packstore_blob_get(packstore_of(store), CR_SPACE_HEADS, name, head, err);
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

static int packstore_chunks_have(struct cr_store *store, const struct cr_id *ids, size_t count,
                                 bool *have, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    struct cr_place place;
    (void)err;
    pthread_rwlock_rdlock(&ps->lock);
    for (size_t i = 0; i < count; i++)
        have[i] = cr_index_find(ps->index, &ids[i], &place);
    pthread_rwlock_unlock(&ps->lock);
    return 0;
}

static int packstore_image_lock(struct cr_store *store, const char *name,
                                struct cr_store_lock **ret_lock, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    int r = ps->blobs->ops->lock(ps->blobs, name, ret_lock, err);
    if (r < 0)
        return r;
    /* What others stored before we became the writer need not be stored again. */
    r = index_refresh(ps, err);
    if (r < 0)
        ps->blobs->ops->unlock(ps->blobs, *ret_lock);
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
    *ret_new = cr_store_object_read(store, kind, id, &plain, NULL) < 0;
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
    int r = index_refresh(ps, err);
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
    int r = index_refresh(ps, err);
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
    ps->blobs->ops->close(ps->blobs);
    cr_index_free(ps->index);
    free(ps->damaged.list);
    pthread_mutex_destroy(&ps->refresh_mutex);
    pthread_rwlock_destroy(&ps->lock);
    free(ps);
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
    .damaged_list = packstore_damaged_list,
};

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
    pthread_rwlock_init(&ps->lock, NULL);
    pthread_mutex_init(&ps->refresh_mutex, NULL);
    *ret_store = &ps->base;
    return 0;
}
