/* SPDX-License-Identifier: MIT */
#include "lib/base/fd.h"
#include "lib/seatcache/seatdisk.h"
#include "tests/unit/known_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

struct world {
    struct spy spy;
    char folder[64];
    int dir_fd;
    struct cr_seatdisk *disk;
};

static char warning[CR_ERROR_BYTES];
static int warnings;

static void hear(const char *sentence)
{
    warnings++;
    snprintf(warning, sizeof(warning), "%s", sentence);
}

static int open_disk(struct world *world, struct cr_seatdisk **ret_disk, struct cr_error *err)
{
    struct cr_ref ref = {.name = "disk"};
    struct cr_seatdisk_options options = {.dir_fd = world->dir_fd, .warn = hear};
    return cr_seatdisk_open(&world->spy.base, &ref, &options, ret_disk, err);
}

static void reopen(struct world *world)
{
    cr_seatdisk_close(TAKE_PTR(world->disk));
    world->spy.requests = world->spy.chunks = world->spy.objects = 0;
    assert_int_equal(open_disk(world, &world->disk, NULL), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    warnings = 0;
    spy_open(&world->spy);
    snprintf(world->folder, sizeof(world->folder), "/tmp/carrel-seatdisk-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->dir_fd = open(world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    reopen(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cr_seatdisk_close(world->disk);
    close(world->dir_fd);
    cr_dir_remove(AT_FDCWD, world->folder);
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
    assert_int_equal(cr_seatdisk_read(world->disk, found, len, offset, &err), 0);
    assert_memory_equal(found, expected, len);
    assert_int_equal(found[len], 0x5a);
}

static void expect_all(struct world *world)
{
    expect_read(world, 0, 110UL * CR_CHUNK_BYTES);
    expect_read(world, (CR_SEGMENT_CHUNKS - 1ULL) * CR_CHUNK_BYTES,
                (size_t)(DISK_BYTES - (CR_SEGMENT_CHUNKS - 1ULL) * CR_CHUNK_BYTES));
}

static int cache_file(struct world *world)
{
    char hex[CR_ID_HEX], name[CR_ID_HEX + 16];
    snprintf(name, sizeof(name), "disks/%s.disk",
             cr_id_format(&cr_version_info(cr_seatdisk_version(world->disk))->root, hex));
    int fd = openat(world->dir_fd, name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static struct cr_seatdisk_stat stat_of(struct world *world)
{
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(world->disk, &stat);
    return stat;
}

static void any_range_reads_as_it_was_written(void **state)
{
    struct world *world = *state;
    for (int round = 0; round < 2; round++) {
        expect_read(world, 3, 1);
        expect_read(world, CR_CHUNK_BYTES - 3, 6);
        expect_read(world, 17, 99UL * CR_CHUNK_BYTES);
        expect_read(world, DISK_BYTES - 4096, 4096);
        expect_read(world, DISK_BYTES - 3 * CR_CHUNK_BYTES - 5, 3UL * CR_CHUNK_BYTES + 5);
        expect_read(world, DISK_BYTES, 0);
        expect_all(world);
    }
    assert_int_equal(cr_seatdisk_read(world->disk, NULL, 1, DISK_BYTES, NULL), -EINVAL);
}

static void missing_neighbours_are_fetched_in_one_request(void **state)
{
    struct world *world = *state;
    expect_read(world, 100, 20UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.requests, 1);
    assert_int_equal(stat_of(world).pulled_chunks, world->spy.chunks);
}

static void a_second_run_fetches_nothing(void **state)
{
    struct world *world = *state;
    expect_all(world);
    uint64_t touched = stat_of(world).touched_chunks;
    assert_int_equal(stat_of(world).pulled_chunks, touched);
    reopen(world);
    expect_all(world);
    assert_int_equal(world->spy.requests, 0);
    assert_int_equal(world->spy.objects, 0); /* not even a segment or the manifest */
    assert_int_equal(stat_of(world).touched_chunks, touched);
    assert_int_equal(stat_of(world).pulled_chunks, 0);
}

static void a_flipped_bit_in_the_cache_is_healed_and_never_served(void **state)
{
    struct world *world = *state;
    expect_all(world);
    CLEANUP_CLOSE int fd = cache_file(world);
    uint8_t byte = 0;
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(cr_pread_full(fd, &byte, 1, 2 * CR_CHUNK_BYTES + 777), 0);
    byte ^= 0x10;
    assert_int_equal(cr_pwrite_full(fd, &byte, 1, 2 * CR_CHUNK_BYTES + 777), 0);
    reopen(world);
    expect_all(world);
    assert_int_equal(stat_of(world).pulled_chunks, 1);
    assert_int_equal(stat_of(world).healed_chunks, 1);
    reopen(world);
    expect_all(world);
    assert_int_equal(world->spy.chunks, 0);
}

static void a_bit_that_flips_under_a_running_disk_is_healed_and_never_served(void **state)
{
    struct world *world = *state;
    expect_all(world);
    expect_all(world);
    CLEANUP_CLOSE int fd = cache_file(world);
    for (uint64_t at = 2 * CR_CHUNK_BYTES + 777; at < 4 * CR_CHUNK_BYTES; at += CR_CHUNK_BYTES) {
        uint8_t byte = 0, found = 0;
        assert_int_equal(cr_pread_full(fd, &byte, 1, at), 0);
        byte ^= 0x10;
        assert_int_equal(cr_pwrite_full(fd, &byte, 1, at), 0);
        expect_read(world, at - 5, 10); /* a part of the chunk, twice: from the file, from memory */
        expect_read(world, at - 5, 10);
        expect_all(world);
        assert_int_equal(cr_pread_full(fd, &found, 1, at), 0);
        assert_int_equal(found, byte ^ 0x10);
    }
    assert_int_equal(stat_of(world).healed_chunks, 2);
    assert_int_equal(stat_of(world).pulled_chunks, stat_of(world).touched_chunks + 2);
}

static void a_cache_file_of_noise_or_of_another_size_does_no_harm(void **state)
{
    struct world *world = *state;
    CLEANUP_CLOSE int fd = cache_file(world);
    uint8_t noise[4096];
    cr_seatdisk_close(TAKE_PTR(world->disk));
    memset(noise, 0xa5, sizeof(noise));
    for (uint64_t at = 0; at < 120 * CR_CHUNK_BYTES; at += sizeof(noise))
        assert_int_equal(cr_pwrite_full(fd, noise, sizeof(noise), at), 0);
    reopen(world);
    expect_all(world);
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(ftruncate(fd, 5 * CR_CHUNK_BYTES + 1), 0);
    reopen(world);
    expect_all(world);
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(ftruncate(fd, (off_t)DISK_BYTES * 2), 0);
    reopen(world);
    expect_all(world);
    assert_int_equal(world->spy.chunks, 0);
}

static void a_file_cut_short_under_a_running_disk_is_fetched_again(void **state)
{
    struct world *world = *state;
    expect_all(world);
    CLEANUP_CLOSE int fd = cache_file(world);
    assert_int_equal(ftruncate(fd, 3 * CR_CHUNK_BYTES), 0);
    expect_read(world, DISK_BYTES - 2 * CR_CHUNK_BYTES, 2UL * CR_CHUNK_BYTES);
}

static void damaged_segments_and_manifests_are_asked_for_again(void **state)
{
    struct world *world = *state;
    expect_all(world);
    cr_seatdisk_close(TAKE_PTR(world->disk));
    CLEANUP_CLOSE int objects = openat(world->dir_fd, "objects", O_RDONLY | O_DIRECTORY);
    CLEANUP_CLOSEDIR DIR *dir = fdopendir(dup(objects));
    int spoiled = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(cr_file_replace(objects, entry->d_name, "noise", 5, 0600), 0);
        spoiled++;
    }
    assert_int_equal(spoiled, 3); /* the manifest and two segments */
    reopen(world);
    expect_all(world);
    assert_int_equal(world->spy.objects, 3);
    reopen(world);
    expect_all(world);
    assert_int_equal(world->spy.objects, 0);
}

static void a_spoiled_chunk_is_neither_served_nor_kept(void **state)
{
    struct world *world = *state;
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *data = malloc(4 * CR_CHUNK_BYTES);
    assert_int_equal(
        cr_version_chunk(cr_seatdisk_version(world->disk), 2, &world->spy.spoiled, &err), 0);
    assert_int_equal(cr_seatdisk_read(world->disk, data, 4UL * CR_CHUNK_BYTES, 0, &err), -EBADMSG);
    char hex[CR_ID_HEX];
    assert_non_null(strstr(err.text, cr_id_format(&world->spy.spoiled, hex)));
    assert_non_null(strstr(err.text, "disk@1"));
    expect_read(world, 0, 2UL * CR_CHUNK_BYTES);
    memset(&world->spy.spoiled, 0, sizeof(world->spy.spoiled));
    expect_all(world);
}

/* --- the map -----------------------------------------------------------------------------------
 */

static atomic_int completed;

static void hear_complete(void *context)
{
    assert_ptr_equal(context, &completed);
    atomic_fetch_add(&completed, 1);
}

static void reopen_listening(struct world *world)
{
    struct cr_ref ref = {.name = "disk"};
    struct cr_seatdisk_options options = {
        .dir_fd = world->dir_fd,
        .warn = hear,
        .completed = hear_complete,
        .context = &completed,
    };
    cr_seatdisk_close(TAKE_PTR(world->disk));
    world->spy.requests = world->spy.chunks = world->spy.objects = 0;
    assert_int_equal(cr_seatdisk_open(&world->spy.base, &ref, &options, &world->disk, NULL), 0);
}

static void a_version_is_complete_when_all_its_chunks_are_durable_and_says_so_once(void **state)
{
    struct world *world = *state;
    atomic_store(&completed, 0);
    reopen_listening(world);
    assert_false(cr_seatdisk_has(world->disk, 3));
    expect_read(world, 3UL * CR_CHUNK_BYTES, 10);
    assert_true(cr_seatdisk_has(world->disk, 3));
    assert_false(cr_seatdisk_has(world->disk, 2));
    assert_false(cr_seatdisk_has(world->disk, 5)); /* a hole */
    assert_int_equal(cr_seatdisk_present(world->disk), 1);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_false(cr_seatdisk_complete(world->disk));
    expect_all(world);
    assert_int_equal(cr_seatdisk_present(world->disk), stat_of(world).touched_chunks);
    assert_int_equal(cr_seatdisk_present(world->disk), stat_of(world).data_chunks);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_true(cr_seatdisk_complete(world->disk));
    assert_int_equal(completed, 1);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_int_equal(completed, 1);
    reopen_listening(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_true(cr_seatdisk_complete(world->disk));
    assert_int_equal(completed, 2);
    assert_int_equal(world->spy.objects, 0);
}

static void a_damaged_chunk_makes_a_version_incomplete_until_it_is_durable_again(void **state)
{
    struct world *world = *state;
    expect_all(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    CLEANUP_CLOSE int fd = cache_file(world);
    assert_int_equal(cr_pwrite_full(fd, "noise", 5, 2 * CR_CHUNK_BYTES), 0);
    assert_true(cr_seatdisk_complete(world->disk)); /* nobody has seen it */
    expect_read(world, 2UL * CR_CHUNK_BYTES, CR_CHUNK_BYTES);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_true(cr_seatdisk_complete(world->disk));
    assert_int_equal(cr_pwrite_full(fd, "noise", 5, 2 * CR_CHUNK_BYTES), 0);
    assert_int_equal(
        cr_version_chunk(cr_seatdisk_version(world->disk), 2, &world->spy.spoiled, NULL), 0);
    assert_int_equal(cr_seatdisk_prefetch(world->disk, 1, 2UL * CR_CHUNK_BYTES, NULL), -EBADMSG);
    assert_false(cr_seatdisk_complete(world->disk));
    assert_false(cr_seatdisk_has(world->disk, 2));
    reopen(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_false(cr_seatdisk_complete(world->disk));
    memset(&world->spy.spoiled, 0, sizeof(world->spy.spoiled));
    expect_all(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_true(cr_seatdisk_complete(world->disk));
}

static void a_map_does_not_outlive_its_file(void **state)
{
    struct world *world = *state;
    char hex[CR_ID_HEX], name[CR_ID_HEX + 16];
    expect_all(world);
    cr_id_format(&cr_version_info(cr_seatdisk_version(world->disk))->root, hex);
    cr_seatdisk_close(TAKE_PTR(world->disk));
    snprintf(name, sizeof(name), "disks/%s.disk", hex);
    assert_int_equal(unlinkat(world->dir_fd, name, 0), 0);
    reopen(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_int_equal(cr_seatdisk_present(world->disk), 0);
    assert_false(cr_seatdisk_complete(world->disk));
    expect_all(world);
    assert_int_equal(cr_seatdisk_sync(world->disk), 0);
    assert_true(cr_seatdisk_complete(world->disk));
    CLEANUP_CLOSE int fd = cache_file(world);
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(ftruncate(fd, 5 * CR_CHUNK_BYTES), 0);
    reopen(world);
    assert_int_equal(cr_seatdisk_present(world->disk), 0);
}

static void a_file_without_its_map_is_found_whole_again_without_a_fetch(void **state)
{
    struct world *world = *state;
    char hex[CR_ID_HEX], name[CR_ID_HEX + 16];
    expect_all(world);
    cr_id_format(&cr_version_info(cr_seatdisk_version(world->disk))->root, hex);
    snprintf(name, sizeof(name), "disks/%s.map", hex);
    for (int round = 0; round < 3; round++) {
        cr_seatdisk_close(TAKE_PTR(world->disk));
        if (round == 0)
            assert_int_equal(unlinkat(world->dir_fd, name, 0), 0);
        else
            assert_int_equal(
                cr_file_replace(world->dir_fd, name, "noise", round == 1 ? 5 : 0, 0600), 0);
        reopen(world);
        assert_int_equal(cr_seatdisk_present(world->disk), 0);
        expect_all(world);
        assert_int_equal(cr_seatdisk_sync(world->disk), 0);
        assert_true(cr_seatdisk_complete(world->disk));
        assert_int_equal(world->spy.chunks, 0);
    }
}

static void what_is_prefetched_comes_from_the_background_store(void **state)
{
    struct world *world = *state;
    struct spy other = {.inner = world->spy.inner};
    struct cr_ref ref = {.name = "disk"};
    other.base.ops = &spy_ops;
    struct cr_seatdisk_options options = {.dir_fd = world->dir_fd, .background = &other.base};
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(cr_seatdisk_open(&world->spy.base, &ref, &options, &world->disk, NULL), 0);
    world->spy.chunks = 0;
    assert_int_equal(cr_seatdisk_prefetch(world->disk, 3UL * CR_CHUNK_BYTES, 0, NULL), 0);
    assert_int_equal(world->spy.chunks, 0);
    assert_int_equal(other.chunks, 3);
    expect_read(world, 0, 4UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.chunks, 1);
    assert_int_equal(other.chunks, 3);
    assert_false(cr_seatdisk_demand_waits(world->disk));
    cr_seatdisk_close(TAKE_PTR(world->disk));
}

static void a_full_disk_costs_fetches_and_one_warning(void **state)
{
    struct world *world = *state;
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 3 * CR_CHUNK_BYTES, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_all(world);
    expect_all(world);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "make room"));
    assert_true(stat_of(world).unkept_chunks > 0);
    expect_all(world);
}

static void a_second_process_is_told_that_the_file_is_in_use(void **state)
{
    struct world *world = *state;
    struct cr_seatdisk *second = NULL;
    struct cr_error err = {0};
    assert_int_equal(open_disk(world, &second, &err), -EBUSY);
    assert_null(second);
    assert_non_null(strstr(err.text, "in use"));
}

static void a_prefetched_range_is_read_without_the_store(void **state)
{
    struct world *world = *state;
    assert_int_equal(cr_seatdisk_prefetch(world->disk, 110UL * CR_CHUNK_BYTES, 0, NULL), 0);
    int requests = world->spy.requests;
    expect_read(world, 0, 110UL * CR_CHUNK_BYTES);
    assert_int_equal(world->spy.requests, requests);
}

static void chunks_from_anywhere_are_fetched_in_one_request_and_no_read_waits_for_them(void **state)
{
    struct world *world = *state;
    /* Two segments, a hole, the short last chunk, one twice. */
    const uint32_t chunks[] = {70, CR_SEGMENT_CHUNKS + 20, 3, 5, CR_SEGMENT_CHUNKS + 6, 3, 4};
    const uint32_t beyond[] = {CR_SEGMENT_CHUNKS + 21};
    struct cr_error err = {0};
    int requests = world->spy.requests;
    assert_int_equal(cr_seatdisk_prefetch_chunks(world->disk, chunks, CR_ARRAY_LEN(chunks), &err),
                     0);
    assert_int_equal(world->spy.requests, requests + 1);
    assert_int_equal(world->spy.chunks, 5);
    assert_int_equal(stat_of(world).touched_chunks, 0); /* nobody has read them */
    for (size_t i = 0; i < CR_ARRAY_LEN(chunks); i++)
        expect_read(world, (uint64_t)chunks[i] << CR_CHUNK_SHIFT, 4096);
    assert_int_equal(stat_of(world).stalled_reads, 0);
    assert_int_equal(stat_of(world).touched_chunks, 5);
    expect_read(world, 80UL * CR_CHUNK_BYTES, 10);
    assert_int_equal(stat_of(world).stalled_reads, 1);
    assert_int_equal(cr_seatdisk_prefetch_chunks(world->disk, beyond, 1, &err), -EINVAL);
    /* What is there is not asked for again. */
    requests = world->spy.requests;
    assert_int_equal(cr_seatdisk_prefetch_chunks(world->disk, chunks, CR_ARRAY_LEN(chunks), &err),
                     0);
    assert_int_equal(world->spy.requests, requests);
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

static void *prefetch_all_over(void *context)
{
    struct world *world = context;
    uint32_t chunks[20];
    for (uint32_t first = 0; first < 100; first += CR_ARRAY_LEN(chunks)) {
        for (uint32_t i = 0; i < CR_ARRAY_LEN(chunks); i++)
            chunks[i] = (first + i) * 37 % 100;
        assert_int_equal(
            cr_seatdisk_prefetch_chunks(world->disk, chunks, CR_ARRAY_LEN(chunks), NULL), 0);
    }
    return NULL;
}

static void many_readers_fetch_no_chunk_twice(void **state)
{
    struct world *world = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < 6 ? read_all_over : prefetch_all_over, world), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    expect_all(world);
    assert_int_equal(stat_of(world).pulled_chunks, stat_of(world).touched_chunks);
    assert_true(stat_of(world).touched_chunks <= 105);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(any_range_reads_as_it_was_written),
        PROMISE(missing_neighbours_are_fetched_in_one_request),
        PROMISE(a_second_run_fetches_nothing),
        PROMISE(a_flipped_bit_in_the_cache_is_healed_and_never_served),
        PROMISE(a_bit_that_flips_under_a_running_disk_is_healed_and_never_served),
        PROMISE(a_cache_file_of_noise_or_of_another_size_does_no_harm),
        PROMISE(a_file_cut_short_under_a_running_disk_is_fetched_again),
        PROMISE(damaged_segments_and_manifests_are_asked_for_again),
        PROMISE(a_spoiled_chunk_is_neither_served_nor_kept),
        PROMISE(a_version_is_complete_when_all_its_chunks_are_durable_and_says_so_once),
        PROMISE(a_damaged_chunk_makes_a_version_incomplete_until_it_is_durable_again),
        PROMISE(a_map_does_not_outlive_its_file),
        PROMISE(a_file_without_its_map_is_found_whole_again_without_a_fetch),
        PROMISE(what_is_prefetched_comes_from_the_background_store),
        PROMISE(a_full_disk_costs_fetches_and_one_warning),
        PROMISE(a_second_process_is_told_that_the_file_is_in_use),
        PROMISE(a_prefetched_range_is_read_without_the_store),
        PROMISE(chunks_from_anywhere_are_fetched_in_one_request_and_no_read_waits_for_them),
        PROMISE(many_readers_fetch_no_chunk_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
