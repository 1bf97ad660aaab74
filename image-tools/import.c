/* SPDX-License-Identifier: MIT */
#include "image-tools/import.h"

#include "image-tools/cli.h"
#include "image-tools/stop.h"
#include "image-tools/work.h"
#include "lib/base/mem.h"

#include <errno.h>

#define SLICE_CHUNKS 64U /* one bit each in a uint64_t */
#define SLICE_BYTES  ((uint64_t)SLICE_CHUNKS * CR_CHUNK_BYTES)

/* Ranges nearer to each other than this are fetched by one request, the gap is zeroed afterwards.
 */
#define READ_GAP_BYTES (32 * CR_KIB)

/* --- which ranges hold data ------------------------------------------------------------------- */

static int scan_extent(void *context, uint64_t offset, uint64_t len, enum cr_extent_kind kind)
{
    if (stop_requested())
        return -ECANCELED;
    return kind == CR_EXTENT_DATA ? ranges_add(context, offset, len) : 0;
}

int import_scan(struct cr_source *source, struct ranges *ret_data, struct cr_error *err)
{
    struct ranges data = {0};
    int r = cr_source_extents(source, 0, 0, cr_source_size_bytes(source), scan_extent, &data, err);
    if (r < 0) {
        ranges_done(&data);
        return stop_check(err) < 0 ? -ECANCELED : r;
    }
    *ret_data = data;
    return 0;
}

/* --- the pipeline ----------------------------------------------------------------------------- */

struct import {
    struct cr_source *source;
    const struct ranges *data;
    struct cr_publish *publish;
    struct progress *progress;
    uint64_t disk_bytes;
    uint8_t *buffers; /* SLICE_BYTES for each worker */
};

/* A slice being put together: `bytes` are those of the disk from `offset` to `end`. */
struct slice {
    uint64_t offset, end;
    uint8_t *bytes;
    uint64_t filled;  /* bytes up to this offset of the disk are right */
    uint64_t touched; /* bit n: chunk n of the slice holds data */
};

static void slice_zero_until(struct slice *slice, uint64_t offset)
{
    if (offset > slice->filled) {
        memset(slice->bytes + (slice->filled - slice->offset), 0, offset - slice->filled);
        slice->filled = offset;
    }
}

static void slice_touch(struct slice *slice, uint64_t from, uint64_t to)
{
    uint64_t first = (from - slice->offset) >> CR_CHUNK_SHIFT;
    uint64_t last = (to - 1 - slice->offset) >> CR_CHUNK_SHIFT;
    for (uint64_t i = first; i <= last; i++)
        slice->touched |= 1ULL << i;
}

/* The part of range `i` inside the slice; false when it lies outside. */
static bool slice_part(const struct slice *slice, const struct ranges *data, size_t i,
                       uint64_t *ret_from, uint64_t *ret_to)
{
    if (i >= data->count || data->items[i].offset >= slice->end)
        return false;
    uint64_t from = data->items[i].offset, to = from + data->items[i].len;
    *ret_from = from > slice->offset ? from : slice->offset;
    *ret_to = to < slice->end ? to : slice->end;
    return true;
}

/* Read the ranges from `i` on that lie near each other; returns the next index or -errno. */
static ssize_t slice_read_group(struct import *import, unsigned worker, struct slice *slice,
                                size_t i, struct cr_error *err)
{
    uint64_t from = 0, to = 0, next_from, next_to;
    size_t first = i;
    slice_part(slice, import->data, i, &from, &to);
    while (slice_part(slice, import->data, ++i, &next_from, &next_to) &&
           next_from - to < READ_GAP_BYTES)
        to = next_to;
    slice_zero_until(slice, from);
    int r = cr_source_read(import->source, worker, slice->bytes + (from - slice->offset), to - from,
                           from, err);
    if (r < 0)
        return r;
    slice->filled = to;
    uint64_t previous = from, a, b;
    for (size_t k = first; k < i && slice_part(slice, import->data, k, &a, &b); k++) {
        memset(slice->bytes + (previous - slice->offset), 0, a - previous);
        slice_touch(slice, a, b);
        previous = b;
    }
    return (ssize_t)i;
}

static int import_slice(void *context, unsigned worker, uint64_t index, struct cr_error *err)
{
    struct import *import = context;
    uint64_t offset = index * SLICE_BYTES, end = offset + SLICE_BYTES, from, to;
    struct slice slice = {.offset = offset,
                          .end = end < import->disk_bytes ? end : import->disk_bytes,
                          .bytes = import->buffers + worker * SLICE_BYTES,
                          .filled = offset};
    size_t i = ranges_find(import->data, offset);
    uint64_t read_bytes = 0;
    while (slice_part(&slice, import->data, i, &from, &to)) {
        ssize_t next = slice_read_group(import, worker, &slice, i, err);
        if (next < 0)
            return (int)next;
        for (; i < (size_t)next; i++)
            if (slice_part(&slice, import->data, i, &from, &to))
                read_bytes += to - from;
    }
    if (slice.touched == 0)
        return 0;
    slice_zero_until(&slice, slice.end);
    for (unsigned n = 0; n < SLICE_CHUNKS; n++) {
        if ((slice.touched >> n & 1) == 0)
            continue;
        int r = cr_publish_chunk(import->publish, worker, index * SLICE_CHUNKS + n,
                                 slice.bytes + (size_t)n * CR_CHUNK_BYTES, err);
        if (r < 0)
            return r;
    }
    progress_add(import->progress, read_bytes);
    return 0;
}

int import_run(struct cr_source *source, const struct ranges *data, struct cr_publish *publish,
               unsigned threads, struct progress *progress, struct cr_error *err)
{
    CLEANUP_FREE uint8_t *buffers = malloc(threads * SLICE_BYTES);
    if (buffers == NULL)
        return cr_error_errno(err, -ENOMEM, "importing with %u threads", threads);
    struct import import = {.source = source,
                            .data = data,
                            .publish = publish,
                            .progress = progress,
                            .disk_bytes = cr_source_size_bytes(source),
                            .buffers = buffers};
    uint64_t slices = (import.disk_bytes + SLICE_BYTES - 1) / SLICE_BYTES;
    return work_run(threads, slices, import_slice, &import, err);
}
