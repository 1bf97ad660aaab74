/* SPDX-License-Identifier: MIT */
/* Chunks read many at a time, and work on many threads: what the builder of a delta stands on. */
#pragma once

#include "lib/store/store.h"

/* Chunks that are asked of the store at once, and so 4 MiB of disk. */
#define CR_DELTA_BATCH 64U

/*
 * Read and verify chunks: the bytes of ids[i] land at plain + i * 65,536, filled up with zeros.
 * Returns 0, -EBADMSG, -ENOENT ... with a sentence that names the chunk.
 */
int cr_delta_chunks_read(struct cr_store *store, const struct cr_id *ids, size_t count,
                         uint8_t *plain, struct cr_error *err);

/* How the work is done, and how somebody outside sees and ends it. */
struct cr_delta_work {
    unsigned threads; /* 0 = one for each CPU */
    /* Called from any of the threads, one at a time; non-zero ends the work with that value. May be
     * NULL. */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    void *context;
    uint64_t done, total; /* bytes read of both disks; for progress */
};

/* Do piece `index`; `worker` (0 .. threads - 1) tells whose buffers to use. */
typedef int cr_delta_piece(void *context, unsigned worker, uint64_t index, struct cr_error *err);

/*
 * Run `piece` for 0 .. count - 1, each once, begun in rising order. The first error ends the run
 * and is returned with its sentence. Each piece adds `piece_bytes` to what is done.
 */
int cr_delta_run(struct cr_delta_work *work, uint64_t count, uint64_t piece_bytes,
                 cr_delta_piece *piece, void *context, struct cr_error *err);

/* The number of workers that cr_delta_run uses. */
unsigned cr_delta_threads(const struct cr_delta_work *work);
