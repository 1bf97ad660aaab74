/* SPDX-License-Identifier: MIT */
/* Which chunk is where in an open version, as whoever serves it as a disk asks. No lock when hot.
 */
#pragma once

#include "lib/store/version.h"

/*
 * The id of chunk `index`, below the number of chunks; NULL in *ret_id means a hole. Borrowed until
 * the version is closed. Errors are those of cr_version_segment.
 */
int cr_lookup_chunk(struct cr_version *version, uint64_t index, const struct cr_id **ret_id,
                    struct cr_error *err);

/*
 * From `offset` on, inside the disk: is it a hole (in whole chunks), and for how many bytes? The
 * answer is exact up to `max_bytes` > 0 and never longer. Errors as above.
 */
int cr_lookup_extent(struct cr_version *version, uint64_t offset, uint64_t max_bytes,
                     uint64_t *ret_bytes, bool *ret_hole, struct cr_error *err);

/* The part of one chunk that a read of the disk wants. */
struct cr_piece {
    uint64_t index;       /* of the chunk */
    uint32_t from;        /* bytes into the chunk */
    uint32_t bytes;       /* that are wanted */
    uint32_t chunk_bytes; /* that the whole chunk has */
    uint8_t *out;         /* NULL: nobody wants a copy */
};

/* The first piece of a read of `len` > 0 bytes at `offset` into `out`. */
struct cr_piece cr_piece_first(uint64_t disk_bytes, uint8_t *out, uint64_t len, uint64_t offset);

/* Is the range inside the disk? Returns 0 or -EINVAL with a sentence. */
int cr_range_check(uint64_t disk_bytes, uint64_t len, uint64_t offset, struct cr_error *err);
