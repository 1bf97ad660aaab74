/* SPDX-License-Identifier: MIT */
#include "lib/store/publish.h"

#include "lib/base/mem.h"
#include "lib/base/who.h"
#include "lib/image/idset.h"
#include "lib/store/append.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* What one thread fills: nobody else touches it. */
struct lane {
    struct cr_pack pack;
    uint8_t frame[CR_CHUNK_FRAME_MAX];
};

struct cr_publish {
    struct cr_store *store;
    struct cr_store_lock *lock;
    struct cr_version *base; /* NULL = holes */
    char name[CR_NAME_MAX + 1];
    struct cr_manifest manifest;
    pthread_mutex_t mutex;             /* over all below */
    _Atomic(struct cr_id *) *segments; /* NULL = as in the base */
    struct lane *lanes[CR_PUBLISH_LANES];
    struct cr_idset claimed; /* ids that this publish stores */
    struct cr_publish_stat stat;
    atomic_int failed; /* the first error; its sentence in `err` */
    struct cr_error err;
};

static int fail(struct cr_publish *p, int code, const struct cr_error *why)
{
    int none = 0;
    pthread_mutex_lock(&p->mutex);
    if (atomic_compare_exchange_strong(&p->failed, &none, code))
        p->err = *why;
    pthread_mutex_unlock(&p->mutex);
    return code;
}

static void publish_free(struct cr_publish *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < CR_PUBLISH_LANES; i++) {
        if (p->lanes[i] != NULL)
            cr_pack_done(&p->lanes[i]->pack);
        free(p->lanes[i]);
    }
    for (uint32_t i = 0; p->segments != NULL && i < p->manifest.segment_count; i++)
        free(atomic_load(&p->segments[i]));
    free(p->segments);
    cr_manifest_done(&p->manifest);
    cr_idset_done(&p->claimed);
    if (p->lock != NULL)
        p->store->ops->image_unlock(p->store, p->lock);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

static void publish_cleanup(struct cr_publish **p)
{
    publish_free(*p);
}

/* --- chunks ---------------------------------------------------------------------------------- */

/* The ids of a segment that is to change: a copy of the base's at the first call. */
static int segment_touch(struct cr_publish *p, uint32_t index, struct cr_id **ret_ids,
                         struct cr_error *err)
{
    struct cr_id *ids = atomic_load_explicit(&p->segments[index], memory_order_acquire);
    if (ids != NULL) {
        *ret_ids = ids;
        return 0;
    }
    const struct cr_id *before = NULL;
    uint32_t before_count = 0;
    if (p->base != NULL && index < cr_version_manifest(p->base)->segment_count) {
        int r = cr_version_segment(p->base, index, &before, err);
        if (r < 0)
            return r;
        before_count = cr_segment_chunks(cr_version_disk_bytes(p->base), index);
    }
    uint32_t count = cr_segment_chunks(p->manifest.disk_bytes, index);
    pthread_mutex_lock(&p->mutex);
    ids = atomic_load_explicit(&p->segments[index], memory_order_acquire);
    if (ids == NULL) {
        ids = cr_calloc(count, sizeof(*ids));
        if (ids != NULL && before != NULL)
            memcpy(ids, before, (count < before_count ? count : before_count) * sizeof(*ids));
        atomic_store_explicit(&p->segments[index], ids, memory_order_release);
    }
    pthread_mutex_unlock(&p->mutex);
    if (ids == NULL)
        return cr_error_errno(err, -ENOMEM, "publishing image '%s'", p->name);
    *ret_ids = ids;
    return 0;
}

static int id_set(struct cr_publish *p, uint64_t index, const struct cr_id *id,
                  struct cr_error *err)
{
    struct cr_id *ids = NULL;
    if (index >= cr_disk_chunks(p->manifest.disk_bytes))
        return cr_error_set(err, -EINVAL, "publishing image '%s': a chunk beyond the disk's end",
                            p->name);
    int r = segment_touch(p, (uint32_t)(index >> CR_SEGMENT_SHIFT), &ids, err);
    if (r == 0)
        ids[index & (CR_SEGMENT_CHUNKS - 1)] = *id;
    return r;
}

static int lane_flush(struct cr_publish *p, struct lane *lane, struct cr_error *err)
{
    struct cr_id name;
    if (lane->pack.count == 0)
        return 0;
    int r = cr_pack_finish(&lane->pack, &name);
    if (r < 0)
        return cr_error_errno(err, r, "publishing image '%s'", p->name);
    r = p->store->ops->pack_put(p->store, &lane->pack, &name, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&p->mutex);
    p->stat.stored_bytes += lane->pack.bytes.len;
    p->stat.new_chunks += lane->pack.count;
    pthread_mutex_unlock(&p->mutex);
    lane->pack.count = 0;
    lane->pack.bytes.len = 0;
    return 0;
}

static int lane_of(struct cr_publish *p, unsigned number, struct lane **ret_lane,
                   struct cr_error *err)
{
    if (p->lanes[number] == NULL) {
        struct lane *lane = cr_calloc(1, sizeof(*lane));
        if (lane == NULL)
            return cr_error_errno(err, -ENOMEM, "publishing image '%s'", p->name);
        cr_pack_init(&lane->pack);
        p->lanes[number] = lane;
    }
    *ret_lane = p->lanes[number];
    return 0;
}

/* 1 when nobody has stored or claimed `id` before. */
static int claim(struct cr_publish *p, const struct cr_id *id, struct cr_error *err)
{
    bool have = false;
    int r = p->store->ops->chunks_have(p->store, id, 1, &have, err);
    if (r < 0 || have)
        return r;
    pthread_mutex_lock(&p->mutex);
    r = cr_idset_add(&p->claimed, id);
    pthread_mutex_unlock(&p->mutex);
    return r < 0 ? cr_error_errno(err, r, "publishing image '%s'", p->name) : r;
}

static int chunk_store(struct cr_publish *p, unsigned number, const struct cr_id *id,
                       const void *plain, size_t len, struct cr_error *err)
{
    struct lane *lane = NULL;
    size_t frame_len;
    int r = lane_of(p, number, &lane, err);
    if (r < 0)
        return r;
    r = cr_frame_encode(plain, len, lane->frame, sizeof(lane->frame), &frame_len);
    if (r == 0)
        r = cr_pack_add(&lane->pack, id, lane->frame, frame_len);
    if (r < 0)
        return cr_error_errno(err, r, "publishing image '%s'", p->name);
    return cr_pack_is_full(&lane->pack) ? lane_flush(p, lane, err) : 0;
}

static int chunk_put(struct cr_publish *p, unsigned lane, uint64_t index, const void *plain,
                     struct cr_error *err)
{
    size_t len = cr_chunk_bytes(p->manifest.disk_bytes, index);
    struct cr_id id = {0};
    if (!cr_is_zero(plain, len)) {
        cr_hash(plain, len, &id);
        int r = claim(p, &id, err);
        if (r > 0)
            r = chunk_store(p, lane, &id, plain, len, err);
        if (r < 0)
            return r;
    }
    return id_set(p, index, &id, err);
}

int cr_publish_chunk(struct cr_publish *publish, unsigned lane, uint64_t index, const void *plain,
                     struct cr_error *err)
{
    int r = atomic_load(&publish->failed);
    if (r < 0)
        return cr_error_set(err, r, "%s", publish->err.text);
    struct cr_error why = {0};
    r = chunk_put(publish, lane, index, plain, &why);
    if (r < 0) {
        if (err != NULL)
            *err = why;
        return fail(publish, r, &why);
    }
    return 0;
}

int cr_publish_hole(struct cr_publish *publish, uint64_t index, struct cr_error *err)
{
    static const struct cr_id hole;
    return id_set(publish, index, &hole, err);
}

/* --- begin ----------------------------------------------------------------------------------- */

/*
 * The disk has another size than its base: the chunk at the end of the shorter of the two has
 * another length now, and the segment around it another count.
 */
static int base_resize(struct cr_publish *p, struct cr_error *err)
{
    uint64_t before = cr_version_disk_bytes(p->base), after = p->manifest.disk_bytes;
    if (before == after)
        return 0;
    uint64_t last = (cr_disk_chunks(before < after ? before : after)) - 1;
    struct cr_id id;
    int r = cr_version_chunk(p->base, last, &id, err);
    if (r == 0)
        r = id_set(p, last, &id, err);
    if (r < 0 || cr_id_is_hole(&id) || cr_chunk_bytes(before, last) == cr_chunk_bytes(after, last))
        return r;
    CLEANUP_FREE uint8_t *plain = cr_calloc(1, CR_CHUNK_BYTES);
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "publishing image '%s'", p->name);
    r = cr_store_chunk_read(p->store, &id, plain, cr_chunk_bytes(before, last), err);
    return r < 0 ? r : cr_publish_chunk(p, 0, last, plain, err);
}

/* The base was found before we had the lock: is it still a version of its image? */
static int base_check(struct cr_publish *p, struct cr_error *err)
{
    const struct cr_ref *ref = cr_version_ref(p->base);
    struct cr_head head;
    char text[CR_REF_TEXT];
    int r = cr_store_head_read(p->store, ref->name, &head, NULL, err);
    if (r < 0)
        return r;
    const struct cr_version_info *info = cr_head_find(&head, ref->number);
    if (info == NULL || !cr_id_equal(&info->root, &cr_version_info(p->base)->root))
        r = cr_error_set(
            err, -ENOENT,
            "publishing image '%s': its base '%s' was removed meanwhile; `carrel image "
            "log %s` shows what there is",
            p->name, cr_ref_format(ref, text), ref->name);
    cr_head_done(&head);
    return r;
}

/*
 * What is taken over from a version of another image must outlive its removal. In a version of our
 * own image nobody can remove it while we hold the lock.
 */
static int base_keep(struct cr_publish *p, struct cr_error *err)
{
    const struct cr_store_ops *ops = p->store->ops;
    const struct cr_manifest *from = cr_version_manifest(p->base);
    const struct cr_ref *ref = cr_version_ref(p->base);
    char text[CR_REF_TEXT];
    int r = 0;
    if (strcmp(ref->name, p->name) == 0 || ops->keep == NULL)
        return 0;
    for (uint32_t i = 0; i < from->segment_count && r == 0; i++) {
        const struct cr_id *ids = NULL;
        r = ops->keep(p->store, CR_SEGMENT, &from->segments[i], 1, err);
        if (r == 0)
            r = cr_version_segment(p->base, i, &ids, err);
        if (r == 0 && ids != NULL)
            r = ops->keep(p->store, CR_CHUNK, ids, cr_segment_chunks(from->disk_bytes, i), err);
    }
    if (r == -ENOENT)
        cr_error_set(err, r,
                     "publishing image '%s': its base '%s' was removed and is being collected; "
                     "choose another base",
                     p->name, cr_ref_format(ref, text));
    return r < 0 ? r : 0; /* 1: nothing is condemned */
}

int cr_publish_begin(struct cr_store *store, const char *name, uint64_t disk_bytes,
                     struct cr_version *base, struct cr_publish **ret_publish, struct cr_error *err)
{
    int r = cr_store_writable(store, err);
    if (r < 0)
        return r;
    CLEANUP(publish_cleanup) struct cr_publish *p = cr_calloc(1, sizeof(*p));
    if (p == NULL)
        return cr_error_errno(err, -ENOMEM, "publishing image '%s'", name);
    p->store = store;
    p->base = base;
    snprintf(p->name, sizeof(p->name), "%s", name);
    pthread_mutex_init(&p->mutex, NULL);
    struct cr_error why = {0};
    r = cr_manifest_init(&p->manifest, disk_bytes, &why);
    if (r < 0)
        return cr_error_set(err, r, "publishing image '%s': %s", name, why.text);
    p->segments = cr_calloc(p->manifest.segment_count, sizeof(*p->segments));
    if (p->segments == NULL)
        return cr_error_errno(err, -ENOMEM, "publishing image '%s'", name);
    if (base != NULL) {
        const struct cr_manifest *from = cr_version_manifest(base);
        uint32_t shared = from->segment_count < p->manifest.segment_count
                              ? from->segment_count
                              : p->manifest.segment_count;
        memcpy(p->manifest.segments, from->segments, shared * sizeof(*from->segments));
    }
    r = store->ops->image_lock(store, name, &p->lock, err);
    if (r == 0 && base != NULL)
        r = base_check(p, err);
    if (r == 0 && base != NULL)
        r = base_keep(p, err);
    if (r == 0 && base != NULL)
        r = base_resize(p, err);
    if (r < 0)
        return r;
    *ret_publish = TAKE_PTR(p);
    return 0;
}

/* --- commit ---------------------------------------------------------------------------------- */

/* Chunks of a segment that are no holes. */
static uint64_t data_chunks(const struct cr_id *ids, uint32_t count)
{
    uint64_t data = 0;
    for (uint32_t i = 0; ids != NULL && i < count; i++)
        data += !cr_id_is_hole(&ids[i]);
    return data;
}

static int object_store(struct cr_publish *p, enum cr_kind kind, const struct cr_buf *plain,
                        struct cr_id *ret_id, struct cr_error *err)
{
    size_t room = cr_kinds[kind].frame_max, frame_len = 0;
    CLEANUP_FREE uint8_t *frame = malloc(room);
    bool is_new = false;
    int r =
        frame == NULL ? -ENOMEM : cr_frame_encode(plain->data, plain->len, frame, room, &frame_len);
    if (r < 0)
        return cr_error_errno(err, r, "publishing image '%s'", p->name);
    cr_hash(plain->data, plain->len, ret_id);
    r = p->store->ops->object_put(p->store, kind, ret_id, frame, frame_len, &is_new, err);
    if (r == 0 && is_new)
        p->stat.stored_bytes += frame_len;
    return r;
}

/* Store segment `index` as it is now; *data_delta takes how many more chunks hold data. */
static int segment_store(struct cr_publish *p, uint32_t index, int64_t *data_delta,
                         struct cr_error *err)
{
    struct cr_id *ids = atomic_load(&p->segments[index]);
    uint32_t count = cr_segment_chunks(p->manifest.disk_bytes, index);
    uint64_t data = data_chunks(ids, count);
    *data_delta += (int64_t)data;
    if (p->base != NULL && index < cr_version_manifest(p->base)->segment_count) {
        const struct cr_id *before;
        int r = cr_version_segment(p->base, index, &before, err);
        if (r < 0)
            return r;
        *data_delta -=
            (int64_t)data_chunks(before, cr_segment_chunks(cr_version_disk_bytes(p->base), index));
    }
    if (data == 0) {
        p->manifest.segments[index] = (struct cr_id){0};
        return 0;
    }
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    int r = cr_segment_format(ids, count, &plain);
    if (r < 0)
        return cr_error_errno(err, r, "publishing image '%s'", p->name);
    return object_store(p, CR_SEGMENT, &plain, &p->manifest.segments[index], err);
}

/* Data chunks of the base that lie behind the end of a disk that became smaller. */
static int dropped_data(struct cr_publish *p, int64_t *data_delta, struct cr_error *err)
{
    if (p->base == NULL)
        return 0;
    const struct cr_manifest *from = cr_version_manifest(p->base);
    for (uint32_t i = p->manifest.segment_count; i < from->segment_count; i++) {
        const struct cr_id *ids;
        int r = cr_version_segment(p->base, i, &ids, err);
        if (r < 0)
            return r;
        *data_delta -= (int64_t)data_chunks(ids, cr_segment_chunks(from->disk_bytes, i));
    }
    return 0;
}

/* Packs and segments, each durable before what names them; then the manifest. */
static int content_store(struct cr_publish *p, struct cr_version_info *info, struct cr_error *err)
{
    struct cr_store *store = p->store;
    int64_t data_delta = 0;
    int r = 0;
    for (unsigned i = 0; i < CR_PUBLISH_LANES && r == 0; i++)
        if (p->lanes[i] != NULL)
            r = lane_flush(p, p->lanes[i], err);
    if (r == 0)
        r = store->ops->sync(store, err);
    for (uint32_t i = 0; i < p->manifest.segment_count && r == 0; i++)
        if (atomic_load(&p->segments[i]) != NULL)
            r = segment_store(p, i, &data_delta, err);
    if (r == 0)
        r = dropped_data(p, &data_delta, err);
    if (r == 0)
        r = store->ops->sync(store, err);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    if (r == 0 && (r = cr_manifest_format(&p->manifest, &plain)) < 0)
        cr_error_errno(err, r, "publishing image '%s'", p->name);
    if (r == 0)
        r = object_store(p, CR_MANIFEST, &plain, &info->root, err);
    if (r == 0)
        r = store->ops->sync(store, err);
    uint64_t before = p->base != NULL ? cr_version_info(p->base)->data_bytes : 0;
    info->data_bytes = before + (uint64_t)(data_delta * (int64_t)CR_CHUNK_BYTES);
    return r;
}

static int note_take(const struct cr_publish_note *note, struct cr_version_info *info,
                     struct cr_error *err)
{
    if (note == NULL || note->by == NULL)
        cr_who(info->by);
    if (note == NULL)
        return 0;
    if (note->message != NULL && strlen(note->message) > CR_MESSAGE_BYTES_MAX)
        return cr_error_set(err, -EINVAL, "the message has more than %u bytes",
                            CR_MESSAGE_BYTES_MAX);
    if (note->by != NULL && strlen(note->by) > CR_WHO_BYTES_MAX)
        return cr_error_set(err, -EINVAL, "the name of who publishes has more than %u bytes",
                            CR_WHO_BYTES_MAX);
    if (note->parent != NULL)
        info->parent = *note->parent;
    if (note->record != NULL)
        info->record = *note->record;
    if (note->by != NULL)
        snprintf(info->by, sizeof(info->by), "%s", note->by);
    snprintf(info->message, sizeof(info->message), "%s", note->message ? note->message : "");
    return 0;
}

static int publish_content(struct cr_publish *p, const struct cr_publish_note *note,
                           struct cr_version_info *ret_info, struct cr_error *err)
{
    int r = atomic_load(&p->failed);
    if (r < 0)
        return cr_error_set(err, r, "%s", p->err.text);
    struct cr_version_info info = {.disk_bytes = p->manifest.disk_bytes,
                                   .created_s = (int64_t)time(NULL)};
    r = note_take(note, &info, err);
    if (r == 0)
        r = content_store(p, &info, err);
    if (r < 0)
        return r;
    info.stored_bytes = p->stat.stored_bytes + (note != NULL ? note->stored_before : 0);
    *ret_info = info;
    return 0;
}

int cr_publish_content(struct cr_publish *publish, const struct cr_publish_note *note,
                       struct cr_version_info *ret_info, struct cr_error *err)
{
    CLEANUP(publish_cleanup) struct cr_publish *p = publish;
    return publish_content(p, note, ret_info, err);
}

int cr_publish_commit(struct cr_publish *publish, const struct cr_publish_note *note,
                      struct cr_version_info *ret_info, struct cr_publish_stat *ret_stat,
                      struct cr_error *err)
{
    CLEANUP(publish_cleanup) struct cr_publish *p = publish;
    struct cr_version_info info;
    int r = publish_content(p, note, &info, err);
    if (r == 0)
        r = cr_store_head_append(p->store, p->name, &info, err);
    if (r < 0)
        return r;
    *ret_info = info;
    if (ret_stat != NULL)
        *ret_stat = p->stat;
    return 0;
}

void cr_publish_abort(struct cr_publish *publish)
{
    publish_free(publish);
}
