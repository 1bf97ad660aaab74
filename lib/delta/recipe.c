/* SPDX-License-Identifier: MIT */
/* The instructions of a group: reading and writing them. */
#include "lib/base/mem.h"
#include "lib/base/varint.h"
#include "lib/delta/group.h"
#include "lib/image/manifest.h"

#include <inttypes.h>
#include <string.h>

static uint32_t blocks_of(uint64_t disk_bytes, uint64_t chunk)
{
    return (cr_chunk_bytes(disk_bytes, chunk) + CR_BLOCK_BYTES - 1) / CR_BLOCK_BYTES;
}

void cr_delta_reader_init(struct cr_delta_reader *reader, const struct cr_delta_group_head *head,
                          const void *plain, uint64_t first, uint32_t chunks, uint64_t old_bytes,
                          uint64_t new_bytes)
{
    const uint8_t *bytes = plain;
    *reader = (struct cr_delta_reader){
        .next = bytes,
        .end = bytes + head->instruction_bytes,
        .chunk = first,
        .old_blocks = (old_bytes + CR_BLOCK_BYTES - 1) / CR_BLOCK_BYTES,
        .new_bytes = new_bytes,
        .literals = head->literals,
        .chunks_left = chunks,
    };
}

static int refuse(const struct cr_delta_reader *reader, struct cr_error *err)
{
    return cr_error_set(err, -EBADMSG, "its instructions for chunk %" PRIu64 " make no sense",
                        reader->chunk);
}

/* Where the operation takes its blocks. `block` is the place in the new disk. */
static int source_read(struct cr_delta_reader *reader, uint64_t block, struct cr_delta_op *op)
{
    uint64_t moved = 0;
    if (op->kind == CR_DELTA_LITERAL) {
        op->source = reader->literal;
        if (op->blocks > reader->literals - reader->literal)
            return -EBADMSG;
        reader->literal += op->blocks;
    }
    if (op->kind == CR_DELTA_ZERO || op->kind == CR_DELTA_LITERAL)
        return 0;
    if (op->kind == CR_DELTA_COPY) {
        if (cr_varint_get(&reader->next, reader->end, &moved) < 0 || moved == 0)
            return -EBADMSG;
        reader->displacement += cr_varint_zagzig(moved);
    }
    int64_t source = (int64_t)block + reader->displacement;
    if (source < 0 || (uint64_t)source >= reader->old_blocks ||
        op->blocks > reader->old_blocks - (uint64_t)source)
        return -EBADMSG;
    op->source = (uint64_t)source;
    return 0;
}

/* Runs are as long as they can be: two of a kind that touch would be one. */
static bool runs_touch(enum cr_delta_kind before, enum cr_delta_kind kind)
{
    if (kind == CR_DELTA_SAME)
        return before == CR_DELTA_SAME || before == CR_DELTA_COPY;
    return kind == before && kind != CR_DELTA_COPY;
}

int cr_delta_reader_next(struct cr_delta_reader *reader, struct cr_delta_recipe *ret_recipe,
                         struct cr_error *err)
{
    uint64_t gap, word, disk = cr_disk_chunks(reader->new_bytes);
    if (reader->chunks_left == 0) {
        if (reader->next != reader->end || reader->literal != reader->literals)
            return cr_error_set(err, -EBADMSG, "something follows its last chunk");
        return 0;
    }
    if (cr_varint_get(&reader->next, reader->end, &gap) < 0 || reader->chunk >= disk ||
        gap >= disk - reader->chunk)
        return refuse(reader, err);
    reader->chunk += gap;
    *ret_recipe = (struct cr_delta_recipe){.chunk = reader->chunk};
    uint64_t block = reader->chunk * CR_CHUNK_BLOCKS;
    for (uint32_t left = blocks_of(reader->new_bytes, reader->chunk); left > 0;) {
        struct cr_delta_op *op = &ret_recipe->ops[ret_recipe->op_count];
        if (cr_varint_get(&reader->next, reader->end, &word) < 0 || word >> 2 >= left)
            return refuse(reader, err);
        *op = (struct cr_delta_op){.kind = (enum cr_delta_kind)(word & 3),
                                   .blocks = (uint32_t)(word >> 2) + 1};
        if (source_read(reader, block, op) < 0 ||
            (ret_recipe->op_count > 0 && runs_touch(op[-1].kind, op->kind)))
            return refuse(reader, err);
        ret_recipe->op_count++;
        left -= op->blocks;
        block += op->blocks;
    }
    reader->chunk++;
    reader->chunks_left--;
    return 1;
}

/* --- writing --------------------------------------------------------------------------------- */

static enum cr_delta_kind kind_of(const struct cr_delta_writer *writer, uint64_t block,
                                  uint64_t source)
{
    if (source == CR_DELTA_NO_SOURCE)
        return CR_DELTA_LITERAL;
    if (source == CR_DELTA_ZERO_SOURCE)
        return CR_DELTA_ZERO;
    return (int64_t)(source - block) == writer->displacement ? CR_DELTA_SAME : CR_DELTA_COPY;
}

/* How many blocks from `sources` on make one run. */
static uint32_t run_length(const uint64_t *sources, uint32_t blocks)
{
    bool copy = sources[0] < CR_DELTA_ZERO_SOURCE;
    uint32_t n = 1;
    while (n < blocks && sources[n] == (copy ? sources[0] + n : sources[0]))
        n++;
    return n;
}

int cr_delta_writer_add(struct cr_delta_writer *writer, uint64_t chunk, const uint64_t *sources,
                        uint32_t blocks, struct cr_buf *out)
{
    int r = cr_varint_put(out, chunk - writer->chunk);
    writer->chunk = chunk + 1;
    for (uint32_t b = 0, run; b < blocks && r == 0; b += run) {
        uint64_t block = chunk * CR_CHUNK_BLOCKS + b;
        enum cr_delta_kind kind = kind_of(writer, block, sources[b]);
        run = run_length(sources + b, blocks - b);
        r = cr_varint_put(out, (uint64_t)(run - 1) << 2 | kind);
        if (r == 0 && kind == CR_DELTA_COPY) {
            int64_t displacement = (int64_t)(sources[b] - block);
            r = cr_varint_put(out, cr_varint_zigzag(displacement - writer->displacement));
            writer->displacement = displacement;
        }
    }
    return r;
}
