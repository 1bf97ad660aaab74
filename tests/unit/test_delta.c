/* SPDX-License-Identifier: MIT */
/*
 * A delta gives the chunks of the new version or nothing: whatever happens to it, or to the old
 * version, no byte is ever wrong, and each chunk that it does not give costs one full fetch.
 */
#include "lib/base/mem.h"
#include "lib/delta/build.h"
#include "lib/delta/delta.h"
#include "lib/delta/group.h"
#include "lib/store/publish.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define OLD_BLOCKS 650U
#define NEW_BLOCKS 700U
#define OLD_BYTES  (OLD_BLOCKS * CR_BLOCK_BYTES - 1000)
#define NEW_BYTES  (NEW_BLOCKS * CR_BLOCK_BYTES - 500)

struct world {
    struct cr_store *store;
    struct cr_version *old, *new_version;
    uint8_t *old_disk, *new_disk; /* whole blocks, zeros behind the end */
    struct cr_buf index, part;    /* what the builder stored */
    char index_name[CR_DELTA_NAME], part_name[CR_DELTA_NAME];
    struct cr_delta_stat stat;
    uint64_t old_missing; /* blocks from here on are not at hand */
    atomic_int reads;     /* of old blocks */
};

/* Words, so that it can be compressed, and unlike those of any other seed. */
static void write_block(uint8_t *block, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15U + 1;
    for (size_t i = 0; i < CR_BLOCK_BYTES; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        char word[9];
        snprintf(word, sizeof(word), "%07x ", (unsigned)(x >> 40) & 0xfffffff);
        memcpy(block + i, word, 8);
    }
}

/* The old disk moved by three blocks, with blocks that are new, changed a little, zero, or twice
 * there. */
static void make_disks(struct world *world)
{
    world->old_disk = calloc(OLD_BLOCKS, CR_BLOCK_BYTES);
    world->new_disk = calloc(NEW_BLOCKS, CR_BLOCK_BYTES);
    for (uint32_t b = 0; b < OLD_BLOCKS; b++)
        if (b % 50 != 7)
            write_block(world->old_disk + (size_t)b * CR_BLOCK_BYTES, b);
    for (uint32_t b = 0; b < NEW_BLOCKS; b++) {
        uint8_t *block = world->new_disk + (size_t)b * CR_BLOCK_BYTES;
        if (b < 32) /* two chunks stay */
            memcpy(block, world->old_disk + (size_t)b * CR_BLOCK_BYTES, CR_BLOCK_BYTES);
        else if (b % 40 == 5 || b >= OLD_BLOCKS)
            write_block(block, 100000 + b);
        else if (b % 61 != 2)
            memcpy(block, world->old_disk + (size_t)(b - 3) * CR_BLOCK_BYTES, CR_BLOCK_BYTES);
        if (b >= 32 && b % 37 == 11)
            memset(block + 1000, 0xcd, 7);
    }
    memset(world->old_disk + OLD_BYTES, 0, OLD_BLOCKS * CR_BLOCK_BYTES - OLD_BYTES);
    memset(world->new_disk + NEW_BYTES, 0, NEW_BLOCKS * CR_BLOCK_BYTES - NEW_BYTES);
}

static struct cr_version *publish(struct cr_store *store, const char *name, const uint8_t *disk,
                                  uint64_t disk_bytes)
{
    struct cr_publish *publish = NULL;
    struct cr_version *version = NULL;
    struct cr_version_info info;
    struct cr_publish_stat stat;
    struct cr_error err = {0};
    struct cr_ref ref = {.number = 0};
    snprintf(ref.name, sizeof(ref.name), "%s", name);
    assert_int_equal(cr_publish_begin(store, name, disk_bytes, NULL, &publish, &err), 0);
    for (uint64_t i = 0; i < cr_disk_chunks(disk_bytes); i++) {
        const uint8_t *chunk = disk + i * CR_CHUNK_BYTES;
        if (!cr_is_zero(chunk, cr_chunk_bytes(disk_bytes, i)))
            assert_int_equal(cr_publish_chunk(publish, 0, i, chunk, &err), 0);
    }
    assert_int_equal(cr_publish_commit(publish, NULL, &info, &stat, &err), 0);
    assert_int_equal(cr_version_open(store, &ref, &version, &err), 0);
    return version;
}

static int side_get(struct world *world, const char *name, struct cr_buf *out)
{
    return world->store->ops->side_get(world->store, CR_SPACE_DELTAS, name, out, NULL);
}

static void side_put(struct world *world, const char *name, const struct cr_buf *bytes)
{
    assert_int_equal(world->store->ops->side_put(world->store, CR_SPACE_DELTAS, name, bytes->data,
                                                 bytes->len, NULL),
                     0);
}

static void build(struct world *world, unsigned threads)
{
    struct cr_delta_options options = {.threads = threads, .group_literals = 20};
    struct cr_error err = {0};
    int r =
        cr_delta_build(world->store, world->old, world->new_version, &options, &world->stat, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(r, 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    make_disks(world);
    assert_int_equal(cr_store_open("mem:", &world->store, NULL), 0);
    world->old = publish(world->store, "old", world->old_disk, OLD_BYTES);
    world->new_version = publish(world->store, "new", world->new_disk, NEW_BYTES);
    world->old_missing = UINT64_MAX;
    const struct cr_id *a = &cr_version_info(world->old)->root;
    const struct cr_id *b = &cr_version_info(world->new_version)->root;
    cr_delta_index_name(a, b, world->index_name);
    cr_delta_part_name(a, b, 0, world->part_name);
    cr_buf_init(&world->index, CR_SIDE_BYTES_MAX);
    cr_buf_init(&world->part, CR_SIDE_BYTES_MAX);
    build(world, 2);
    assert_int_equal(side_get(world, world->index_name, &world->index), 0);
    assert_int_equal(side_get(world, world->part_name, &world->part), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cr_version_close(world->old);
    cr_version_close(world->new_version);
    cr_store_close(world->store);
    cr_buf_done(&world->index);
    cr_buf_done(&world->part);
    free(world->old_disk);
    free(world->new_disk);
    free(world);
    return 0;
}

static int read_old(void *context, uint64_t first, uint32_t count, void *out, struct cr_error *err)
{
    struct world *world = context;
    size_t from = (size_t)first * CR_BLOCK_BYTES, len = (size_t)count * CR_BLOCK_BYTES;
    size_t all = (size_t)OLD_BLOCKS * CR_BLOCK_BYTES;
    atomic_fetch_add(&world->reads, 1);
    if (first + count > world->old_missing)
        return cr_error_set(err, -ENOENT, "not there yet");
    memset(out, 0, len);
    if (from < all)
        memcpy(out, world->old_disk + from, all - from < len ? all - from : len);
    return 0;
}

static int open_delta(struct world *world, struct cr_delta **ret_delta)
{
    return cr_delta_open(world->store, &cr_version_info(world->old)->root,
                         &cr_version_info(world->new_version)->root, ret_delta, NULL);
}

/* Every chunk that the old version lacks is fetched and right. */
static void expect_right(struct world *world, struct cr_delta *delta,
                         struct cr_delta_counts *ret_counts)
{
    uint64_t wanted = 0;
    for (uint64_t i = 0; i < cr_disk_chunks(NEW_BYTES); i++) {
        uint8_t plain[CR_CHUNK_BYTES];
        struct cr_id id, old_id = {{0}};
        struct cr_error err = {0};
        uint32_t len = cr_chunk_bytes(NEW_BYTES, i);
        assert_int_equal(cr_version_chunk(world->new_version, i, &id, &err), 0);
        if (i < cr_version_chunks(world->old))
            assert_int_equal(cr_version_chunk(world->old, i, &old_id, &err), 0);
        if (cr_id_equal(&id, &old_id))
            continue;
        wanted++;
        memset(plain, 0x5a, sizeof(plain));
        assert_int_equal(
            cr_delta_fetch(delta, world->store, i, &id, len, read_old, world, plain, &err), 0);
        assert_memory_equal(plain, world->new_disk + i * CR_CHUNK_BYTES, len);
    }
    *ret_counts = (struct cr_delta_counts){0};
    if (delta == NULL)
        return;
    cr_delta_counts(delta, ret_counts);
    assert_int_equal(ret_counts->delta_chunks + ret_counts->full_chunks, wanted);
}

/* As above, for what the store holds now. Returns how many chunks were fetched whole. */
static uint64_t full_fetches(struct world *world)
{
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_delta_counts counts;
    if (open_delta(world, &delta) < 0) {
        assert_null(delta);
        expect_right(world, NULL, &counts);
        return cr_disk_chunks(NEW_BYTES);
    }
    expect_right(world, delta, &counts);
    return counts.full_chunks;
}

static void a_moved_disk_comes_from_the_old_one(void **state)
{
    struct world *world = *state;
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_delta_counts counts;
    assert_int_equal(open_delta(world, &delta), 0);
    expect_right(world, delta, &counts);
    assert_int_equal(counts.full_chunks, 0);
    assert_int_equal(counts.delta_chunks, world->stat.chunks);
    assert_int_equal(counts.delta_bytes, world->stat.bytes);
    assert_int_equal(cr_delta_bytes(delta), world->stat.bytes);
    /* What is new is literal, what was changed by seven bytes costs a few. */
    assert_in_range(world->stat.literal_blocks, 80, 95);
    assert_in_range(world->stat.copied_blocks, 550, 600);
    assert_true(world->stat.zero_blocks > 0 && world->stat.groups > 3);
    assert_in_range(world->stat.bytes, 1, 70 * CR_BLOCK_BYTES * 2 / 3);
}

static void any_number_of_threads_makes_the_same_delta(void **state)
{
    struct world *world = *state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        CLEANUP_BUF struct cr_buf index = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
        build(world, threads);
        assert_int_equal(side_get(world, world->index_name, &index), 0);
        assert_int_equal(index.len, world->index.len);
        assert_memory_equal(index.data, world->index.data, index.len);
    }
}

static void a_damaged_index_is_not_used(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->index.len; i += 17) {
        world->index.data[i] ^= (uint8_t)(1U << i % 8);
        side_put(world, world->index_name, &world->index);
        CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
        assert_int_equal(open_delta(world, &delta), -EBADMSG);
        world->index.data[i] ^= (uint8_t)(1U << i % 8);
    }
    side_put(world, world->index_name, &world->index);
    assert_int_equal(full_fetches(world), 0);
}

static void a_damaged_part_costs_full_fetches_only(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->part.len; i += world->part.len / 10) {
        world->part.data[i] ^= 0x10;
        side_put(world, world->part_name, &world->part);
        assert_int_equal(full_fetches(world), world->stat.chunks);
        world->part.data[i] ^= 0x10;
    }
}

/* Somebody who may write the store makes all hashes right: the chunks' ids still decide. */
static void reseal(struct world *world)
{
    CLEANUP(cr_delta_index_done) struct cr_delta_index index = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    assert_int_equal(cr_delta_index_parse(world->index.data, world->index.len, &index, NULL), 0);
    cr_hash(world->part.data, world->part.len, &index.parts[0].hash);
    assert_int_equal(cr_delta_index_format(&index, &bytes), 0);
    side_put(world, world->index_name, &bytes);
    side_put(world, world->part_name, &world->part);
}

static void a_forged_part_costs_full_fetches_only(void **state)
{
    struct world *world = *state;
    uint64_t whole = 0;
    size_t step = 1 + world->part.len / (getenv("CHECK_LONG") != NULL ? 300 : 50);
    for (size_t i = 0; i < world->part.len; i += step) {
        world->part.data[i] ^= (uint8_t)(1U << i % 8);
        reseal(world);
        whole += full_fetches(world);
        world->part.data[i] ^= (uint8_t)(1U << i % 8);
    }
    assert_true(whole > 0);
    reseal(world);
    assert_int_equal(full_fetches(world), 0);
}

static void a_stale_pair_is_not_used(void **state)
{
    struct world *world = *state;
    struct cr_id a = cr_version_info(world->old)->root, b = a;
    char name[CR_DELTA_NAME];
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_error err = {0};
    b.bytes[0] ^= 1;
    assert_int_equal(cr_delta_open(world->store, &a, &b, &delta, &err), -ENOENT);
    side_put(world, cr_delta_index_name(&a, &b, name), &world->index);
    assert_int_equal(cr_delta_open(world->store, &a, &b, &delta, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "other versions"));
}

static void a_wrong_old_version_costs_full_fetches_only(void **state)
{
    struct world *world = *state;
    for (uint32_t b = 100; b < OLD_BLOCKS; b++)
        world->old_disk[(size_t)b * CR_BLOCK_BYTES + 17] ^= 1;
    uint64_t whole = full_fetches(world);
    assert_true(whole > 10 && whole <= world->stat.chunks);
    memset(world->old_disk, 0, (size_t)OLD_BLOCKS * CR_BLOCK_BYTES);
    assert_true(full_fetches(world) > whole / 2);
}

static void an_old_version_that_is_not_whole_yet_is_used_later(void **state)
{
    struct world *world = *state;
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_delta_counts before, after;
    assert_int_equal(open_delta(world, &delta), 0);
    world->old_missing = 100;
    expect_right(world, delta, &before);
    assert_true(before.full_chunks > 0);
    world->old_missing = UINT64_MAX;
    for (uint64_t i = 2; i < cr_disk_chunks(NEW_BYTES); i++) {
        uint8_t plain[CR_CHUNK_BYTES];
        struct cr_id id;
        assert_int_equal(cr_version_chunk(world->new_version, i, &id, NULL), 0);
        if (!cr_id_is_hole(&id))
            assert_int_equal(cr_delta_chunk(delta, i, &id, read_old, world, plain, NULL), 0);
    }
    cr_delta_counts(delta, &after);
    assert_int_equal(after.full_chunks, before.full_chunks);
}

static void a_missing_part_costs_full_fetches_only(void **state)
{
    struct world *world = *state;
    assert_int_equal(
        world->store->ops->side_remove(world->store, CR_SPACE_DELTAS, world->part_name, NULL), 0);
    assert_int_equal(full_fetches(world), world->stat.chunks);
}

static void what_the_delta_does_not_make_is_said(void **state)
{
    struct world *world = *state;
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    uint8_t plain[CR_CHUNK_BYTES];
    struct cr_id id;
    struct cr_error err = {0};
    assert_int_equal(open_delta(world, &delta), 0);
    assert_int_equal(cr_version_chunk(world->new_version, 0, &id, NULL), 0);
    assert_int_equal(cr_delta_chunk(delta, 0, &id, read_old, world, plain, &err), -ENOENT);
    assert_int_equal(cr_delta_chunk(delta, 1ULL << 40, &id, read_old, world, plain, &err), -ENOENT);
    /* Another id than that of the chunk: the caller's manifest decides, not the delta. */
    assert_int_equal(cr_delta_chunk(delta, 5, &id, read_old, world, plain, &err), -EBADMSG);
}

static void equal_versions_have_an_empty_delta(void **state)
{
    struct world *world = *state;
    struct cr_delta_options options = {.threads = 1};
    struct cr_delta_stat stat;
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    const struct cr_id *root = &cr_version_info(world->old)->root;
    assert_int_equal(cr_delta_build(world->store, world->old, world->old, &options, &stat, NULL),
                     0);
    assert_int_equal(stat.chunks, 0);
    assert_int_equal(stat.parts, 0);
    assert_int_equal(cr_delta_open(world->store, root, root, &delta, NULL), 0);
    assert_int_equal(cr_delta_bytes(delta), stat.bytes);
}

static int stop(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    atomic_int *calls = context;
    assert_true(done <= total + 64ULL * CR_CHUNK_BYTES);
    return atomic_fetch_sub(calls, 1) > 1 ? 0 : cr_error_set(err, -ECANCELED, "stopped");
}

static void a_stopped_build_leaves_no_index(void **state)
{
    struct world *world = *state;
    assert_int_equal(
        world->store->ops->side_remove(world->store, CR_SPACE_DELTAS, world->index_name, NULL), 0);
    for (int calls = 1; calls < 6; calls++) {
        atomic_int left = calls;
        struct cr_delta_options options = {
            .threads = 2, .progress = stop, .context = &left, .group_literals = 20};
        struct cr_delta_stat stat;
        struct cr_error err = {0};
        CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
        assert_int_equal(
            cr_delta_build(world->store, world->old, world->new_version, &options, &stat, &err),
            -ECANCELED);
        assert_string_equal(err.text, "stopped");
        assert_int_equal(open_delta(world, &delta), -ENOENT);
    }
}

struct reader {
    struct world *world;
    struct cr_delta *delta;
};

static void *fetch_all(void *argument)
{
    struct reader *reader = argument;
    for (uint64_t i = 0; i < cr_disk_chunks(NEW_BYTES); i++) {
        uint8_t plain[CR_CHUNK_BYTES];
        struct cr_id id;
        if (cr_version_chunk(reader->world->new_version, i, &id, NULL) < 0 ||
            cr_delta_fetch(reader->delta, reader->world->store, i, &id,
                           cr_chunk_bytes(NEW_BYTES, i), read_old, reader->world, plain, NULL) < 0)
            return argument;
    }
    return NULL;
}

static void threads_share_a_delta(void **state)
{
    struct world *world = *state;
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_delta_counts counts;
    pthread_t threads[4];
    assert_int_equal(open_delta(world, &delta), 0);
    struct reader reader = {world, delta};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_all, &reader), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    cr_delta_counts(delta, &counts);
    assert_int_equal(counts.delta_chunks, 4 * world->stat.chunks);
}

static void instructions_read_as_they_were_written(void **state)
{
    uint64_t sources[3][CR_CHUNK_BLOCKS];
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(CR_MIB);
    struct cr_delta_writer writer = {.chunk = 7};
    struct cr_delta_recipe recipe;
    struct cr_delta_reader reader;
    const uint64_t chunks[3] = {7, 8, 1000};
    (void)state;
    for (unsigned c = 0; c < 3; c++) {
        for (unsigned b = 0; b < CR_CHUNK_BLOCKS; b++)
            sources[c][b] = b % 5 == c       ? CR_DELTA_NO_SOURCE
                            : b % 7 == 3 + c ? CR_DELTA_ZERO_SOURCE
                                             : (b / 4) * 1000 + b + c * 90000;
        assert_int_equal(
            cr_delta_writer_add(&writer, chunks[c], sources[c], CR_CHUNK_BLOCKS, &plain), 0);
    }
    struct cr_delta_group_head head = {.instruction_bytes = (uint32_t)plain.len, .literals = 10};
    cr_delta_reader_init(&reader, &head, plain.data, 7, 3, CR_TIB, CR_TIB);
    uint64_t literals = 0;
    for (unsigned c = 0; c < 3; c++) {
        assert_int_equal(cr_delta_reader_next(&reader, &recipe, NULL), 1);
        assert_int_equal(recipe.chunk, chunks[c]);
        unsigned b = 0;
        for (unsigned i = 0; i < recipe.op_count; i++)
            for (unsigned n = 0; n < recipe.ops[i].blocks; n++, b++) {
                const struct cr_delta_op *op = &recipe.ops[i];
                if (op->kind == CR_DELTA_LITERAL) {
                    assert_int_equal(sources[c][b], CR_DELTA_NO_SOURCE);
                    assert_int_equal(op->source + n, literals++);
                } else if (op->kind == CR_DELTA_ZERO) {
                    assert_int_equal(sources[c][b], CR_DELTA_ZERO_SOURCE);
                } else {
                    assert_int_equal(op->source + n, sources[c][b]);
                }
            }
        assert_int_equal(b, CR_CHUNK_BLOCKS);
    }
    reader.literals = (uint32_t)literals;
    assert_int_equal(cr_delta_reader_next(&reader, &recipe, NULL), 0);
}

int main(void)
{
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_read_as_they_were_written),
        WORLD_TEST(a_moved_disk_comes_from_the_old_one),
        WORLD_TEST(any_number_of_threads_makes_the_same_delta),
        WORLD_TEST(a_damaged_index_is_not_used),
        WORLD_TEST(a_damaged_part_costs_full_fetches_only),
        WORLD_TEST(a_forged_part_costs_full_fetches_only),
        WORLD_TEST(a_stale_pair_is_not_used),
        WORLD_TEST(a_wrong_old_version_costs_full_fetches_only),
        WORLD_TEST(an_old_version_that_is_not_whole_yet_is_used_later),
        WORLD_TEST(a_missing_part_costs_full_fetches_only),
        WORLD_TEST(what_the_delta_does_not_make_is_said),
        WORLD_TEST(equal_versions_have_an_empty_delta),
        WORLD_TEST(a_stopped_build_leaves_no_index),
        WORLD_TEST(threads_share_a_delta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
