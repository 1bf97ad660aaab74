/* SPDX-License-Identifier: MIT */
/*
 * How the chunks of a version come out of another version of the same image that the folder holds:
 * as they are, or by the delta that the server keeps. One thread finds that version and asks for
 * the delta; reads use what it has found and never wait for it.
 *
 *      missing chunk ── the same bytes in the other file? ──▶ take them
 *                          └─ no: the delta makes it? ── hashes to its id? ──▶ take it
 *                                                           └─ no ──▶ fetched whole, as ever
 */
#pragma once

#include "lib/store/version.h"

struct cr_update;

struct cr_update_stat {
    uint64_t old_chunks;   /* taken from the other version as they are */
    uint64_t delta_chunks; /* made by the delta */
    uint64_t delta_bytes;  /* of its index and parts, fetched */
    uint64_t fallbacks;    /* the delta gave nothing right: fetched whole */
};

/*
 * Begin for `version` of `store`, both borrowed until stop, with the folders `disks_fd` and
 * `objects_fd` of the cache folder `dir_fd`, borrowed for the call. Waits for what the thread finds
 * for at most a second, for the first reads of a machine that starts are worth the most; not at all
 * when the folder holds no other version. `again_ms` = how long after it was told that there is no
 * delta it asks again the first time; 0 = the usual. NULL = there is nothing to take chunks from,
 * or it cannot be looked for; all are fetched then.
 */
struct cr_update *cr_update_start(struct cr_store *store, struct cr_version *version, int dir_fd,
                                  int disks_fd, int objects_fd, unsigned again_ms);

/* Takes NULL. Waits for a request that is under way; interrupt the store first. */
void cr_update_stop(struct cr_update *update);

/*
 * Chunk `index`, which has `len` bytes and the id `id`, into `plain`, which is overwritten in any
 * case. True when it is there, verified. Thread-safe; takes NULL.
 */
bool cr_update_chunk(struct cr_update *update, uint64_t index, const struct cr_id *id, uint32_t len,
                     uint8_t *plain);

/* The version that chunks are taken from, borrowed until stop; NULL = none yet. Takes NULL. */
const struct cr_id *cr_update_source(struct cr_update *update);

/* Takes NULL. */
void cr_update_stat(struct cr_update *update, struct cr_update_stat *ret_stat);
