/* SPDX-License-Identifier: MIT */
/* What a recorded boot asks of a version: the reads as lists of chunks. The same for every seat. */
#pragma once

#include "lib/blk/trace.h"
#include "lib/store/version.h"

/* Chunks that blockd deals with at a time, and so the largest request: 2 MiB of disk. */
#define STEP_CHUNKS_MAX 32U

/* One read, or 2 MiB of a larger one. */
struct plan_step {
    uint64_t at_us; /* since the recording began */
    size_t first;   /* in plan.wants */
    uint32_t count; /* of chunks that are no holes, may be 0 */
};

/* A chunk of the boot set: one place of the disk that the boot reads. */
struct plan_chunk {
    uint64_t index; /* on the disk */
    struct cr_id id;
    uint32_t bytes;
};

struct plan {
    struct cr_ref ref; /* NAME@N */
    struct cr_version_info info;
    struct plan_step *steps;
    size_t step_count;
    uint32_t *wants;           /* what the steps want, as numbers in `chunks` */
    struct plan_chunk *chunks; /* in the order of the disk */
    size_t chunk_count;
    uint32_t *by_id;        /* the numbers of the chunks, in the order of their ids */
    struct cr_id *segments; /* that the ids stand in, in the order of the disk */
    struct cr_buf *frames;  /* of the segments; owned */
    size_t segment_count;
    size_t reads;         /* of the trace */
    uint64_t read_bytes;  /* of the trace */
    uint64_t plain_bytes; /* of the chunks */
};

/*
 * Read the trace `path` and look its reads up in version `ref` of `store`. Returns 0 or -errno with
 * a sentence; the plan wants plan_done in either case.
 */
int plan_make(struct plan *plan, const char *path, struct cr_store *store, const struct cr_ref *ref,
              struct cr_error *err);
void plan_done(struct plan *plan);

/* A chunk of the plan with this id; false = it has none. */
bool plan_find(const struct plan *plan, const struct cr_id *id, uint32_t *ret_number);
