/* SPDX-License-Identifier: MIT */
#include "lib/ingest/ingest.h"

#include "lib/base/mem.h"

#include <errno.h>

/*
 * A worker takes a slice, so that neighbours of the disk come to the same pack, and handles it in
 * pieces that stay in the processor's cache from the reading until they are compressed.
 */
#define PIECE_CHUNKS 4U
#define PIECE_BYTES  ((uint64_t)PIECE_CHUNKS * CR_CHUNK_BYTES)
#define SLICE_BYTES  (16 * PIECE_BYTES)

/* Ranges nearer to each other than this are fetched by one request; the gap is filled afterwards.
 */
#define READ_GAP_BYTES (32 * CR_KIB)

void cr_ingest_done(struct cr_ingest *ingest)
{
    cr_extents_done(&ingest->data);
    cr_extents_done(&ingest->zeros);
}

/* --- which ranges hold what ------------------------------------------------------------------- */

static int scan_extent(void *context, uint64_t offset, uint64_t len, enum cr_extent_kind kind)
{
    struct cr_ingest *ingest = context;
    if (ingest->stop != NULL && ingest->stop(NULL) < 0)
        return -ECANCELED;
    if (kind == CR_EXTENT_DATA)
        return cr_extents_add(&ingest->data, offset, len);
    if (kind == CR_EXTENT_ZERO && ingest->base != NULL)
        return cr_extents_add(&ingest->zeros, offset, len);
    return 0;
}

int cr_ingest_scan(struct cr_ingest *ingest, struct cr_error *err)
{
    int r = cr_source_extents(ingest->source, 0, 0, cr_source_size_bytes(ingest->source),
                              scan_extent, ingest, err);
    int stopped = r < 0 && ingest->stop != NULL ? ingest->stop(err) : 0;
    if (stopped < 0)
        return stopped;
    return r == -ENOMEM ? cr_error_errno(err, r, "cannot list the data of the image") : r;
}

int cr_ingest_leave_out(struct cr_ingest *ingest, const struct cr_extents *free_space,
                        struct cr_error *err)
{
    struct cr_extents kept = {0};
    int r = 0;
    for (size_t i = 0; i < ingest->data.count && r == 0; i++) {
        uint64_t at = ingest->data.items[i].offset, end = at + ingest->data.items[i].len;
        while (at < end && r == 0) {
            const struct cr_extent *next = cr_extents_next(free_space, at);
            uint64_t to = next == NULL || next->offset > end ? end : next->offset;
            if (to > at)
                r = cr_extents_add(&kept, at, to - at);
            at = next == NULL ? end : next->offset + next->len;
        }
    }
    if (r < 0) {
        cr_extents_done(&kept);
        return cr_error_errno(err, r, "cannot leave out free space");
    }
    cr_extents_done(&ingest->data);
    ingest->data = kept;
    return 0;
}

/* --- one piece -------------------------------------------------------------------------------- */

struct worker_buffers {
    uint8_t piece[PIECE_BYTES];
    uint8_t base[CR_CHUNK_BYTES]; /* a chunk of the base */
};

struct run {
    struct cr_ingest *ingest;
    uint64_t disk_bytes;
    struct worker_buffers *buffers; /* one for each worker */
};

/* A window on the disk, and what of a range lies in it. */
struct window {
    uint64_t offset, end;
};

/* The index of the first range that ends behind `offset`; `count` when there is none. */
static size_t extents_find(const struct cr_extents *extents, uint64_t offset)
{
    const struct cr_extent *found = cr_extents_next(extents, offset);
    return found == NULL ? extents->count : (size_t)(found - extents->items);
}

static bool window_part(const struct window *window, const struct cr_extents *extents, size_t i,
                        struct window *ret_part)
{
    if (i >= extents->count || extents->items[i].offset >= window->end)
        return false;
    uint64_t from = extents->items[i].offset, to = from + extents->items[i].len;
    ret_part->offset = from > window->offset ? from : window->offset;
    ret_part->end = to < window->end ? to : window->end;
    return true;
}

/* Read all data ranges of the piece to their places in `bytes`; what is between them is not
 * defined. */
static int piece_read(struct run *run, unsigned worker, const struct window *piece, uint8_t *bytes,
                      uint64_t *ret_bytes, struct cr_error *err)
{
    const struct cr_extents *data = &run->ingest->data;
    size_t i = extents_find(data, piece->offset);
    struct window group = {0}, next;
    *ret_bytes = 0;
    while (window_part(piece, data, i, &group)) {
        *ret_bytes += group.end - group.offset;
        while (window_part(piece, data, ++i, &next) && next.offset - group.end < READ_GAP_BYTES) {
            *ret_bytes += next.end - next.offset;
            group.end = next.end;
        }
        int r = cr_source_read(run->ingest->source, worker, bytes + (group.offset - piece->offset),
                               group.end - group.offset, group.offset, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Bit n: a range touches chunk n of the piece. */
static unsigned piece_touched(const struct window *piece, const struct cr_extents *extents)
{
    unsigned bits = 0;
    struct window part;
    for (size_t i = extents_find(extents, piece->offset); window_part(piece, extents, i, &part);
         i++) {
        uint64_t first = (part.offset - piece->offset) >> CR_CHUNK_SHIFT;
        uint64_t last = (part.end - 1 - piece->offset) >> CR_CHUNK_SHIFT;
        for (uint64_t n = first; n <= last; n++)
            bits |= 1U << n;
    }
    return bits;
}

/* The base's bytes of chunk `index`, zeros behind its end. */
static int base_chunk_read(const struct cr_ingest *ingest, uint64_t index, uint8_t *bytes,
                           struct cr_error *err)
{
    memset(bytes, 0, CR_CHUNK_BYTES);
    if (ingest->base == NULL || index >= cr_version_chunks(ingest->base))
        return 0;
    struct cr_id id;
    int r = cr_version_chunk(ingest->base, index, &id, err);
    if (r < 0)
        return r;
    return cr_store_chunk_read(ingest->store, &id, bytes,
                               cr_chunk_bytes(cr_version_disk_bytes(ingest->base), index), err);
}

/*
 * Where the data ranges are silent the base speaks, except where zeros were written. `bytes` are
 * those of the window `chunk`, `index` is its number.
 */
static int chunk_complete(const struct cr_ingest *ingest, const struct window *chunk,
                          uint64_t index, uint8_t *bytes, uint8_t *base_bytes, struct cr_error *err)
{
    size_t d = extents_find(&ingest->data, chunk->offset);
    size_t z = extents_find(&ingest->zeros, chunk->offset);
    uint64_t at = chunk->offset;
    bool base_is_read = false;
    while (at < chunk->end) {
        struct window data = {chunk->end, chunk->end}, zero = {chunk->end, chunk->end};
        window_part(chunk, &ingest->data, d, &data);
        window_part(chunk, &ingest->zeros, z, &zero);
        if (data.offset <= at) {
            at = data.end;
            d++;
        } else if (zero.offset <= at) {
            memset(bytes + (at - chunk->offset), 0, zero.end - at);
            at = zero.end;
            z++;
        } else {
            uint64_t to = data.offset < zero.offset ? data.offset : zero.offset;
            int r = base_is_read ? 0 : base_chunk_read(ingest, index, base_bytes, err);
            if (r < 0)
                return r;
            base_is_read = true;
            memcpy(bytes + (at - chunk->offset), base_bytes + (at - chunk->offset), to - at);
            at = to;
        }
    }
    return 0;
}

static int piece_publish(struct run *run, unsigned worker, const struct window *piece,
                         struct worker_buffers *buffers, struct cr_error *err)
{
    struct cr_ingest *ingest = run->ingest;
    unsigned touched = piece_touched(piece, &ingest->data) | piece_touched(piece, &ingest->zeros);
    for (unsigned n = 0; n < PIECE_CHUNKS; n++) {
        if ((touched >> n & 1) == 0)
            continue;
        uint64_t index = (piece->offset >> CR_CHUNK_SHIFT) + n;
        struct window chunk = {.offset = index << CR_CHUNK_SHIFT};
        chunk.end = chunk.offset + cr_chunk_bytes(run->disk_bytes, index);
        uint8_t *bytes = buffers->piece + (size_t)n * CR_CHUNK_BYTES;
        int r = chunk_complete(ingest, &chunk, index, bytes, buffers->base, err);
        if (r == 0)
            r = ingest->chunk != NULL
                    ? ingest->chunk(ingest->chunk_context, worker, index, bytes, err)
                    : cr_publish_chunk(ingest->publish, worker, index, bytes, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int slice_run(void *context, unsigned worker, uint64_t index, struct cr_error *err)
{
    struct run *run = context;
    struct worker_buffers *buffers = &run->buffers[worker];
    uint64_t end = (index + 1) * SLICE_BYTES;
    if (end > run->disk_bytes)
        end = run->disk_bytes;
    struct window piece = {.offset = index * SLICE_BYTES};
    for (; piece.offset < end; piece.offset = piece.end) {
        uint64_t read_bytes = 0;
        piece.end = piece.offset + PIECE_BYTES < end ? piece.offset + PIECE_BYTES : end;
        int r = piece_read(run, worker, &piece, buffers->piece, &read_bytes, err);
        if (r == 0)
            r = piece_publish(run, worker, &piece, buffers, err);
        if (r < 0)
            return r;
        if (run->ingest->progressed != NULL)
            run->ingest->progressed(run->ingest->progress, read_bytes);
    }
    return 0;
}

int cr_ingest_run(struct cr_ingest *ingest, unsigned threads, struct cr_error *err)
{
    CLEANUP_FREE struct worker_buffers *buffers = reallocarray(NULL, threads, sizeof(*buffers));
    if (buffers == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot work with %u threads", threads);
    struct run run = {
        .ingest = ingest, .disk_bytes = cr_source_size_bytes(ingest->source), .buffers = buffers};
    uint64_t slices = (run.disk_bytes + SLICE_BYTES - 1) / SLICE_BYTES;
    return cr_work_run(threads, slices, slice_run, &run, ingest->stop, err);
}
