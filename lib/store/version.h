/* SPDX-License-Identifier: MIT */
/* One version of an image, open for looking up: which chunk is where. Thread-safe. */
#pragma once

#include "lib/store/store.h"

struct cr_version;

/*
 * Find `ref` (its number, where its channel points now, or the newest) in `store`, read and verify
 * its manifest. The store must outlive the version. Returns 0, -ENOENT (unknown image or version,
 * the sentence says which exist), -EBADMSG.
 */
int cr_version_open(struct cr_store *store, const struct cr_ref *ref,
                    struct cr_version **ret_version, struct cr_error *err);
/*
 * The same for a version that is known from elsewhere, as from signed metadata: `ref` is its NAME@N
 * and `info` says at least number, root and disk_bytes. The head is not asked. -EBADMSG also when
 * the manifest is of a disk of another size.
 */
int cr_version_open_known(struct cr_store *store, const struct cr_ref *ref,
                          const struct cr_version_info *info, struct cr_version **ret_version,
                          struct cr_error *err);
void cr_version_close(struct cr_version *version);
void cr_version_cleanup(struct cr_version **version);

const struct cr_version_info *cr_version_info(const struct cr_version *version);
const struct cr_manifest *cr_version_manifest(const struct cr_version *version);
/* "NAME@N" with the number that was found. */
const struct cr_ref *cr_version_ref(const struct cr_version *version);
uint64_t cr_version_disk_bytes(const struct cr_version *version);
uint64_t cr_version_chunks(const struct cr_version *version);

/*
 * The ids of the chunks of segment `index` (cr_segment_chunks of them), read from the store at the
 * first call and kept; NULL in *ret_ids means that all are holes. Borrowed until close.
 */
int cr_version_segment(struct cr_version *version, uint32_t index, const struct cr_id **ret_ids,
                       struct cr_error *err);

/* The id of chunk `index` (offset >> CR_CHUNK_SHIFT); the reserved id for a hole. */
int cr_version_chunk(struct cr_version *version, uint64_t index, struct cr_id *ret_id,
                     struct cr_error *err);
