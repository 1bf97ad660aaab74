/* SPDX-License-Identifier: MIT */
#include "lib/blk/disk.h"
#include "tests/unit/known_disk.h"

#include <errno.h>
#include <pthread.h>

struct world {
    struct spy spy;
    struct cr_cache *cache;
    struct cr_disk *disk;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct cr_error err = {0};
    spy_open(&world->spy);
    assert_int_equal(cr_cache_new(8 * CR_MIB, &world->cache), 0);
    struct cr_ref ref = {.name = "disk"};
    assert_int_equal(cr_disk_open(&world->spy.base, &ref, world->cache, &world->disk, &err), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cr_disk_close(world->disk);
    cr_cache_free(world->cache);
    spy_close(&world->spy);
    free(world);
    return 0;
}

static void expect_read(struct world *world, uint64_t offset, size_t len)
{
    CLEANUP_FREE uint8_t *found = malloc(len + 1);
    CLEANUP_FREE uint8_t *expected = malloc(len + 1);
    struct cr_error err = {0};
    memset(found, 0x5a, len + 1);
    fill(expected, len, offset);
    assert_int_equal(cr_disk_read(world->disk, found, len, offset, &err), 0);
    assert_memory_equal(found, expected, len);
    assert_int_equal(found[len], 0x5a);
}

static void any_range_reads_as_it_was_written(void **state)
{
    struct world *world = *state;
    expect_read(world, 0, 1);
    expect_read(world, 0, CR_CHUNK_BYTES);
    expect_read(world, CR_CHUNK_BYTES - 3, 6);
    expect_read(world, 4ULL * CR_CHUNK_BYTES + 17, 3UL * CR_CHUNK_BYTES);
    expect_read(world, 17, 99UL * CR_CHUNK_BYTES); /* more than a window */
    expect_read(world, 99ULL * CR_CHUNK_BYTES, CR_CHUNK_BYTES * 2UL);
    expect_read(world, (CR_SEGMENT_CHUNKS + 1ULL) * CR_CHUNK_BYTES, 12UL * CR_CHUNK_BYTES);
    expect_read(world, DISK_BYTES - 4096, 4096);
    expect_read(world, DISK_BYTES - 1, 1);
    expect_read(world, DISK_BYTES - 3 * CR_CHUNK_BYTES - 5, 3UL * CR_CHUNK_BYTES + 5);
    expect_read(world, DISK_BYTES, 0);
}

static void a_range_outside_the_disk_is_refused(void **state)
{
    struct world *world = *state;
    uint8_t data[2];
    assert_int_equal(cr_disk_read(world->disk, data, 2, DISK_BYTES - 1, NULL), -EINVAL);
    assert_int_equal(cr_disk_read(world->disk, data, 1, UINT64_MAX, NULL), -EINVAL);
}

static void missing_neighbours_are_fetched_in_one_request(void **state)
{
    struct world *world = *state;
    expect_read(world, 0, 5UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.requests, 1);
    assert_int_equal(world->spy.chunks, 5);
    expect_read(world, 2ULL * CR_CHUNK_BYTES, 6UL * CR_CHUNK_BYTES); /* 5 is a hole, 6 7 are new */
    assert_int_equal(world->spy.requests, 2);
    assert_int_equal(world->spy.chunks, 7);
    expect_read(world, 100, 8UL * CR_CHUNK_BYTES - 100);
    assert_int_equal(world->spy.requests, 2);
}

static void holes_ask_nothing_of_the_store(void **state)
{
    struct world *world = *state;
    expect_read(world, 100ULL * CR_CHUNK_BYTES, 900UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.requests, 0);
}

static void a_prefetched_range_is_read_without_the_store(void **state)
{
    struct world *world = *state;
    assert_int_equal(cr_disk_prefetch(world->disk, 20UL * CR_CHUNK_BYTES, 0, NULL), 0);
    int requests = world->spy.requests;
    expect_read(world, 0, 20UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.requests, requests);
}

static void a_corrupted_chunk_fails_its_range_and_no_other(void **state)
{
    struct world *world = *state;
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *data = malloc(4 * CR_CHUNK_BYTES);
    assert_int_equal(cr_version_chunk(cr_disk_version(world->disk), 2, &world->spy.spoiled, &err),
                     0);
    assert_int_equal(cr_disk_read(world->disk, data, 4UL * CR_CHUNK_BYTES, 0, &err), -EBADMSG);
    char hex[CR_ID_HEX];
    assert_non_null(strstr(err.text, cr_id_format(&world->spy.spoiled, hex)));
    assert_non_null(strstr(err.text, "disk@1"));
    assert_int_equal(cr_disk_read(world->disk, data, 1, 2ULL * CR_CHUNK_BYTES + 9, &err), -EBADMSG);
    expect_read(world, 0, 2UL * CR_CHUNK_BYTES);
    expect_read(world, 3ULL * CR_CHUNK_BYTES, 20UL * CR_CHUNK_BYTES);
    memset(&world->spy.spoiled, 0, sizeof(world->spy.spoiled));
    expect_read(world, 0, 4UL * CR_CHUNK_BYTES); /* a failure is not remembered */
}

static void extents_tell_holes_exactly(void **state)
{
    struct world *world = *state;
    uint64_t offset = 0, len = 0;
    bool hole = false;
    while (offset < DISK_BYTES) {
        assert_int_equal(cr_disk_extent(world->disk, offset, UINT64_MAX, &len, &hole, NULL), 0);
        assert_true(len > 0 && len <= DISK_BYTES - offset);
        for (uint64_t at = offset; at < offset + len; at += CR_CHUNK_BYTES)
            assert_int_equal(is_hole(at >> CR_CHUNK_SHIFT), hole);
        if (offset + len < DISK_BYTES)
            assert_int_not_equal(is_hole((offset + len) >> CR_CHUNK_SHIFT), hole);
        offset += len;
    }
    assert_int_equal(cr_disk_extent(world->disk, 5 * CR_CHUNK_BYTES + 1, 10, &len, &hole, NULL), 0);
    assert_true(hole);
    assert_int_equal(len, 10);
    assert_int_equal(cr_disk_extent(world->disk, DISK_BYTES, 1, &len, &hole, NULL), -EINVAL);
    assert_int_equal(cr_disk_extent(world->disk, 0, 0, &len, &hole, NULL), -EINVAL);
}

static void an_unknown_version_is_told(void **state)
{
    struct world *world = *state;
    struct cr_ref ref = {.name = "disk", .number = 9};
    struct cr_disk *disk = NULL;
    struct cr_error err = {0};
    assert_int_equal(cr_disk_open(&world->spy.base, &ref, world->cache, &disk, &err), -ENOENT);
    assert_null(disk);
    assert_non_null(strstr(err.text, "9"));
}

static void *read_all_over(void *context)
{
    struct world *world = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    for (int i = 0; i < 60; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        expect_read(world, (random >> 30) % (100ULL * CR_CHUNK_BYTES), 200000);
    }
    return NULL;
}

static void many_readers_fetch_no_chunk_twice(void **state)
{
    struct world *world = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_over, world), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    struct cr_cache_stat stat;
    cr_cache_stat(world->cache, &stat);
    assert_int_equal(stat.evictions, 0);
    assert_true(world->spy.chunks <= 105);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_range_reads_as_it_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_range_outside_the_disk_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_neighbours_are_fetched_in_one_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(holes_ask_nothing_of_the_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_prefetched_range_is_read_without_the_store, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_corrupted_chunk_fails_its_range_and_no_other, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(extents_tell_holes_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_version_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_readers_fetch_no_chunk_twice, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
