/* SPDX-License-Identifier: MIT */
/*
 * The three kinds of objects that a store holds, and the one way in which all of them are stored:
 * an object is named by the SHA-256 of its plain bytes and kept as one zstd frame (FORMAT.md,
 * "Objects"). Whoever receives a frame, from wherever, opens it here and so verifies it.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* SHA-256 of an object's plain bytes. All zero is reserved: a hole, never stored, never sent. */
struct cr_id {
    uint8_t bytes[CR_ID_BYTES];
};

#define CR_ID_HEX 65 /* hexadecimal text of an id with its terminating zero */

static inline bool cr_id_equal(const struct cr_id *a, const struct cr_id *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool cr_id_is_hole(const struct cr_id *id)
{
    static const struct cr_id hole;
    return cr_id_equal(id, &hole);
}

/* An id is uniformly distributed already: its first bytes are a hash. */
static inline uint64_t cr_id_hash(const struct cr_id *id)
{
    uint64_t hash;
    memcpy(&hash, id->bytes, sizeof(hash));
    return hash;
}

/* 64 lower-case digits. Returns `out`. */
const char *cr_id_format(const struct cr_id *id, char out[static CR_ID_HEX]);

/* Exactly `len` = 64 digits, upper or lower case. Returns 0 or -EINVAL. */
int cr_id_parse(const char *text, size_t len, struct cr_id *ret_id);

enum cr_kind {
    CR_CHUNK,    /* 64 KiB of a disk */
    CR_SEGMENT,  /* ids of up to 4,096 chunks */
    CR_MANIFEST, /* ids of the segments of one version */
    CR_KIND_COUNT,
};

/* What is known of each kind; indexed by enum cr_kind. */
struct cr_kind_info {
    const char *name; /* "chunk": in messages, and with an "s" in paths */
    size_t plain_max; /* bytes */
    size_t frame_max; /* bytes of the largest zstd frame of plain_max bytes */
};
extern const struct cr_kind_info cr_kinds[CR_KIND_COUNT];

/* The largest frame of a chunk, for arrays. */
#define CR_CHUNK_FRAME_MAX (CR_CHUNK_BYTES + (CR_CHUNK_BYTES >> 7) + 512)

/* SHA-256 (FIPS 180-4, OpenSSL) of `len` bytes. */
void cr_hash(const void *data, size_t len, struct cr_id *ret_id);

/* True when all bytes are zero. */
bool cr_is_zero(const void *data, size_t len);

/*
 * Compress `plain` into one zstd frame (RFC 8878) with its content size and no checksum. `out` has
 * room for `out_size` bytes, cr_kinds[].frame_max of them suffice. Returns 0, -ENOMEM or -EMSGSIZE.
 */
int cr_frame_encode(const void *plain, size_t len, void *out, size_t out_size, size_t *ret_len);

/* The same in less time and with more bytes, for a frame that is sent once and not kept. */
int cr_frame_encode_fast(const void *plain, size_t len, void *out, size_t out_size,
                         size_t *ret_len);

/*
 * Open a frame: decompress it into `plain` (room for `plain_size`, at most the kind's maximum is
 * accepted) and compare its SHA-256 with `id`. Returns 0, or -EBADMSG with a sentence that names
 * the object; `plain` must not be used then.
 */
int cr_object_open(enum cr_kind kind, const struct cr_id *id, const void *frame, size_t frame_len,
                   void *plain, size_t plain_size, size_t *ret_len, struct cr_error *err);

/*
 * The first of the frames that stand behind each other in `data`, for salvaging: decompressed into
 * `plain`. Returns 0, -ENOMEM, or -EBADMSG; then *ret_frame_len tells how long it is all the same,
 * 0 = there is none.
 */
int cr_frame_first(const void *data, size_t len, void *plain, size_t plain_size,
                   size_t *ret_frame_len, size_t *ret_len);
