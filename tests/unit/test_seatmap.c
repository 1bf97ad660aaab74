/* SPDX-License-Identifier: MIT */
/* The map of a seat's version: its vectors, what damage does to it, and the file of two slots. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#define FOLDER "tests/fixtures/map"

/* 20 chunks, of which the last is a short one. */
#define DISK_BYTES (19ULL * CR_CHUNK_BYTES + 1)
#define SLOT_BYTES 4096U

static const struct cr_id root = {.bytes = {1, 2, 3}};

static void the_vectors_are_read_as_they_were_meant_and_written_again(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_MIB);
    json_t *facts = json_load_file(FOLDER "/vectors.json", 0, NULL);
    struct cr_id told;
    assert_non_null(facts);
    assert_int_equal(cr_file_read(AT_FDCWD, FOLDER "/map", &file), 0);
    uint64_t disk_bytes = (uint64_t)json_integer_value(json_object_get(facts, "disk_bytes"));
    size_t slot_bytes = (size_t)json_integer_value(json_object_get(facts, "slot_bytes"));
    assert_int_equal(
        cr_id_parse(json_string_value(json_object_get(facts, "root")), CR_ID_HEX - 1, &told), 0);
    assert_int_equal(cr_map_slot_bytes(disk_bytes), slot_bytes);
    assert_int_equal(file.len, 2 * slot_bytes);
    for (size_t i = 0; i < 2; i++) {
        const json_t *slot = json_array_get(json_object_get(facts, "slots"), i);
        const json_t *present = json_object_get(slot, "present");
        CLEANUP_FREE uint8_t *again = malloc(slot_bytes);
        const uint8_t *data = file.data + i * slot_bytes, *bits = NULL;
        struct cr_map map;
        assert_int_equal(cr_map_parse(data, slot_bytes, &map, &bits, NULL), 0);
        assert_true(cr_id_equal(&map.root, &told));
        assert_int_equal(map.disk_bytes, disk_bytes);
        assert_int_equal(map.generation, json_integer_value(json_object_get(slot, "generation")));
        assert_int_equal((int64_t)map.data_chunks,
                         json_integer_value(json_object_get(slot, "data_chunks")));
        assert_int_equal(map.used_s, json_integer_value(json_object_get(slot, "used_s")));
        assert_int_equal(map.number, json_integer_value(json_object_get(slot, "number")));
        assert_string_equal(map.image, json_string_value(json_object_get(slot, "image")));
        assert_int_equal(map.present_chunks, json_array_size(present));
        for (size_t n = 0; n < json_array_size(present); n++)
            assert_true(cr_bit_get(bits, (uint64_t)json_integer_value(json_array_get(present, n))));
        cr_map_format(&map, bits, again);
        assert_memory_equal(again, data, slot_bytes);
    }
    struct cr_map newest;
    const uint8_t *bits = NULL;
    unsigned slot = 2;
    assert_int_equal(cr_map_pick(file.data, file.len, &told, disk_bytes, &newest, &bits, &slot), 0);
    assert_int_equal(slot, 0);
    assert_int_equal(newest.generation, 7);
    json_decref(facts);
}

static void slot_make(uint64_t generation, uint8_t first_byte, uint8_t out[static SLOT_BYTES])
{
    uint8_t bits[3] = {first_byte, 0, 0};
    struct cr_map map = {.generation = generation,
                         .root = root,
                         .disk_bytes = DISK_BYTES,
                         .data_chunks = 20,
                         .number = 7,
                         .image = "disk"};
    assert_int_equal(cr_map_slot_bytes(DISK_BYTES), SLOT_BYTES);
    cr_map_format(&map, bits, out);
}

static void every_flipped_bit_in_a_slot_is_noticed(void **state)
{
    (void)state;
    uint8_t slot[SLOT_BYTES];
    struct cr_map map;
    const uint8_t *bits = NULL;
    slot_make(5, 0x81, slot);
    assert_int_equal(cr_map_parse(slot, sizeof(slot), &map, &bits, NULL), 0);
    for (size_t i = 0; i < sizeof(slot) * 8; i++) {
        struct cr_error err = {0};
        slot[i / 8] ^= (uint8_t)(1U << i % 8);
        assert_int_equal(cr_map_parse(slot, sizeof(slot), &map, &bits, &err), -EBADMSG);
        assert_string_not_equal(err.text, "");
        slot[i / 8] ^= (uint8_t)(1U << i % 8);
    }
}

static void a_torn_slot_leaves_the_one_before(void **state)
{
    (void)state;
    uint8_t older[SLOT_BYTES], newer[SLOT_BYTES], file[2 * SLOT_BYTES];
    struct cr_map map;
    const uint8_t *bits = NULL;
    unsigned slot = 2;
    slot_make(5, 0x01, older);
    slot_make(6, 0x03, newer);
    for (size_t sector = 0; sector < SLOT_BYTES; sector += 512) {
        slot_make(4, 0x00, file);
        memcpy(file + SLOT_BYTES, older, SLOT_BYTES);
        memcpy(file, newer, sector);
        bool old_bytes_remain = memcmp(file, newer, SLOT_BYTES) != 0;
        assert_int_equal(cr_map_pick(file, sizeof(file), &root, DISK_BYTES, &map, &bits, &slot), 0);
        assert_int_equal(map.generation, old_bytes_remain ? 5 : 6);
        assert_int_equal(slot, old_bytes_remain ? 1 : 0);
    }
}

static void maps_of_something_else_are_no_maps(void **state)
{
    (void)state;
    uint8_t file[2 * SLOT_BYTES];
    struct cr_id other = {.bytes = {9}};
    struct cr_map map;
    const uint8_t *bits = NULL;
    unsigned slot = 2;
    slot_make(5, 0x01, file);
    slot_make(6, 0x03, file + SLOT_BYTES);
    assert_int_equal(cr_map_pick(file, sizeof(file), &root, DISK_BYTES, &map, &bits, &slot), 0);
    assert_int_equal(cr_map_pick(file, sizeof(file), &other, DISK_BYTES, &map, &bits, &slot),
                     -ENOENT);
    for (uint64_t bytes = 1; bytes < 1ULL << 40; bytes *= 3)
        assert_int_equal(cr_map_pick(file, sizeof(file), &root, bytes, &map, &bits, &slot),
                         -ENOENT);
    for (size_t len = 0; len < SLOT_BYTES; len += 7)
        assert_int_equal(cr_map_pick(file, len, &root, DISK_BYTES, &map, &bits, &slot), -ENOENT);
    assert_int_equal(cr_map_pick(file, SLOT_BYTES, &root, DISK_BYTES, &map, &bits, &slot), 0);
    assert_int_equal(map.generation, 5);
}

/* --- the file ----------------------------------------------------------------------------------
 */

struct folder {
    char path[64];
    int fd;
};

static int set_up(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    snprintf(folder->path, sizeof(folder->path), "/tmp/carrel-seatmap-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    close(folder->fd);
    cr_dir_remove(AT_FDCWD, folder->path);
    free(folder);
    return 0;
}

/* Write one generation whose first byte of bits is its number. */
static void write_next(const struct folder *folder, uint64_t expected)
{
    struct cr_mapfile file;
    struct cr_map map;
    uint8_t bits[3];
    assert_int_equal(cr_mapfile_open(&file, folder->fd, "map", &root, DISK_BYTES, &map, bits, NULL),
                     0);
    assert_int_equal(map.generation + 1, expected);
    assert_int_equal(bits[0], map.generation);
    bits[0] = (uint8_t)expected;
    assert_int_equal(cr_mapfile_write(&file, &map, bits), 0);
    cr_mapfile_done(&file);
}

static void slots_are_written_in_turn(void **state)
{
    const struct folder *folder = *state;
    for (uint64_t generation = 1; generation < 6; generation++) {
        CLEANUP_BUF struct cr_buf before = CR_BUF_INIT(CR_MIB), after = CR_BUF_INIT(CR_MIB);
        (void)cr_file_read(folder->fd, "map", &before);
        write_next(folder, generation);
        assert_int_equal(cr_file_read(folder->fd, "map", &after), 0);
        size_t kept = generation % 2 == 0 ? 0 : SLOT_BYTES;
        if (generation > 2)
            assert_memory_equal(before.data + kept, after.data + kept, SLOT_BYTES);
    }
}

static void a_damaged_slot_is_the_next_to_be_written(void **state)
{
    const struct folder *folder = *state;
    for (uint64_t generation = 1; generation < 5; generation++)
        write_next(folder, generation);
    CLEANUP_CLOSE int fd = openat(folder->fd, "map", O_RDWR | O_CLOEXEC);
    assert_int_equal(cr_pwrite_full(fd, "x", 1, SLOT_BYTES + 300), 0); /* generation 4 */
    write_next(folder, 4);
    write_next(folder, 5);
    assert_int_equal(cr_pwrite_full(fd, "x", 1, 300), 0);
    assert_int_equal(cr_pwrite_full(fd, "x", 1, SLOT_BYTES + 300), 0);
    write_next(folder, 1); /* nothing is left */
    assert_int_equal(ftruncate(fd, 100), 0);
    write_next(folder, 1);
}

static void a_map_that_is_only_looked_at_stays_as_it_is(void **state)
{
    const struct folder *folder = *state;
    struct cr_map map;
    uint8_t bits[3];
    assert_int_equal(cr_mapfile_look(folder->fd, "map", &root, DISK_BYTES, &map, bits), -ENOENT);
    assert_int_equal(faccessat(folder->fd, "map", F_OK, 0), -1);
    write_next(folder, 1);
    assert_int_equal(cr_mapfile_look(folder->fd, "map", &root, DISK_BYTES, &map, bits), 0);
    assert_int_equal(bits[0], 1);
    assert_int_equal(cr_mapfile_forget(folder->fd, "map"), 0);
    assert_int_equal(cr_mapfile_forget(folder->fd, "map"), 0);
    assert_int_equal(cr_mapfile_look(folder->fd, "map", &root, DISK_BYTES, &map, bits), -ENOENT);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_are_read_as_they_were_meant_and_written_again),
        cmocka_unit_test(every_flipped_bit_in_a_slot_is_noticed),
        cmocka_unit_test(a_torn_slot_leaves_the_one_before),
        cmocka_unit_test(maps_of_something_else_are_no_maps),
        PROMISE(slots_are_written_in_turn),
        PROMISE(a_damaged_slot_is_the_next_to_be_written),
        PROMISE(a_map_that_is_only_looked_at_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
