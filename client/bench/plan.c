/* SPDX-License-Identifier: MIT */
#include "client/bench/plan.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/blk/lookup.h"

#include <errno.h>
#include <fcntl.h>

#define WANTS_MAX (16ULL << 20) /* chunks in all reads together: a TiB that is read */

void plan_done(struct plan *plan)
{
    free(plan->steps);
    free(plan->wants);
    free(plan->chunks);
    free(plan->segments);
    free(plan->by_id);
    for (size_t i = 0; plan->frames != NULL && i < plan->segment_count; i++)
        cr_buf_done(&plan->frames[i]);
    free(plan->frames);
    *plan = (struct plan){0};
}

static int no_memory(struct cr_error *err)
{
    return cr_error_errno(err, -ENOMEM, "plan the storm");
}

static int trace_read(const char *path, struct cr_trace *ret_trace, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_TRACE_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r < 0)
        return cr_error_errno(err, r, "read the trace '%s'", path);
    r = cr_trace_parse((const char *)text.data, text.len, ret_trace, err);
    return r < 0 ? cr_error_prefix(err, r, "'%s' is no recorded boot", path) : 0;
}

/* --- which chunks there are ------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static uint64_t last_chunk(const struct cr_trace_read *read)
{
    return (read->offset + read->len - 1) >> CR_CHUNK_SHIFT;
}

/* The indices of all chunks that the trace touches, each once, in the order of the disk. */
static int touched_list(const struct cr_trace *trace, uint64_t **ret_indices, size_t *ret_count)
{
    size_t all = 0, count = 0;
    for (size_t i = 0; i < trace->count; i++)
        all += last_chunk(&trace->reads[i]) - (trace->reads[i].offset >> CR_CHUNK_SHIFT) + 1;
    uint64_t *indices = cr_calloc(all, sizeof(*indices));
    if (indices == NULL)
        return -ENOMEM;
    for (size_t i = 0, n = 0; i < trace->count; i++)
        for (uint64_t at = trace->reads[i].offset >> CR_CHUNK_SHIFT;
             at <= last_chunk(&trace->reads[i]); at++)
            indices[n++] = at;
    qsort(indices, all, sizeof(*indices), by_number);
    for (size_t i = 0; i < all; i++)
        if (count == 0 || indices[i] != indices[count - 1])
            indices[count++] = indices[i];
    *ret_indices = indices;
    *ret_count = count;
    return 0;
}

/* Note the segment that chunk `index` stands in, if it is a new one. */
static void segment_note(struct plan *plan, const struct cr_version *version, uint64_t index)
{
    const struct cr_id *id = &cr_version_manifest(version)->segments[index >> CR_SEGMENT_SHIFT];
    if (plan->segment_count == 0 || !cr_id_equal(&plan->segments[plan->segment_count - 1], id))
        plan->segments[plan->segment_count++] = *id;
}

static int chunks_find(struct plan *plan, const struct cr_trace *trace, struct cr_version *version,
                       struct cr_error *err)
{
    CLEANUP_FREE uint64_t *indices = NULL;
    size_t count;
    if (touched_list(trace, &indices, &count) < 0)
        return no_memory(err);
    plan->chunks = cr_calloc(count, sizeof(*plan->chunks));
    plan->segments = cr_calloc(cr_version_manifest(version)->segment_count, sizeof(struct cr_id));
    if (plan->chunks == NULL || plan->segments == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct cr_id *id;
        int r = cr_lookup_chunk(version, indices[i], &id, err);
        if (r < 0)
            return r;
        if (id == NULL)
            continue;
        struct plan_chunk *chunk = &plan->chunks[plan->chunk_count++];
        *chunk = (struct plan_chunk){
            .index = indices[i],
            .id = *id,
            .bytes = cr_chunk_bytes(cr_version_disk_bytes(version), indices[i]),
        };
        plan->plain_bytes += chunk->bytes;
        segment_note(plan, version, indices[i]);
    }
    return 0;
}

/* --- chunks by id, and segments as they are stored, for seats that serve others ----------------
 */

static int by_id(const void *a, const void *b, void *context)
{
    const struct plan *plan = context;
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return memcmp(&plan->chunks[x].id, &plan->chunks[y].id, sizeof(struct cr_id));
}

static int ids_sort(struct plan *plan)
{
    plan->by_id = cr_calloc(plan->chunk_count, sizeof(*plan->by_id));
    if (plan->by_id == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < plan->chunk_count; i++)
        plan->by_id[i] = (uint32_t)i;
    qsort_r(plan->by_id, plan->chunk_count, sizeof(*plan->by_id), by_id, plan);
    return 0;
}

bool plan_find(const struct plan *plan, const struct cr_id *id, uint32_t *ret_number)
{
    size_t low = 0, high = plan->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(&plan->chunks[plan->by_id[middle]].id, id, sizeof(*id));
        if (order == 0) {
            *ret_number = plan->by_id[middle];
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static int segments_fetch(struct plan *plan, struct cr_store *store, struct cr_error *err)
{
    plan->frames = cr_calloc(plan->segment_count, sizeof(*plan->frames));
    int r = plan->frames == NULL ? no_memory(err) : 0;
    for (size_t i = 0; r == 0 && i < plan->segment_count; i++) {
        cr_buf_init(&plan->frames[i], cr_kinds[CR_SEGMENT].frame_max);
        r = store->ops->object_get(store, CR_SEGMENT, &plan->segments[i], &plan->frames[i], err);
    }
    return r;
}

/* --- which read wants which ------------------------------------------------------------------- */

static int by_index(const void *key, const void *element)
{
    uint64_t index;
    const struct plan_chunk *chunk = element;
    memcpy(&index, key, sizeof(index));
    return (index > chunk->index) - (index < chunk->index);
}

/* Add the reads' steps: as many chunks as blockd deals with at a time. */
static void steps_add(struct plan *plan, const struct cr_trace_read *read, size_t *wants)
{
    uint64_t at = read->offset >> CR_CHUNK_SHIFT, last = last_chunk(read);
    while (at <= last) {
        struct plan_step *step = &plan->steps[plan->step_count++];
        *step = (struct plan_step){.at_us = read->at_us, .first = *wants};
        for (unsigned i = 0; i < STEP_CHUNKS_MAX && at <= last; i++, at++) {
            const struct plan_chunk *chunk =
                bsearch(&at, plan->chunks, plan->chunk_count, sizeof(*chunk), by_index);
            if (chunk == NULL)
                continue;
            plan->wants[(*wants)++] = (uint32_t)(chunk - plan->chunks);
            step->count++;
        }
    }
}

static int steps_make(struct plan *plan, const struct cr_trace *trace, struct cr_error *err)
{
    size_t steps = 0, wants = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const struct cr_trace_read *read = &trace->reads[i];
        size_t chunks = last_chunk(read) - (read->offset >> CR_CHUNK_SHIFT) + 1;
        wants += chunks;
        steps += (chunks + STEP_CHUNKS_MAX - 1) / STEP_CHUNKS_MAX;
        plan->read_bytes += read->len;
    }
    plan->reads = trace->count;
    plan->steps = cr_calloc(steps, sizeof(*plan->steps));
    plan->wants = cr_calloc(wants, sizeof(*plan->wants));
    if (plan->steps == NULL || plan->wants == NULL)
        return no_memory(err);
    wants = 0;
    for (size_t i = 0; i < trace->count; i++)
        steps_add(plan, &trace->reads[i], &wants);
    return 0;
}

static int trace_fits(const struct cr_trace *trace, const struct cr_version *version,
                      struct cr_error *err)
{
    char ref[CR_REF_TEXT];
    uint64_t wants = 0;
    for (size_t i = 0; i < trace->count; i++) {
        wants += last_chunk(&trace->reads[i]) - (trace->reads[i].offset >> CR_CHUNK_SHIFT) + 1;
        if (cr_range_check(cr_version_disk_bytes(version), trace->reads[i].len,
                           trace->reads[i].offset, NULL) < 0)
            return cr_error_set(err, -EINVAL,
                                "read %zu of the trace ends behind the disk of '%s'; it was "
                                "recorded from another image",
                                i + 1, cr_ref_format(cr_version_ref(version), ref));
    }
    if (wants > WANTS_MAX)
        return cr_error_set(err, -EFBIG, "the trace reads more than %llu chunks", WANTS_MAX);
    return 0;
}

int plan_make(struct plan *plan, const char *path, struct cr_store *store, const struct cr_ref *ref,
              struct cr_error *err)
{
    CLEANUP(cr_trace_done) struct cr_trace trace = {0};
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    *plan = (struct plan){0};
    int r = trace_read(path, &trace, err);
    if (r == 0)
        r = cr_version_open(store, ref, &version, err);
    if (r == 0)
        r = trace_fits(&trace, version, err);
    if (r < 0)
        return r;
    plan->ref = *cr_version_ref(version);
    plan->info = *cr_version_info(version);
    r = chunks_find(plan, &trace, version, err);
    if (r == 0 && ids_sort(plan) < 0)
        r = no_memory(err);
    if (r == 0)
        r = segments_fetch(plan, store, err);
    return r < 0 ? r : steps_make(plan, &trace, err);
}
