/* SPDX-License-Identifier: MIT */
/*
 * A group: how up to some hundred neighbouring chunks of the new disk are made (FORMAT.md,
 * "Delta"). It names stretches of the old disk that come before its zstd frame as prefix; the frame
 * holds instructions, and the 4 KiB blocks that the old disk does not have ("literals").
 *
 *      varints: extents of the prefix, lengths | zstd frame( instructions | literals )
 *
 * Parsers that own no I/O: who reads the old disk, and from where, is the caller's affair.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdint.h>

#define CR_BLOCK_SHIFT  12U
#define CR_BLOCK_BYTES  (1U << CR_BLOCK_SHIFT)
#define CR_CHUNK_BLOCKS (CR_CHUNK_BYTES / CR_BLOCK_BYTES)

/* Chunks `first` to `first + count - 1` of the old disk. */
struct cr_delta_extent {
    uint64_t first;
    uint32_t count;
};

struct cr_delta_group_head {
    struct cr_delta_extent extents[CR_DELTA_PREFIX_CHUNKS_MAX]; /* rising, never touching */
    uint32_t extent_count;
    uint32_t prefix_chunks;     /* of all extents */
    uint32_t instruction_bytes; /* at the start of the frame's plain bytes */
    uint32_t literals;          /* blocks behind them */
    const uint8_t *frame;       /* borrowed from the group */
    size_t frame_len;
};

/* Bytes of the prefix and of what the frame holds. */
size_t cr_delta_prefix_bytes(const struct cr_delta_group_head *head);
size_t cr_delta_plain_bytes(const struct cr_delta_group_head *head);

/*
 * Parse a group that refers to an old disk of `old_chunks`. Returns 0, or -EBADMSG with the reason.
 * `ret_head` borrows from `data`.
 */
int cr_delta_group_parse(const void *data, size_t len, uint64_t old_chunks,
                         struct cr_delta_group_head *ret_head, struct cr_error *err);

/*
 * Decompress the frame into `plain` (cr_delta_plain_bytes) behind `prefix` (cr_delta_prefix_bytes:
 * the chunks of the extents, each 65,536 bytes, zeros behind the end of the disk). Returns 0,
 * -ENOMEM, or -EBADMSG. A wrong prefix may give wrong bytes instead: they are checked as chunks.
 */
int cr_delta_group_unpack(const struct cr_delta_group_head *head, const void *prefix, void *plain,
                          struct cr_error *err);

/* A compressor, for one thread at a time; its tables are tens of MiB, so it is used again. */
struct cr_delta_packer;
struct cr_delta_packer *cr_delta_packer_new(void); /* NULL without memory */
void cr_delta_packer_free(struct cr_delta_packer *packer);

/*
 * Make a group out of its plain bytes: the counts and extents of `head`, `frame` unused. Appended
 * to `out`. `level` is zstd's. Returns 0 or as cr_buf_append.
 */
int cr_delta_group_pack(struct cr_delta_packer *packer, const struct cr_delta_group_head *head,
                        const void *prefix, const void *plain, int level, struct cr_buf *out);

/* --- instructions ---------------------------------------------------------------------------- */

enum cr_delta_kind {
    CR_DELTA_ZERO,    /* blocks of zeros */
    CR_DELTA_LITERAL, /* the next literals */
    CR_DELTA_SAME,    /* from the old disk, displaced as the last copy was */
    CR_DELTA_COPY,    /* from the old disk, elsewhere */
};

struct cr_delta_op {
    enum cr_delta_kind kind;
    uint32_t blocks;
    uint64_t source; /* block of the old disk, or number of the literal; 0 for zeros */
};

/* One chunk of the new disk. */
struct cr_delta_recipe {
    uint64_t chunk;
    uint32_t op_count;
    struct cr_delta_op ops[CR_CHUNK_BLOCKS];
};

/* Reads the instructions of a group from front to end. */
struct cr_delta_reader {
    const uint8_t *next, *end;
    uint64_t chunk;       /* the lowest that may come next */
    int64_t displacement; /* source - block, of the last copy */
    uint64_t old_blocks;  /* limits of what is read */
    uint64_t new_bytes;   /* of the new disk */
    uint32_t literal;     /* the next one */
    uint32_t literals;    /* of the group */
    uint32_t chunks_left; /* of the group */
};

/* Begin with the instructions of a group whose first chunk is `first`, in its plain bytes. */
void cr_delta_reader_init(struct cr_delta_reader *reader, const struct cr_delta_group_head *head,
                          const void *plain, uint64_t first, uint32_t chunks, uint64_t old_bytes,
                          uint64_t new_bytes);

/* The next chunk: 1 and *ret_recipe, 0 at the end, or -EBADMSG with the reason. */
int cr_delta_reader_next(struct cr_delta_reader *reader, struct cr_delta_recipe *ret_recipe,
                         struct cr_error *err);

/* Writes instructions; start from {0} with `chunk` = the group's first. */
struct cr_delta_writer {
    uint64_t chunk;
    int64_t displacement;
};

#define CR_DELTA_NO_SOURCE   UINT64_MAX       /* a literal */
#define CR_DELTA_ZERO_SOURCE (UINT64_MAX - 1) /* zeros */

/*
 * Append the instructions for `chunk`, whose block b comes from block sources[b] of the old disk,
 * or is zero, or a literal. Returns 0 or as cr_buf_append.
 */
int cr_delta_writer_add(struct cr_delta_writer *writer, uint64_t chunk, const uint64_t *sources,
                        uint32_t blocks, struct cr_buf *out);
