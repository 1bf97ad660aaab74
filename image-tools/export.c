/* SPDX-License-Identifier: MIT */
#include "image-tools/export.h"

#include "image-tools/work.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

#define PIECE_CHUNKS 64U /* asked for in one request */

struct run {
    struct cr_store *store;
    struct cr_version *version;
    struct target *target;
    struct progress *progress;
};

/*
 * Neighbouring chunks, fetched together. Each is opened and written alone: 64 KiB stay in the
 * processor's cache between decompressing, hashing and writing, which a larger buffer would not.
 */
struct piece {
    const struct run *run;
    struct cr_id ids[PIECE_CHUNKS]; /* of those that are no holes */
    uint64_t index[PIECE_CHUNKS];   /* which chunk of the disk each is */
    size_t count;
    struct cr_error *err;
    uint8_t plain[CR_CHUNK_BYTES];
};

void target_cleanup(struct target **target)
{
    if (*target != NULL)
        (*target)->ops->close(*target);
}

static int chunk_failed(const struct piece *piece, size_t i, int r, const struct cr_error *reason)
{
    char ref[CR_REF_TEXT];
    return cr_error_set(piece->err, r, "version '%s', byte %" PRIu64 " of the disk: %s",
                        cr_ref_format(cr_version_ref(piece->run->version), ref),
                        piece->index[i] << CR_CHUNK_SHIFT, reason->text);
}

/* One frame: verified by opening it, then written. */
static int frame_take(void *context, size_t i, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct piece *piece = context;
    const struct run *run = piece->run;
    uint32_t expected = cr_chunk_bytes(cr_version_disk_bytes(run->version), piece->index[i]);
    struct cr_error reason = {0};
    char hex[CR_ID_HEX];
    size_t len = 0;
    if (result < 0)
        return chunk_failed(piece, i, result, err);
    result = cr_object_open(CR_CHUNK, &piece->ids[i], frame, frame_len, piece->plain,
                            CR_CHUNK_BYTES, &len, &reason);
    if (result == 0 && len != expected)
        result = cr_error_set(&reason, -EBADMSG, "chunk '%s' has %zu bytes where its disk has %u",
                              cr_id_format(&piece->ids[i], hex), len, expected);
    if (result < 0)
        return chunk_failed(piece, i, result, &reason);
    progress_add(run->progress, len);
    return run->target->ops->write(run->target, piece->plain, len,
                                   piece->index[i] << CR_CHUNK_SHIFT, piece->err);
}

static int piece_run(void *context, unsigned worker, uint64_t number, struct cr_error *err)
{
    const struct run *run = context;
    struct piece piece;
    uint64_t end = (number + 1) * PIECE_CHUNKS;
    (void)worker;
    piece.run = run;
    piece.count = 0;
    piece.err = err;
    if (end > cr_version_chunks(run->version))
        end = cr_version_chunks(run->version);
    for (uint64_t index = number * PIECE_CHUNKS; index < end; index++) {
        int r = cr_version_chunk(run->version, index, &piece.ids[piece.count], err);
        if (r < 0)
            return r;
        if (!cr_id_is_hole(&piece.ids[piece.count]))
            piece.index[piece.count++] = index;
    }
    if (piece.count == 0)
        return 0;
    return run->store->ops->chunks_get(run->store, piece.ids, piece.count, frame_take, &piece, err);
}

int export_run(const struct cli *cli, struct cr_store *store, struct cr_version *version,
               struct target *target, struct cr_error *err)
{
    unsigned workers = cli->disk_threads;
    CLEANUP(progress_cleanup)
    struct progress *progress =
        progress_new(cli, "exporting", cr_version_info(version)->data_bytes);
    struct run run = {.store = store, .version = version, .target = target, .progress = progress};
    uint64_t pieces = (cr_version_chunks(version) + PIECE_CHUNKS - 1) / PIECE_CHUNKS;
    return work_run(workers, pieces, piece_run, &run, err);
}
