/* SPDX-License-Identifier: MIT */
/* Which versions a cache drops for others, what it does at its limit, and the scrub among readers.
 */
#include "lib/base/fd.h"
#include "lib/seatcache/cached.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/seatdisk.h"
#include "tests/unit/known_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#define CHUNKS 8U

struct world {
    char folder[64];
    int dir_fd, disks_fd;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    snprintf(world->folder, sizeof(world->folder), "/tmp/carrel-seatroom-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->dir_fd = open(world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(world->dir_fd, "disks", 0700), 0);
    world->disks_fd = openat(world->dir_fd, "disks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    close(world->disks_fd);
    close(world->dir_fd);
    cr_dir_remove(AT_FDCWD, world->folder);
    free(world);
    return 0;
}

/* --- which are dropped -------------------------------------------------------------------------
 */

static struct cr_id root_of(uint8_t number)
{
    return (struct cr_id){.bytes = {number}};
}

/* Version `number` of `image`, last used at `used_s`; all of its chunks take disk space. */
static void version_make(const struct world *world, uint8_t number, const char *image,
                         uint64_t used_s, bool complete)
{
    static uint8_t data[CHUNKS * CR_CHUNK_BYTES];
    const struct cr_id root = root_of(number);
    char name[CR_MAPFILE_NAME];
    uint8_t bits[1];
    struct cr_chunkfile file;
    struct cr_mapfile mapfile;
    struct cr_map map;
    memset(data, 0x5a, sizeof(data));
    assert_int_equal(cr_chunkfile_open(&file, world->disks_fd, &root, sizeof(data), NULL), 0);
    assert_int_equal(cr_pwrite_full(file.fd, data, sizeof(data), 0), 0);
    cr_chunkfile_done(&file);
    assert_int_equal(cr_mapfile_open(&mapfile, world->disks_fd, cr_mapfile_name(&root, name), &root,
                                     sizeof(data), &map, bits, NULL),
                     0);
    map.data_chunks = CHUNKS;
    map.used_s = used_s;
    map.number = number;
    snprintf(map.image, sizeof(map.image), "%s", image);
    bits[0] = complete ? 0xff : 0x0f;
    assert_int_equal(cr_mapfile_write(&mapfile, &map, bits), 0);
    cr_mapfile_done(&mapfile);
}

/* Bytes of one such file, as they count. */
static uint64_t file_bytes(const struct world *world)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    size_t count = 0;
    assert_int_equal(cr_cached_list(world->disks_fd, &list, &count, NULL), 0);
    assert_true(count > 0);
    return list[0].file_bytes;
}

static void expect_left(const struct world *world, const char *numbers)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    size_t count = 0;
    char found[32] = "";
    assert_int_equal(cr_cached_list(world->disks_fd, &list, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%u", list[i].root.bytes[0]);
    assert_string_equal(found, numbers); /* least recently used first */
}

static void the_least_recently_used_version_goes_first(void **state)
{
    struct world *world = *state;
    struct cr_cached_want want = {.bytes = 1};
    version_make(world, 1, "disk", 300, false);
    version_make(world, 2, "disk", 100, false);
    version_make(world, 3, "disk", 200, false);
    expect_left(world, "231");
    assert_int_equal(cr_cached_drop(world->disks_fd, &want), file_bytes(world));
    expect_left(world, "31");
    want.bytes = file_bytes(world) + 1;
    assert_true(cr_cached_drop(world->disks_fd, &want) >= want.bytes);
    expect_left(world, "");
}

static void the_last_complete_version_of_an_image_stays_for_an_incomplete_one(void **state)
{
    struct world *world = *state;
    const struct cr_id own = root_of(4);
    struct cr_cached_want want = {.own = &own, .bytes = UINT64_MAX};
    version_make(world, 1, "disk", 100, true);
    version_make(world, 2, "disk", 200, true);
    version_make(world, 3, "other", 50, true);
    version_make(world, 4, "disk", 10, false);
    version_make(world, 5, "other", 20, false);
    cr_cached_drop(world->disks_fd, &want);
    expect_left(world, "432");
    want.own_is_complete = true;
    cr_cached_drop(world->disks_fd, &want);
    expect_left(world, "4");
}

static void a_version_in_use_and_the_source_of_an_update_stay(void **state)
{
    struct world *world = *state;
    const struct cr_id used = root_of(1), source = root_of(2);
    const struct cr_cached_want want = {.source = &source, .bytes = UINT64_MAX};
    struct cr_chunkfile file;
    struct cr_error err = {0};
    for (uint8_t number = 1; number < 4; number++)
        version_make(world, number, "disk", number, false);
    assert_false(cr_cached_in_use(world->disks_fd, &used));
    assert_int_equal(
        cr_chunkfile_open(&file, world->disks_fd, &used, CHUNKS * CR_CHUNK_BYTES, NULL), 0);
    assert_true(cr_cached_in_use(world->disks_fd, &used));
    cr_cached_drop(world->disks_fd, &want);
    expect_left(world, "12");
    assert_int_equal(cr_cached_remove(world->disks_fd, &used, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use"));
    cr_chunkfile_done(&file);
    assert_int_equal(cr_cached_remove(world->disks_fd, &used, NULL), 0);
    assert_int_equal(cr_cached_remove(world->disks_fd, &used, NULL), -ENOENT);
}

static void strange_files_are_no_versions_and_stay(void **state)
{
    struct world *world = *state;
    const struct cr_cached_want want = {.bytes = UINT64_MAX};
    /* As long as a version's name. */
    char no_digits[CR_CHUNKFILE_NAME];
    snprintf(no_digits, sizeof(no_digits), "%064d.disk", 0);
    no_digits[0] = 'z';
    const char *const names[] = {"notes.txt", "x.disk", ".clone", no_digits};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        assert_int_equal(cr_file_replace(world->disks_fd, names[i], "x", 1, 0600), 0);
    cr_cached_drop(world->disks_fd, &want);
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        assert_int_equal(faccessat(world->disks_fd, names[i], F_OK, 0), 0);
}

/* --- the limit ---------------------------------------------------------------------------------
 */

static int told;

static void hear(const char *sentence)
{
    assert_non_null(strstr(sentence, "as large as it may be"));
    told++;
}

static void at_the_limit_reads_go_on_and_nothing_more_is_kept(void **state)
{
    struct world *world = *state;
    struct spy spy = {0};
    struct cr_ref ref = {.name = "disk"};
    struct cr_seatdisk *disk = NULL;
    struct cr_seatdisk_stat stat;
    uint8_t found[CR_CHUNK_BYTES], right[CR_CHUNK_BYTES];
    const struct cr_seatdisk_options options = {
        .dir_fd = world->dir_fd, .warn = hear, .limit_bytes = 10 * CR_CHUNK_BYTES};
    told = 0;
    spy_open(&spy);
    assert_int_equal(cr_seatdisk_open(&spy.base, &ref, &options, &disk, NULL), 0);
    assert_false(cr_seatdisk_full(disk));
    for (uint64_t at = 0; at < 60 * CR_CHUNK_BYTES; at += sizeof(found)) {
        fill(right, sizeof(right), at);
        assert_int_equal(cr_seatdisk_read(disk, found, sizeof(found), at, NULL), 0);
        assert_memory_equal(found, right, sizeof(found));
    }
    cr_seatdisk_stat(disk, &stat);
    assert_true(stat.present_chunks > 5 && stat.present_chunks <= 10);
    assert_true(stat.unkept_chunks >= 40);
    assert_true(cr_seatdisk_full(disk));
    assert_int_equal(told, 1);
    cr_seatdisk_close(disk);
    spy_close(&spy);
}

/* --- the scrub ---------------------------------------------------------------------------------
 */

static void *read_all(void *context)
{
    struct cr_seatdisk *disk = context;
    CLEANUP_FREE uint8_t *found = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *right = malloc(CR_CHUNK_BYTES);
    for (uint64_t at = 0; at < 100ULL * CR_CHUNK_BYTES; at += CR_CHUNK_BYTES) {
        fill(right, CR_CHUNK_BYTES, at);
        if (cr_seatdisk_read(disk, found, CR_CHUNK_BYTES, at, NULL) < 0 ||
            memcmp(found, right, CR_CHUNK_BYTES) != 0)
            return disk;
    }
    return NULL;
}

static void a_scrub_mends_among_readers(void **state)
{
    struct world *world = *state;
    struct spy spy = {0};
    struct cr_ref ref = {.name = "disk"};
    struct cr_seatdisk *disk = NULL;
    struct cr_seatdisk_stat stat;
    char name[CR_CHUNKFILE_NAME];
    pthread_t readers[3];
    const struct cr_seatdisk_options options = {
        .dir_fd = world->dir_fd, .scrub_bytes_s = CR_GIB, .sync_ms = 5};
    spy_open(&spy);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(cr_seatdisk_open(&spy.base, &ref, &options, &disk, NULL), 0);
        assert_int_equal(cr_seatdisk_prefetch(disk, DISK_BYTES, 0, NULL), 0);
        cr_chunkfile_name(&cr_version_info(cr_seatdisk_version(disk))->root, name);
        CLEANUP_CLOSE int fd = openat(world->disks_fd, name, O_RDWR | O_CLOEXEC);
        cr_seatdisk_close(disk);
        for (uint64_t at = 3; at < 100; at += 10) /* a hole or two among them */
            assert_int_equal(cr_pwrite_full(fd, "rot", 3, at * CR_CHUNK_BYTES + 5), 0);
        assert_int_equal(cr_seatdisk_open(&spy.base, &ref, &options, &disk, NULL), 0);
        for (size_t i = 0; i < CR_ARRAY_LEN(readers); i++)
            assert_int_equal(pthread_create(&readers[i], NULL, read_all, disk), 0);
        for (size_t i = 0; i < CR_ARRAY_LEN(readers); i++) {
            void *failed = NULL;
            pthread_join(readers[i], &failed);
            assert_null(failed);
        }
        do
            cr_seatdisk_stat(disk, &stat);
        while (stat.scrub_rounds == 0);
        assert_int_equal(cr_seatdisk_sync(disk), 0);
        assert_true(cr_seatdisk_complete(disk));
        cr_seatdisk_close(disk);
        for (uint64_t i = 0; i < 110; i++) {
            uint8_t found[CR_CHUNK_BYTES], right[CR_CHUNK_BYTES];
            fill(right, sizeof(right), i * CR_CHUNK_BYTES);
            assert_int_equal(cr_pread_full(fd, found, sizeof(found), i * CR_CHUNK_BYTES), 0);
            assert_memory_equal(found, right, sizeof(found));
        }
    }
    spy_close(&spy);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(the_least_recently_used_version_goes_first),
        PROMISE(the_last_complete_version_of_an_image_stays_for_an_incomplete_one),
        PROMISE(a_version_in_use_and_the_source_of_an_update_stay),
        PROMISE(strange_files_are_no_versions_and_stay),
        PROMISE(at_the_limit_reads_go_on_and_nothing_more_is_kept),
        PROMISE(a_scrub_mends_among_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
