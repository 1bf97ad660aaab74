/* SPDX-License-Identifier: MIT */
/*
 * For tests: a small disk whose every byte is known, published as "disk@1" in a store in memory,
 * behind a spy that counts what is asked and can spoil a chunk.
 */
#pragma once

#include "lib/base/mem.h"
#include "lib/store/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Two segments; the last chunk is a short one. */
#define DISK_BYTES ((CR_SEGMENT_CHUNKS + 20ULL) * CR_CHUNK_BYTES + 4096)

/* A store that counts what is asked of another one, and can spoil one frame or the length of all.
 */
struct spy {
    struct cr_store base;
    struct cr_store *inner;
    atomic_int requests, chunks; /* of chunks */
    atomic_int objects;          /* segments and manifests */
    struct cr_id spoiled;
};

static int spy_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                          struct cr_buf *frame, struct cr_error *err)
{
    struct spy *spy = (struct spy *)store;
    atomic_fetch_add(&spy->objects, 1);
    return spy->inner->ops->object_get(spy->inner, kind, id, frame, err);
}

static int spy_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                        struct cr_error *err)
{
    struct spy *spy = (struct spy *)store;
    return spy->inner->ops->head_get(spy->inner, name, head, err);
}

struct relay {
    struct spy *spy;
    const struct cr_id *ids;
    cr_frame_sink *sink;
    void *context;
};

static int relay_frame(void *context, size_t index, int result, const void *frame, size_t frame_len,
                       const struct cr_error *err)
{
    struct relay *relay = context;
    if (result != 0 || !cr_id_equal(&relay->ids[index], &relay->spy->spoiled))
        return relay->sink(relay->context, index, result, frame, frame_len, err);
    CLEANUP_FREE uint8_t *copy = malloc(frame_len);
    memcpy(copy, frame, frame_len);
    copy[frame_len - 1] ^= 0x40;
    return relay->sink(relay->context, index, 0, copy, frame_len, err);
}

static int spy_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                          cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct spy *spy = (struct spy *)store;
    struct relay relay = {spy, ids, sink, context};
    atomic_fetch_add(&spy->requests, 1);
    atomic_fetch_add(&spy->chunks, (int)count);
    return spy->inner->ops->chunks_get(spy->inner, ids, count, relay_frame, &relay, err);
}

static const struct cr_store_ops spy_ops = {
    .object_get = spy_object_get,
    .head_get = spy_head_get,
    .chunks_get = spy_chunks_get,
};

/* The disk: every chunk whose index is 5 modulo 7 is a hole, as are those from 100 to 4,099. */

static bool is_hole(uint64_t index)
{
    return index % 7 == 5 || (index >= 100 && index < CR_SEGMENT_CHUNKS + 4);
}

static uint8_t byte_at(uint64_t offset)
{
    if (is_hole(offset >> CR_CHUNK_SHIFT))
        return 0;
    uint64_t x = (offset >> 3) * 0x9E3779B97F4A7C15U;
    return (uint8_t)((x ^ x >> 29) >> (8 * (offset & 7)) & 0xff) | 1;
}

static void fill(uint8_t *data, size_t len, uint64_t offset)
{
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(offset + i);
}

static void spy_open(struct spy *spy)
{
    struct cr_publish *publish = NULL;
    struct cr_error err = {0};
    assert_int_equal(cr_store_open("mem:", &spy->inner, &err), 0);
    spy->base.ops = &spy_ops;
    assert_int_equal(cr_publish_begin(spy->inner, "disk", DISK_BYTES, NULL, &publish, &err), 0);
    static uint8_t plain[CR_CHUNK_BYTES];
    for (uint64_t i = 0; i < cr_disk_chunks(DISK_BYTES); i++) {
        if (is_hole(i))
            continue;
        uint32_t len = cr_chunk_bytes(DISK_BYTES, i);
        fill(plain, len, i << CR_CHUNK_SHIFT);
        assert_int_equal(cr_publish_chunk(publish, 0, i, plain, &err), 0);
    }
    struct cr_version_info info;
    struct cr_publish_stat stat;
    assert_int_equal(cr_publish_commit(publish, NULL, &info, &stat, &err), 0);
}

static void spy_close(struct spy *spy)
{
    cr_store_close(spy->inner);
}
