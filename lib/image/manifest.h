/* SPDX-License-Identifier: MIT */
/*
 * Manifest and segment: which chunks a version of a disk is made of (FORMAT.md, "Manifest" and
 * "Segment"). Both hold ids only, never places, so that reading an offset is one shift and one
 * array load however long the history is. The parsers take bytes and own nothing else.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

struct cr_manifest {
    uint64_t disk_bytes;
    uint32_t segment_count;
    struct cr_id *segments; /* owned, segment_count of them; a hole is a segment of holes only */
};

void cr_manifest_done(struct cr_manifest *manifest);

/*
 * Parse the plain bytes of a manifest. `ret_manifest` is overwritten on success; free it with
 * cr_manifest_done. Returns 0, -ENOMEM, or -EBADMSG with the reason ("it claims ...").
 */
int cr_manifest_parse(const void *data, size_t len, struct cr_manifest *ret_manifest,
                      struct cr_error *err);

/* The plain bytes of a manifest, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_manifest_format(const struct cr_manifest *manifest, struct cr_buf *out);

/* A manifest of holes for a disk of `disk_bytes`. Returns 0, -ENOMEM or -EFBIG. */
int cr_manifest_init(struct cr_manifest *manifest, uint64_t disk_bytes, struct cr_error *err);

/* Chunks of a disk, chunks in its segment `index`, and bytes in its chunk `index`. */
uint64_t cr_disk_chunks(uint64_t disk_bytes);
uint32_t cr_segment_chunks(uint64_t disk_bytes, uint32_t index);
uint32_t cr_chunk_bytes(uint64_t disk_bytes, uint64_t index);

/*
 * Parse the plain bytes of a segment that must hold exactly `count` ids into `ids`. Returns 0 or
 * -EBADMSG with the reason.
 */
int cr_segment_parse(const void *data, size_t len, uint32_t count, struct cr_id *ids,
                     struct cr_error *err);

/* The plain bytes of a segment, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_segment_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out);
