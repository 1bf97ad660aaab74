/* SPDX-License-Identifier: MIT */
#include "lib/store/copy_content.h"

#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/store/side.h"

#include <errno.h>

#define BATCH 128U /* chunks asked for in one go */

/* An error of the source: others versions can be copied all the same. */
static int unreadable(struct cr_copy *copy, int result)
{
    if (result < 0)
        copy->unreadable = true;
    return result;
}

/* --- workers ------------------------------------------------------------------------------- */

/* What the target says counts most: what it did not take must not be believed to be there. */
static int worker_failed(struct cr_copy *copy, int result, bool of_source,
                         const struct cr_error *why)
{
    pthread_mutex_lock(&copy->mutex);
    if (copy->result == 0 || (copy->unreadable && !of_source)) {
        copy->result = result;
        copy->unreadable = of_source;
        copy->why = *why;
    }
    pthread_mutex_unlock(&copy->mutex);
    return result;
}

static int lane_flush(struct cr_copy_lane *lane, struct cr_error *err)
{
    struct cr_store *to = lane->copy->to;
    struct cr_id name;
    if (lane->pack.count == 0)
        return 0;
    int r = cr_pack_finish(&lane->pack, &name);
    if (r < 0)
        return cr_error_errno(err, r, "writing a pack");
    r = to->ops->pack_put(to, &lane->pack, &name, err);
    lane->pack.count = 0;
    lane->pack.bytes.len = 0;
    return r;
}

/* A verified frame into the lane's pack, unless another lane was quicker. */
static int frame_keep(struct cr_copy_lane *lane, const struct cr_id *id, const void *frame,
                      size_t len, struct cr_error *err)
{
    struct cr_copy *copy = lane->copy;
    pthread_mutex_lock(&copy->mutex);
    int r = cr_idset_add(&copy->stored, id);
    if (r > 0) {
        copy->stat.chunks_copied++;
        copy->stat.bytes_copied += len;
    }
    pthread_mutex_unlock(&copy->mutex);
    if (r > 0)
        r = cr_pack_add(&lane->pack, id, frame, len);
    if (r < 0)
        return cr_error_errno(err, r, "copying a chunk");
    return cr_pack_is_full(&lane->pack) ? lane_flush(lane, err) : 0;
}

static int frame_came(void *context, size_t index, int result, const void *frame, size_t len,
                      const struct cr_error *why)
{
    struct cr_copy_lane *lane = context;
    struct cr_error err = {0};
    size_t plain_len;
    if (result < 0)
        return worker_failed(lane->copy, result, true, why);
    int r = cr_object_open(CR_CHUNK, &lane->ids[index], frame, len, lane->plain, CR_CHUNK_BYTES,
                           &plain_len, &err);
    if (r < 0)
        return worker_failed(lane->copy, r, true, &err);
    r = frame_keep(lane, &lane->ids[index], frame, len, &err);
    return r < 0 ? worker_failed(lane->copy, r, false, &err) : 0;
}

static void lane_work(void *argument)
{
    struct cr_copy_lane *lane = argument;
    struct cr_copy *copy = lane->copy;
    size_t at;
    while ((at = atomic_fetch_add(&copy->next, BATCH)) < copy->wanted_count) {
        size_t count = copy->wanted_count - at < BATCH ? copy->wanted_count - at : BATCH;
        struct cr_error err = {0};
        pthread_mutex_lock(&copy->mutex);
        bool stop = copy->result < 0;
        pthread_mutex_unlock(&copy->mutex);
        if (stop)
            return;
        lane->ids = copy->wanted + at;
        int r = copy->from->ops->chunks_get(copy->from, lane->ids, count, frame_came, lane, &err);
        if (r < 0)
            worker_failed(copy, r, true, &err);
    }
}

/*
 * What was stored under the lease of one image may be condemned when that has ended: whether it is
 * still there must be asked anew.
 */
void cr_copy_lanes_reset(struct cr_copy *copy)
{
    cr_idset_done(&copy->stored);
    for (unsigned i = 0; i < copy->lane_count; i++) {
        copy->lanes[i]->pack.count = 0;
        copy->lanes[i]->pack.bytes.len = 0;
    }
}

static int lanes_run(struct cr_copy *copy, struct cr_error *err)
{
    atomic_store(&copy->next, 0);
    for (unsigned i = 0; i < copy->lane_count; i++)
        cr_pool_submit(copy->pool, lane_work, copy->lanes[i]);
    cr_pool_wait(copy->pool);
    int r = copy->result;
    if (r < 0 && err != NULL)
        *err = copy->why;
    copy->result = 0;
    return r;
}

/* --- objects ------------------------------------------------------------------------------- */

/* Read and verify an object of the source; both its forms. */
static int object_read(struct cr_copy *copy, enum cr_kind kind, const struct cr_id *id,
                       struct cr_buf *frame, struct cr_buf *plain, struct cr_error *err)
{
    cr_buf_init(frame, cr_kinds[kind].frame_max);
    cr_buf_init(plain, cr_kinds[kind].plain_max);
    int r = copy->from->ops->object_get(copy->from, kind, id, frame, err);
    if (r == 0 && (r = cr_buf_reserve(plain, cr_kinds[kind].plain_max)) < 0)
        return cr_error_errno(err, r, "reading a %s", cr_kinds[kind].name);
    if (r == 0)
        r = cr_object_open(kind, id, frame->data, frame->len, plain->data, cr_kinds[kind].plain_max,
                           &plain->len, err);
    return unreadable(copy, r);
}

static int object_put(struct cr_copy *copy, enum cr_kind kind, const struct cr_id *id,
                      const struct cr_buf *frame, struct cr_error *err)
{
    bool is_new = false;
    int r = copy->to->ops->object_put(copy->to, kind, id, frame->data, frame->len, &is_new, err);
    if (r == 0 && is_new)
        copy->stat.bytes_copied += frame->len;
    return r;
}

static int told(struct cr_copy *copy, uint64_t disk_bytes, struct cr_error *err)
{
    const struct cr_copy_options *options = copy->options;
    copy->done_bytes += disk_bytes;
    if (options->progress == NULL)
        return 0;
    return options->progress(options->context, copy->done_bytes, copy->total_bytes, err);
}

/* Those of `ids` that are no holes and that `to` lacks, each once. */
static int wanted_find(struct cr_copy *copy, const struct cr_id *ids, uint32_t count,
                       struct cr_error *err)
{
    CLEANUP(cr_idset_done) struct cr_idset seen = {0};
    bool have[BATCH];
    copy->wanted_count = 0;
    for (uint32_t at = 0; at < count; at += BATCH) {
        uint32_t part = count - at < BATCH ? count - at : BATCH;
        int r = copy->to->ops->chunks_have(copy->to, ids + at, part, have, err);
        if (r < 0)
            return r;
        for (uint32_t i = at; i < at + part; i++) {
            if (cr_id_is_hole(&ids[i]))
                continue;
            if (have[i - at] || cr_idset_has(&copy->stored, &ids[i]))
                copy->stat.chunks_present++;
            else if ((r = cr_idset_add(&seen, &ids[i])) > 0)
                copy->wanted[copy->wanted_count++] = ids[i];
            else if (r < 0)
                return cr_error_errno(err, r, "copying a segment");
        }
    }
    return 0;
}

static int segment_chunks_copy(struct cr_copy *copy, const struct cr_manifest *manifest,
                               uint32_t index, struct cr_error *err)
{
    uint32_t count = cr_segment_chunks(manifest->disk_bytes, index);
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(0), plain = CR_BUF_INIT(0);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return cr_error_errno(err, -ENOMEM, "copying a segment");
    int r = object_read(copy, CR_SEGMENT, &manifest->segments[index], &frame, &plain, err);
    if (r == 0)
        r = unreadable(copy, cr_segment_parse(plain.data, plain.len, count, ids, err));
    if (r == 0)
        r = wanted_find(copy, ids, count, err);
    if (r == 0)
        r = lanes_run(copy, err);
    uint64_t data = 0;
    for (uint32_t i = 0; i < count; i++)
        data += !cr_id_is_hole(&ids[i]);
    return r < 0 ? r : told(copy, data * CR_CHUNK_BYTES, err);
}

/* Packs, then segments, then the manifest, each durable before the next begins. */
static int content_copy(struct cr_copy *copy, const struct cr_id *root,
                        const struct cr_manifest *manifest, const struct cr_buf *manifest_frame,
                        struct cr_error *err)
{
    struct cr_store *to = copy->to;
    int r = 0;
    for (uint32_t i = 0; i < manifest->segment_count && r == 0; i++)
        if (!cr_id_is_hole(&manifest->segments[i]))
            r = segment_chunks_copy(copy, manifest, i, err);
    for (unsigned i = 0; i < copy->lane_count && r == 0; i++)
        r = lane_flush(copy->lanes[i], err);
    if (r == 0)
        r = to->ops->sync(to, err);
    for (uint32_t i = 0; i < manifest->segment_count && r == 0; i++) {
        CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(0), plain = CR_BUF_INIT(0);
        if (cr_id_is_hole(&manifest->segments[i]))
            continue;
        r = object_read(copy, CR_SEGMENT, &manifest->segments[i], &frame, &plain, err);
        if (r == 0)
            r = object_put(copy, CR_SEGMENT, &manifest->segments[i], &frame, err);
    }
    if (r == 0)
        r = to->ops->sync(to, err);
    if (r == 0)
        r = object_put(copy, CR_MANIFEST, root, manifest_frame, err);
    return r == 0 ? to->ops->sync(to, err) : r;
}

/* Recipe and log of its build. */
static int record_copy(struct cr_copy *copy, const struct cr_id *record, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX), there = data;
    char hex[CR_ID_HEX];
    struct cr_id found;
    if (cr_id_is_hole(record) || copy->to->ops->side_put == NULL)
        return 0;
    cr_id_format(record, hex);
    int r = cr_store_side_read(copy->to, CR_SPACE_RECORDS, hex, &there, NULL);
    cr_hash(there.data, there.len, &found);
    if (r == 0 && cr_id_equal(&found, record))
        return 0;
    r = unreadable(copy, cr_store_side_read(copy->from, CR_SPACE_RECORDS, hex, &data, err));
    if (r < 0)
        return r;
    cr_hash(data.data, data.len, &found);
    if (!cr_id_equal(&found, record))
        return unreadable(copy, cr_error_set(err, -EBADMSG,
                                             "record '%s' is corrupted: it does not hash to its "
                                             "name",
                                             hex));
    copy->stat.side_copied++;
    return copy->to->ops->side_put(copy->to, CR_SPACE_RECORDS, hex, data.data, data.len, err);
}

static int hot_copy(struct cr_copy *copy, const char *name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX), there = data;
    int r = cr_store_side_read(copy->to, CR_SPACE_HOT, name, &there, NULL);
    if (r == 0 && !copy->options->mirror)
        return 0;
    if (cr_store_side_read(copy->from, CR_SPACE_HOT, name, &data, NULL) < 0)
        return 0;
    if (r == 0 && data.len == there.len && memcmp(data.data, there.data, data.len) == 0)
        return 0;
    copy->stat.side_copied++;
    return copy->to->ops->side_put(copy->to, CR_SPACE_HOT, name, data.data, data.len, err);
}

int cr_copy_hot(struct cr_copy *copy, const struct cr_id *root, struct cr_error *err)
{
    char hex[CR_ID_HEX], boots[CR_ID_HEX + 8];
    if (copy->to->ops->side_put == NULL)
        return 0;
    snprintf(boots, sizeof(boots), "%s.boots", cr_id_format(root, hex));
    int r = hot_copy(copy, boots, err);
    return r == 0 ? hot_copy(copy, hex, err) : r;
}

int cr_copy_version(struct cr_copy *copy, const struct cr_version_info *info, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(0), plain = CR_BUF_INIT(0);
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    copy->unreadable = false;
    int r = object_read(copy, CR_MANIFEST, &info->root, &frame, &plain, err);
    if (r == 0)
        r = unreadable(copy, cr_manifest_parse(plain.data, plain.len, &manifest, err));
    if (r == 0)
        r = record_copy(copy, &info->record, err);
    if (r == 0)
        r = content_copy(copy, &info->root, &manifest, &frame, err);
    return r;
}
