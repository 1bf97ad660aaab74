/* SPDX-License-Identifier: MIT */
/*
 * A version that is read like a disk takes what it can out of an older one in the cache folder, by
 * the delta when there is one; the bytes are right whatever is wrong with either.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/delta/build.h"
#include "lib/delta/index.h"
#include "lib/seatcache/seatdisk.h"
#include "lib/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define BLOCK      4096U
#define OLD_BLOCKS 900U
#define NEW_BLOCKS 1000U
#define NEW_BYTES  (NEW_BLOCKS * BLOCK - 700)

struct world {
    struct cr_store *store;
    char folder[64];
    int dir_fd;
    uint8_t *old_disk, *new_disk;
    struct cr_id old_root, new_root;
    struct cr_seatdisk *disk;
};

static void write_block(uint8_t *block, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15U + 1;
    for (size_t i = 0; i < BLOCK; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        block[i] = (uint8_t)(x >> 33 & 0x3f) | 1;
    }
}

/* Two chunks stay where they are, two go elsewhere as they are, the rest moves by five blocks. */
static void make_disks(struct world *world)
{
    world->old_disk = calloc(OLD_BLOCKS, BLOCK);
    world->new_disk = calloc(NEW_BLOCKS, BLOCK);
    for (uint32_t b = 0; b < OLD_BLOCKS; b++)
        write_block(world->old_disk + (size_t)b * BLOCK, b);
    memcpy(world->new_disk, world->old_disk, 2 * CR_CHUNK_BYTES);
    memcpy(world->new_disk + 2 * CR_CHUNK_BYTES, world->old_disk + 20 * CR_CHUNK_BYTES,
           2 * CR_CHUNK_BYTES);
    for (uint32_t b = 64; b < NEW_BLOCKS; b++) {
        if (b % 50 == 3 || b - 5 >= OLD_BLOCKS)
            write_block(world->new_disk + (size_t)b * BLOCK, 100000 + b / 100);
        else
            memcpy(world->new_disk + (size_t)b * BLOCK, world->old_disk + (size_t)(b - 5) * BLOCK,
                   BLOCK);
    }
}

static struct cr_id publish(struct cr_store *store, const uint8_t *disk, uint64_t disk_bytes)
{
    struct cr_publish *publish = NULL;
    struct cr_version_info info;
    struct cr_publish_stat stat;
    struct cr_error err = {0};
    assert_int_equal(cr_publish_begin(store, "pc", disk_bytes, NULL, &publish, &err), 0);
    for (uint64_t i = 0; i < cr_disk_chunks(disk_bytes); i++)
        assert_int_equal(cr_publish_chunk(publish, 0, i, disk + i * CR_CHUNK_BYTES, &err), 0);
    assert_int_equal(cr_publish_commit(publish, NULL, &info, &stat, &err), 0);
    return info.root;
}

static void make_delta(struct world *world)
{
    struct cr_version *versions[2] = {NULL, NULL};
    struct cr_delta_options options = {.threads = 2, .group_literals = 20};
    struct cr_delta_stat stat;
    struct cr_ref ref = {.name = "pc"};
    for (ref.number = 1; ref.number <= 2; ref.number++)
        assert_int_equal(cr_version_open(world->store, &ref, &versions[ref.number - 1], NULL), 0);
    assert_int_equal(cr_delta_build(world->store, versions[0], versions[1], &options, &stat, NULL),
                     0);
    cr_version_close(versions[0]);
    cr_version_close(versions[1]);
}

static void disk_open(struct world *world, uint64_t number, bool no_deltas)
{
    struct cr_ref ref = {.name = "pc", .number = number};
    struct cr_seatdisk_options options = {
        .dir_fd = world->dir_fd, .no_deltas = no_deltas, .delta_again_ms = 5};
    cr_seatdisk_close(TAKE_PTR(world->disk));
    assert_int_equal(cr_seatdisk_open(world->store, &ref, &options, &world->disk, NULL), 0);
}

static void expect_read(struct world *world, uint64_t offset, size_t len)
{
    CLEANUP_FREE uint8_t *found = malloc(len);
    struct cr_error err = {0};
    assert_int_equal(cr_seatdisk_read(world->disk, found, len, offset, &err), 0);
    assert_memory_equal(found, world->new_disk + offset, len);
}

static struct cr_seatdisk_stat stat_of(struct world *world)
{
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(world->disk, &stat);
    return stat;
}

/* A folder in which all of the old version is. */
static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    make_disks(world);
    assert_int_equal(cr_store_open("mem:", &world->store, NULL), 0);
    world->old_root = publish(world->store, world->old_disk, OLD_BLOCKS * BLOCK);
    world->new_root = publish(world->store, world->new_disk, NEW_BYTES);
    snprintf(world->folder, sizeof(world->folder), "/tmp/carrel-seatupdate-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->dir_fd = open(world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    disk_open(world, 1, false);
    assert_int_equal(cr_seatdisk_prefetch(world->disk, OLD_BLOCKS * BLOCK, 0, NULL), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cr_seatdisk_close(world->disk);
    close(world->dir_fd);
    cr_dir_remove(AT_FDCWD, world->folder);
    cr_store_close(world->store);
    free(world->old_disk);
    free(world->new_disk);
    free(world);
    return 0;
}

static int old_file(struct world *world)
{
    char hex[CR_ID_HEX], name[CR_ID_HEX + 16];
    snprintf(name, sizeof(name), "disks/%s.disk", cr_id_format(&world->old_root, hex));
    int fd = openat(world->dir_fd, name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void no_chunk_is_pulled_when_there_is_a_delta(void **state)
{
    struct world *world = *state;
    make_delta(world);
    disk_open(world, 2, false);
    expect_read(world, 0, NEW_BYTES);
    struct cr_seatdisk_stat stat = stat_of(world);
    assert_int_equal(stat.pulled_chunks, 0);
    assert_int_equal(stat.old_chunks, 4);
    assert_int_equal(stat.delta_chunks, cr_disk_chunks(NEW_BYTES) - 4);
    assert_int_equal(stat.delta_fallbacks, 0);
    assert_true(stat.delta_bytes > 0);
}

static void what_was_rebuilt_is_kept(void **state)
{
    struct world *world = *state;
    make_delta(world);
    disk_open(world, 2, false);
    expect_read(world, 0, NEW_BYTES);
    disk_open(world, 2, true);
    expect_read(world, 0, NEW_BYTES);
    assert_int_equal(stat_of(world).pulled_chunks, 0);
    assert_int_equal(stat_of(world).old_chunks, 0);
}

static void switched_off_everything_is_pulled(void **state)
{
    struct world *world = *state;
    make_delta(world);
    disk_open(world, 2, true);
    expect_read(world, 0, NEW_BYTES);
    assert_true(stat_of(world).pulled_chunks > 50); /* fewer than all: some are alike */
    assert_int_equal(stat_of(world).old_chunks, 0);
    assert_int_equal(stat_of(world).delta_bytes, 0);
}

static void a_delta_that_is_made_later_is_found(void **state)
{
    struct world *world = *state;
    struct timespec step = {.tv_nsec = 1000000};
    disk_open(world, 2, false);
    expect_read(world, 0, 5 * CR_CHUNK_BYTES);
    assert_int_equal(stat_of(world).old_chunks, 4);
    assert_int_equal(stat_of(world).pulled_chunks, 1);
    make_delta(world);
    for (int i = 0; i < 20000 && stat_of(world).delta_bytes == 0; i++)
        nanosleep(&step, NULL);
    expect_read(world, 0, NEW_BYTES);
    assert_true(stat_of(world).delta_chunks > 50);
    assert_int_equal(stat_of(world).pulled_chunks, 1);
}

static void a_rotten_old_file_costs_fetches_only(void **state)
{
    struct world *world = *state;
    CLEANUP_CLOSE int fd = old_file(world);
    uint8_t noise[BLOCK];
    make_delta(world);
    write_block(noise, 77);
    for (uint32_t b = 0; b < OLD_BLOCKS; b += 90)
        assert_int_equal(cr_pwrite_full(fd, noise, sizeof(noise), (uint64_t)b * BLOCK), 0);
    disk_open(world, 2, false);
    expect_read(world, 0, NEW_BYTES);
    struct cr_seatdisk_stat stat = stat_of(world);
    assert_true(stat.delta_fallbacks > 0 && stat.delta_chunks > 0);
    assert_true(stat.pulled_chunks <= stat.delta_fallbacks + 4);
}

static void an_old_file_with_gaps_is_used_where_it_has_something(void **state)
{
    struct world *world = *state;
    CLEANUP_CLOSE int fd = old_file(world);
    make_delta(world);
    assert_int_equal(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 25 * (off_t)CR_CHUNK_BYTES),
        0);
    disk_open(world, 2, false);
    expect_read(world, 0, NEW_BYTES);
    struct cr_seatdisk_stat stat = stat_of(world);
    assert_true(stat.delta_fallbacks > 0 && stat.delta_chunks > 0);
    assert_int_equal(stat.old_chunks, 0);
}

static void a_file_that_is_cut_short_while_it_is_used_costs_fetches_only(void **state)
{
    struct world *world = *state;
    CLEANUP_CLOSE int fd = old_file(world);
    make_delta(world);
    disk_open(world, 2, false);
    expect_read(world, 0, 10 * CR_CHUNK_BYTES);
    assert_int_equal(ftruncate(fd, 12 * (off_t)CR_CHUNK_BYTES), 0);
    expect_read(world, 0, NEW_BYTES);
    assert_true(stat_of(world).delta_fallbacks > 0);
}

static void *read_all_over(void *context)
{
    struct world *world = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    for (int i = 0; i < 60; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        expect_read(world, (random >> 30) % (NEW_BYTES - 200000), 200000);
    }
    return NULL;
}

static void readers_share_a_delta_that_comes_meanwhile(void **state)
{
    struct world *world = *state;
    pthread_t threads[6];
    disk_open(world, 2, false);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_over, world), 0);
    make_delta(world);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    struct cr_seatdisk_stat stat = stat_of(world);
    assert_true(stat.pulled_chunks + stat.old_chunks + stat.delta_chunks <=
                cr_disk_chunks(NEW_BYTES));
    expect_read(world, 0, NEW_BYTES);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(no_chunk_is_pulled_when_there_is_a_delta),
        PROMISE(what_was_rebuilt_is_kept),
        PROMISE(switched_off_everything_is_pulled),
        PROMISE(a_delta_that_is_made_later_is_found),
        PROMISE(a_rotten_old_file_costs_fetches_only),
        PROMISE(an_old_file_with_gaps_is_used_where_it_has_something),
        PROMISE(a_file_that_is_cut_short_while_it_is_used_costs_fetches_only),
        PROMISE(readers_share_a_delta_that_comes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
