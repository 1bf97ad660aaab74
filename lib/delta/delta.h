/* SPDX-License-Identifier: MIT */
/*
 * Using a delta: chunks of a new version out of an old one that is at hand. What a delta gives is
 * compared with the chunk's full id, so a wrong, stale or damaged one, or a damaged old version,
 * costs one fetch of the whole chunk and nothing else. Thread-safe.
 */
#pragma once

#include "lib/delta/index.h"
#include "lib/store/store.h"

struct cr_delta;

/*
 * Read 4 KiB blocks `first` to `first + count - 1` of the old disk, with zeros behind its end;
 * nobody need verify them. -ENOENT = not all of them are at hand.
 */
typedef int cr_delta_read_old(void *context, uint64_t first, uint32_t count, void *out,
                              struct cr_error *err);

struct cr_delta_counts {
    uint64_t delta_chunks; /* made from the delta and verified */
    uint64_t delta_bytes;  /* of parts fetched for them, and the index */
    uint64_t full_chunks;  /* fetched whole, because the delta had or gave nothing right */
    uint64_t full_bytes;   /* plain bytes of those */
};

/*
 * Open the delta from `old_root` to `new_root` that `store` (which must outlive it) keeps. Returns
 * 0, -ENOENT (there is none, or the store knows no deltas), or -EBADMSG (it is damaged, or for
 * other versions).
 */
int cr_delta_open(struct cr_store *store, const struct cr_id *old_root,
                  const struct cr_id *new_root, struct cr_delta **ret_delta, struct cr_error *err);
/* Takes NULL. */
void cr_delta_close(struct cr_delta *delta);
void cr_delta_cleanup(struct cr_delta **delta);

/*
 * Keep parts as files in the folder `dir_fd` (borrowed until close), named by their SHA-256: chunks
 * that are asked for in any order fetch each part once. A damaged file is fetched again; one that
 * cannot be written is not kept. Before the first chunk is asked for.
 */
void cr_delta_keep_in(struct cr_delta *delta, int dir_fd);

/* Give back the memory of what was unpacked; for a time without questions. */
void cr_delta_rest(struct cr_delta *delta);

/* Borrowed until close. */
const struct cr_delta_index *cr_delta_index(const struct cr_delta *delta);

/* Bytes of the index and of all parts: what travels when all of it is used. */
uint64_t cr_delta_bytes(const struct cr_delta *delta);

/*
 * Chunk `chunk` of the new disk, whose id must be `id`, into `plain` (cr_chunk_bytes of the new
 * disk). Fetches a part when it needs one. Returns 0; -ENOENT: the delta does not make this chunk,
 * or a part or an old block is missing; -EBADMSG: what it gives is wrong; or another -errno of the
 * store. `plain` must not be used then.
 */
int cr_delta_chunk(struct cr_delta *delta, uint64_t chunk, const struct cr_id *id,
                   cr_delta_read_old *read_old, void *context, void *plain, struct cr_error *err);

/*
 * The same, and where the delta gives nothing right, or `delta` is NULL, the whole chunk from
 * `store`, once. `chunk_len` = its plain bytes. Returns as cr_store_chunk_read.
 */
int cr_delta_fetch(struct cr_delta *delta, struct cr_store *store, uint64_t chunk,
                   const struct cr_id *id, size_t chunk_len, cr_delta_read_old *read_old,
                   void *context, void *plain, struct cr_error *err);

/* What cr_delta_chunk and cr_delta_fetch have done so far. */
void cr_delta_counts(struct cr_delta *delta, struct cr_delta_counts *ret_counts);
