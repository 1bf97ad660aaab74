/* SPDX-License-Identifier: MIT */
/*
 * What an old version holds, so that a new one can be told in its words: every 4 KiB block by the
 * first half of its SHA-256 (16 bytes and the place in a table: 24 bytes a block), and, for what is
 * alike and not the same, samples of its bytes wherever they stand: where a rolling hash of 32
 * bytes has zeros at the top, about once a KiB, the chunk is remembered under that hash.
 */
#pragma once

#include "lib/delta/chunks.h"
#include "lib/store/version.h"

struct cr_oldblocks;

#define CR_NO_BLOCK UINT64_MAX

/* Read and index all of `old` with `threads` workers. Returns 0 or -errno. */
int cr_oldblocks_new(struct cr_store *store, struct cr_version *old, struct cr_delta_work *work,
                     struct cr_oldblocks **ret_blocks, struct cr_error *err);
/* Takes NULL. */
void cr_oldblocks_free(struct cr_oldblocks *blocks);
void cr_oldblocks_cleanup(struct cr_oldblocks **blocks);

/*
 * Where the old disk has the 4 KiB at `data`: block `preferred` if it is there (CR_NO_BLOCK = no
 * preference), else the first place, or CR_NO_BLOCK. Thread-safe.
 */
uint64_t cr_oldblocks_find(const struct cr_oldblocks *blocks, const void *data, uint64_t preferred);

/* Some chunk of the new version has exactly these bytes in the old one. */
bool cr_oldblocks_has_chunk(const struct cr_oldblocks *blocks, const struct cr_id *id);

/* The id of chunk `chunk` of the old version; a hole behind its end. */
const struct cr_id *cr_oldblocks_id(const struct cr_oldblocks *blocks, uint64_t chunk);

/*
 * Old chunks that share samples with `len` bytes, one entry a shared sample, appended to `found`
 * (room for `room`, `*count` so far; more are left out). Thread-safe.
 */
void cr_oldblocks_alike(const struct cr_oldblocks *blocks, const void *data, size_t len,
                        uint32_t *found, size_t room, size_t *count);
