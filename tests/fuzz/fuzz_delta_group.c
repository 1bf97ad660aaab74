/* SPDX-License-Identifier: MIT */
/*
 * Input: one byte; 0: then a group of a delta, as a part holds it; 1: then the plain bytes of a
 * group's instructions, which the fuzzer would hardly find inside a zstd frame. The old disk has
 * 1,000 chunks, the new one 2,000 and a bit; the group is to make five chunks from chunk 3 on.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/delta/group.h"
#include "lib/image/manifest.h"

#include <string.h>

#define OLD_BYTES (1000ULL * CR_CHUNK_BYTES)
#define NEW_BYTES (2000ULL * CR_CHUNK_BYTES + 5000)

/* What is read keeps every promise that the applying code builds on, and has one right form. */
static void read_instructions(const struct cr_delta_group_head *head, const uint8_t *plain)
{
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_DELTA_INSTRUCTION_BYTES_MAX);
    struct cr_delta_writer writer = {.chunk = 3};
    struct cr_delta_reader reader;
    struct cr_delta_recipe recipe;
    struct cr_error err = {0};
    uint64_t literals = 0, last = 0;
    int r;
    cr_delta_reader_init(&reader, head, plain, 3, 5, OLD_BYTES, NEW_BYTES);
    while ((r = cr_delta_reader_next(&reader, &recipe, &err)) > 0) {
        uint64_t sources[CR_CHUNK_BLOCKS];
        uint32_t blocks = 0;
        REQUIRE(recipe.chunk > last && recipe.chunk < cr_disk_chunks(NEW_BYTES));
        REQUIRE(recipe.op_count > 0 && recipe.op_count <= CR_CHUNK_BLOCKS);
        last = recipe.chunk;
        for (uint32_t i = 0; i < recipe.op_count; i++) {
            const struct cr_delta_op *op = &recipe.ops[i];
            REQUIRE(op->blocks > 0 && blocks + op->blocks <= CR_CHUNK_BLOCKS);
            for (uint32_t n = 0; n < op->blocks; n++)
                sources[blocks++] = op->kind == CR_DELTA_ZERO      ? CR_DELTA_ZERO_SOURCE
                                    : op->kind == CR_DELTA_LITERAL ? CR_DELTA_NO_SOURCE
                                                                   : op->source + n;
            if (op->kind == CR_DELTA_LITERAL) {
                REQUIRE(op->source == literals);
                literals += op->blocks;
                REQUIRE(literals <= head->literals);
            } else if (op->kind != CR_DELTA_ZERO) {
                REQUIRE(op->source + op->blocks <= OLD_BYTES / CR_BLOCK_BYTES);
            }
        }
        uint32_t bytes = cr_chunk_bytes(NEW_BYTES, recipe.chunk);
        REQUIRE(blocks == (bytes + CR_BLOCK_BYTES - 1) / CR_BLOCK_BYTES);
        REQUIRE(cr_delta_writer_add(&writer, recipe.chunk, sources, blocks, &again) == 0);
    }
    REQUIRE(r == 0 || err.text[0] != '\0');
    if (r == 0)
        REQUIRE(again.len == head->instruction_bytes && memcmp(again.data, plain, again.len) == 0);
}

static void read_group(const uint8_t *data, size_t size)
{
    static uint8_t prefix[CR_DELTA_PREFIX_CHUNKS_MAX * CR_CHUNK_BYTES];
    struct cr_delta_group_head head;
    struct cr_error err = {0};
    if (cr_delta_group_parse(data, size, OLD_BYTES / CR_CHUNK_BYTES, &head, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    REQUIRE(cr_delta_prefix_bytes(&head) <= sizeof(prefix));
    for (uint32_t i = 0; i < head.extent_count; i++)
        REQUIRE(head.extents[i].first + head.extents[i].count <= OLD_BYTES / CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *plain = malloc(cr_delta_plain_bytes(&head));
    if (plain != NULL && cr_delta_group_unpack(&head, prefix, plain, &err) == 0)
        read_instructions(&head, plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] == 0)
        read_group(data + 1, size - 1);
    if (data[0] != 1 || size - 1 > CR_DELTA_INSTRUCTION_BYTES_MAX)
        return 0;
    for (uint32_t literals = 0; literals <= 16; literals += 8) {
        struct cr_delta_group_head head = {.instruction_bytes = (uint32_t)(size - 1),
                                           .literals = literals};
        read_instructions(&head, data + 1);
    }
    return 0;
}
