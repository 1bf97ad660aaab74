/* SPDX-License-Identifier: MIT */
/* The folder of the pack cache: restarts, pulls, damage, foreign files. */
#include "tests/unit/pack_site.h"

#include <sys/stat.h>

/* --- the folder ---------------------------------------------------------------------------- */

static void the_folder_survives_a_restart(void **state)
{
    (void)state;
    struct site site;
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    site_open(&site, packs, packs);
    heat_all(&site);
    assert_true(stat_of(&site).folder_bytes > 0);
    site_close(&site);
    site_open(&site, packs, packs);
    unsigned reads = site.place.reads;
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        round_read(&site, 0, packs, frame);
    assert_int_equal(site.place.reads, reads);
    assert_int_equal(stat_of(&site).folder_loads, packs);
    site_close(&site);
    /* Less room at the next start: the rest goes. */
    site_open(&site, packs, 5);
    assert_true(stat_of(&site).folder_bytes <= 5 * 20480);
    site_close(&site);
    site_done(&site);
}

static void a_pull_leaves_nothing_in_the_folder(void **state)
{
    (void)state;
    struct site site;
    site_make(&site, 100);
    site_open(&site, 10, 100);
    pull(&site, 0, 100, 12);
    assert_int_equal(stat_of(&site).folder_bytes, 0);
    site_close(&site);
    site_done(&site);
}

/* Damage every file of the folder at `offset` bytes from its beginning, or end when negative. */
static void folder_damage(struct site *site, off_t offset)
{
    for (size_t i = 0; i < site->place.count; i++) {
        char path[128];
        uint8_t byte;
        snprintf(path, sizeof(path), "%s/%s", site->folder, site->place.packs[i].name);
        CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        off_t at = offset < 0 ? lseek(fd, 0, SEEK_END) + offset : offset;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
}

static void damage_in_the_folder_heals(void **state)
{
    (void)state;
    static const off_t where[] = {40, -30};
    for (size_t i = 0; i < CR_ARRAY_LEN(where); i++) {
        struct site site;
        size_t packs = CR_BURST_TOUCHES + 8;
        site_make(&site, packs);
        site_open(&site, packs, packs);
        heat_all(&site);
        site_close(&site);
        folder_damage(&site, where[i]);
        site_open(&site, packs, packs);
        round_read(&site, 0, packs, 0); /* the first frame begins at 8 */
        assert_int_equal(stat_of(&site).damaged, packs);
        for (uint32_t frame = 0; frame < FRAMES; frame++)
            round_read(&site, 0, packs, frame);
        assert_int_equal(stat_of(&site).damaged, packs);
        site_close(&site);
        site_done(&site);
    }
}

static void foreign_files_in_the_folder_do_no_harm(void **state)
{
    (void)state;
    struct site site;
    char path[128];
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", site.folder, site.place.packs[i].name);
        if (i == 0)
            assert_int_equal(symlink("/dev/zero", path), 0);
        else
            assert_int_equal(cr_file_replace(AT_FDCWD, path, "not a pack", i * 5, 0600), 0);
    }
    snprintf(path, sizeof(path), "%s/notes.txt", site.folder);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, "mine", 4, 0600), 0);
    site_open(&site, packs, packs);
    heat_all(&site);
    heat_all(&site);
    site_close(&site);
    assert_int_equal(access(path, F_OK), 0);
    site_done(&site);
}

static void a_folder_has_one_user(void **state)
{
    (void)state;
    struct site site;
    struct place other = {.base.ops = &place_ops};
    struct cr_blobs *blobs;
    struct cr_packcache *handle;
    struct cr_error err = {0};
    site_make(&site, 1);
    site_open(&site, 10, 10);
    struct cr_packcache_options options = {.folder = site.folder, .folder_bytes = 1 << 20};
    assert_int_equal(cr_packcache_new(&other.base, &options, &blobs, &handle, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by another process"));
    assert_true(other.closed);
    site_close(&site);
    site_done(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_survives_a_restart),
        cmocka_unit_test(a_pull_leaves_nothing_in_the_folder),
        cmocka_unit_test(damage_in_the_folder_heals),
        cmocka_unit_test(foreign_files_in_the_folder_do_no_harm),
        cmocka_unit_test(a_folder_has_one_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
