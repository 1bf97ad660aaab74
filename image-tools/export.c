/* SPDX-License-Identifier: MIT */
#include "image-tools/export.h"

#include "image-tools/fetch.h"
#include "image-tools/work.h"
#include "lib/base/mem.h"

#include <errno.h>

struct run {
    struct cr_store *store;
    struct cr_version *version;
    struct target *target;
    struct progress *progress;
    uint8_t *buffers; /* FETCH_CHUNKS_MAX chunks for each worker */
};

void target_cleanup(struct target **target)
{
    if (*target != NULL)
        (*target)->ops->close(*target);
}

/* Write the runs of chunks that are present. */
static int runs_write(const struct run *run, const uint8_t *bytes, uint64_t first, unsigned count,
                      uint64_t present, struct cr_error *err)
{
    uint64_t disk_bytes = cr_version_disk_bytes(run->version);
    for (unsigned from = 0, to; from < count; from = to) {
        bool there = present >> from & 1;
        for (to = from + 1; to < count && (present >> to & 1) == there; to++)
            ;
        if (!there)
            continue;
        uint64_t offset = (first + from) << CR_CHUNK_SHIFT;
        uint64_t end = (first + to) << CR_CHUNK_SHIFT;
        if (end > disk_bytes)
            end = disk_bytes;
        int r = run->target->ops->write(run->target, bytes + (size_t)from * CR_CHUNK_BYTES,
                                        end - offset, offset, err);
        if (r < 0)
            return r;
        progress_add(run->progress, end - offset);
    }
    return 0;
}

static int piece_run(void *context, unsigned worker, uint64_t index, struct cr_error *err)
{
    struct run *run = context;
    uint8_t *bytes = run->buffers + (size_t)worker * FETCH_CHUNKS_MAX * CR_CHUNK_BYTES;
    uint64_t first = index * FETCH_CHUNKS_MAX, present = 0;
    uint64_t left = cr_version_chunks(run->version) - first;
    unsigned count = left < FETCH_CHUNKS_MAX ? (unsigned)left : FETCH_CHUNKS_MAX;
    int r = fetch_chunks(run->store, run->version, first, count, bytes, &present, err);
    return r < 0 ? r : runs_write(run, bytes, first, count, present, err);
}

int export_run(const struct cli *cli, struct cr_store *store, struct cr_version *version,
               struct target *target, struct cr_error *err)
{
    unsigned workers = cli->disk_threads;
    CLEANUP_FREE uint8_t *buffers =
        aligned_alloc(CR_CHUNK_BYTES, (size_t)workers * FETCH_CHUNKS_MAX * CR_CHUNK_BYTES);
    if (buffers == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot work with %u threads", workers);
    CLEANUP(progress_cleanup)
    struct progress *progress =
        progress_new(cli, "exporting", cr_version_info(version)->data_bytes);
    struct run run = {.store = store,
                      .version = version,
                      .target = target,
                      .progress = progress,
                      .buffers = buffers};
    uint64_t pieces = (cr_version_chunks(version) + FETCH_CHUNKS_MAX - 1) / FETCH_CHUNKS_MAX;
    return work_run(workers, pieces, piece_run, &run, err);
}
