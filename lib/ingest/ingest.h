/* SPDX-License-Identifier: MIT */
/*
 * The way of a disk's bytes into a version, for import and for commit:
 *
 *   which ranges hold what (block status) -> slices of 4 MiB -> each worker takes the next slice:
 *   reads its data through its own connection, completes its chunks, hands them to the publisher,
 *   which hashes, compresses and packs them in that same thread
 */
#pragma once

#include "lib/base/extents.h"
#include "lib/base/work.h"
#include "lib/blk/source.h"
#include "lib/store/publish.h"

struct cr_ingest {
    struct cr_source *source;
    struct cr_publish *publish;
    struct cr_extents data;  /* to be read from the source */
    struct cr_extents zeros; /* zero now, whatever the base holds there; import needs none */
    struct cr_store *store;
    struct cr_version *base; /* holds what is in neither; NULL = zeros */
    cr_work_stop *stop;      /* NULL = nobody stops it */
    /* So many bytes more were read; from any worker. NULL = nobody asks. */
    void (*progressed)(void *progress, uint64_t bytes);
    void *progress;
    /*
     * Where chunks go instead of to `publish`, which may be NULL then; `plain` is borrowed for the
     * call, from any worker.
     */
    int (*chunk)(void *chunk_context, unsigned worker, uint64_t index, const void *plain,
                 struct cr_error *err);
    void *chunk_context;
};

/* Frees the two lists of ranges; the rest is borrowed. */
void cr_ingest_done(struct cr_ingest *ingest);

/* Fill `data`, and `zeros` if there is a base, from the block status of the source. */
int cr_ingest_scan(struct cr_ingest *ingest, struct cr_error *err);

/* Take the free space of file systems out of what is to be read. Returns 0 or -ENOMEM. */
int cr_ingest_leave_out(struct cr_ingest *ingest, const struct cr_extents *free_space,
                        struct cr_error *err);

/*
 * Publish every chunk that a range touches. `threads` is at most the number of connections of the
 * source. Returns 0 or -errno; -ECANCELED when a stop was asked for.
 */
int cr_ingest_run(struct cr_ingest *ingest, unsigned threads, struct cr_error *err);
