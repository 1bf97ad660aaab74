/* SPDX-License-Identifier: MIT */
/*
 * Publishing a version. The order is the safety: packs, then segments, then the manifest, each
 * durable before the next begins, then one compare-and-set of the head. A crash at any point leaves
 * every earlier version whole, and the new one absent or whole (DESIGN: the store).
 */
#pragma once

#include "lib/store/version.h"

struct cr_publish;

struct cr_publish_stat {
    uint64_t new_chunks;   /* that the store did not have */
    uint64_t stored_bytes; /* packs, segments and manifest that were new */
};

/*
 * Begin the next version of image `name`, `disk_bytes` large; takes the image's writer lock. `base`
 * (may be NULL) gives the chunks that nobody replaces; without it they are holes. It must stay open
 * until the end. Returns 0, -EBUSY (another writer), -EROFS, -ENOENT (no such store) ...
 */
int cr_publish_begin(struct cr_store *store, const char *name, uint64_t disk_bytes,
                     struct cr_version *base, struct cr_publish **ret_publish,
                     struct cr_error *err);

/*
 * Chunk `index` has these plain bytes: exactly cr_chunk_bytes(disk_bytes, index). Hashes, leaves
 * out what is stored already, compresses, packs. Several threads may call this for different
 * indices; `lane` (0 .. CR_PUBLISH_LANES-1) keeps each thread's chunks together in packs of its
 * own. The first error sticks: later calls return it at once.
 */
#define CR_PUBLISH_LANES 64
int cr_publish_chunk(struct cr_publish *publish, unsigned lane, uint64_t index, const void *plain,
                     struct cr_error *err);

/* Chunk `index` is a hole. */
int cr_publish_hole(struct cr_publish *publish, uint64_t index, struct cr_error *err);

/* What the head says of a version besides its content. All may be NULL. */
struct cr_publish_note {
    const struct cr_ref *parent; /* what it was made from, with its number */
    const char *message;
    const char *by;             /* who publishes; NULL = cr_who */
    const struct cr_id *record; /* of its build, in CR_SPACE_RECORDS */
    uint64_t stored_before;     /* bytes stored for it already, as results of its steps */
};

/*
 * Write what is left and set the head. `note` (may be NULL) is recorded. No other thread may use
 * `publish` any more. Frees it, whatever is returned.
 */
int cr_publish_commit(struct cr_publish *publish, const struct cr_publish_note *note,
                      struct cr_version_info *ret_info, struct cr_publish_stat *ret_stat,
                      struct cr_error *err);

/*
 * The same without the head: whoever can set it (a server that this store sends to) makes the
 * version of it. `ret_info` has everything but a number.
 */
int cr_publish_content(struct cr_publish *publish, const struct cr_publish_note *note,
                       struct cr_version_info *ret_info, struct cr_error *err);

/* Give up: nothing becomes visible. Takes NULL. */
void cr_publish_abort(struct cr_publish *publish);
