/* SPDX-License-Identifier: MIT */
/* What a seat gives to other seats out of its disk. */
#include "lib/base/fd.h"
#include "lib/seatcache/share.h"
#include "tests/unit/known_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

struct world {
    struct spy spy;
    char folder[64];
    int dir_fd;
    struct cr_seatdisk *disk;
    struct cr_seatshare *share;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct cr_ref ref = {.name = "disk"};
    spy_open(&world->spy);
    snprintf(world->folder, sizeof(world->folder), "/tmp/carrel-seatshare-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->dir_fd = open(world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cr_seatdisk_options options = {.dir_fd = world->dir_fd};
    assert_int_equal(cr_seatdisk_open(&world->spy.base, &ref, &options, &world->disk, NULL), 0);
    assert_int_equal(cr_seatshare_new(world->disk, &world->share), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cr_seatshare_free(world->share);
    cr_seatdisk_close(world->disk);
    close(world->dir_fd);
    cr_dir_remove(AT_FDCWD, world->folder);
    spy_close(&world->spy);
    free(world);
    return 0;
}

/* Chunk `index` of the known disk. */
static struct cr_id known(uint64_t index, uint8_t *plain)
{
    struct cr_id id;
    fill(plain, CR_CHUNK_BYTES, index * CR_CHUNK_BYTES);
    cr_hash(plain, CR_CHUNK_BYTES, &id);
    return id;
}

/* The table is made by a thread: ask until it knows the id, for at most half a minute. */
static int ask(struct world *world, const struct cr_id *id, uint8_t *found, size_t *len)
{
    int r = -ENOENT;
    for (time_t until = time(NULL) + 30; time(NULL) < until && r == -ENOENT;) {
        r = cr_seatshare_chunk(world->share, id, found, len);
        sched_yield();
    }
    return r;
}

static void a_chunk_is_given_by_its_id_and_fetched_first_when_it_is_missing(void **state)
{
    struct world *world = *state;
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *found = malloc(CR_CHUNK_BYTES);
    struct cr_id id = known(1, plain);
    size_t len = 0;
    assert_int_equal(ask(world, &id, found, &len), 0);
    assert_int_equal(len, CR_CHUNK_BYTES);
    assert_memory_equal(found, plain, CR_CHUNK_BYTES);
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(world->disk, &stat);
    assert_int_equal(stat.pulled_chunks, 1);
    assert_int_equal(stat.touched_chunks, 0); /* no guest has read it */
    assert_int_equal(cr_seatshare_chunk(world->share, &id, found, &len), 0);
    cr_seatdisk_stat(world->disk, &stat);
    assert_int_equal(stat.pulled_chunks, 1);
}

static void damage_in_the_cache_is_never_given(void **state)
{
    struct world *world = *state;
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *found = malloc(CR_CHUNK_BYTES);
    char hex[CR_ID_HEX], name[CR_ID_HEX + 16];
    struct cr_id id = known(1, plain);
    size_t len = 0;
    assert_int_equal(ask(world, &id, found, &len), 0);
    snprintf(name, sizeof(name), "disks/%s.disk",
             cr_id_format(&cr_version_info(cr_seatdisk_version(world->disk))->root, hex));
    CLEANUP_CLOSE int fd = openat(world->dir_fd, name, O_RDWR | O_CLOEXEC);
    assert_int_equal(cr_pwrite_full(fd, "damage", 6, CR_CHUNK_BYTES + 100), 0);
    memset(found, 0, CR_CHUNK_BYTES);
    assert_int_equal(ask(world, &id, found, &len), 0);
    assert_memory_equal(found, plain, CR_CHUNK_BYTES);
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(world->disk, &stat);
    assert_int_equal(stat.pulled_chunks, 2);
}

static void what_is_not_of_the_version_is_not_given(void **state)
{
    struct world *world = *state;
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *found = malloc(CR_CHUNK_BYTES);
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[CR_SEGMENT].frame_max);
    struct cr_id id = known(1, plain), none = {.bytes = {0}};
    size_t len = 0;
    assert_int_equal(ask(world, &id, found, &len), 0);
    id.bytes[31] ^= 1; /* looks alike in the table */
    assert_int_equal(cr_seatshare_chunk(world->share, &id, found, &len), -ENOENT);
    id.bytes[0] ^= 1;
    assert_int_equal(cr_seatshare_chunk(world->share, &id, found, &len), -ENOENT);
    assert_int_equal(cr_seatshare_segment(world->share, &id, &frame), -ENOENT);
    assert_int_equal(cr_seatshare_segment(world->share, &none, &frame), -ENOENT);
}

static void its_segments_are_given_verified(void **state)
{
    struct world *world = *state;
    const struct cr_manifest *manifest = cr_version_manifest(cr_seatdisk_version(world->disk));
    CLEANUP_FREE uint8_t *plain = malloc(cr_kinds[CR_SEGMENT].plain_max);
    unsigned given = 0;
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[CR_SEGMENT].frame_max);
        size_t len = 0;
        if (cr_id_is_hole(&manifest->segments[i]))
            continue;
        assert_int_equal(cr_seatshare_segment(world->share, &manifest->segments[i], &frame), 0);
        assert_int_equal(cr_object_open(CR_SEGMENT, &manifest->segments[i], frame.data, frame.len,
                                        plain, cr_kinds[CR_SEGMENT].plain_max, &len, NULL),
                         0);
        given++;
    }
    assert_true(given > 0);
}

static void *asker(void *argument)
{
    struct world *world = argument;
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *found = malloc(CR_CHUNK_BYTES);
    size_t len = 0;
    for (uint64_t index = 1; index < 20; index++) {
        struct cr_id id = known(index, plain);
        if (cr_is_zero(plain, CR_CHUNK_BYTES))
            continue;
        if (ask(world, &id, found, &len) != 0 || memcmp(found, plain, len) != 0)
            return argument;
    }
    return NULL;
}

static void several_may_ask_while_the_disk_is_read(void **state)
{
    struct world *world = *state;
    CLEANUP_FREE uint8_t *out = malloc(20UL * CR_CHUNK_BYTES);
    pthread_t threads[3];
    void *failed;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, asker, world), 0);
    assert_int_equal(cr_seatdisk_read(world->disk, out, 20UL * CR_CHUNK_BYTES, 0, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

#define SHARE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARE_TEST(a_chunk_is_given_by_its_id_and_fetched_first_when_it_is_missing),
        SHARE_TEST(damage_in_the_cache_is_never_given),
        SHARE_TEST(what_is_not_of_the_version_is_not_given),
        SHARE_TEST(its_segments_are_given_verified),
        SHARE_TEST(several_may_ask_while_the_disk_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
