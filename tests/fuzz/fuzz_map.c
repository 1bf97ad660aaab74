/* SPDX-License-Identifier: MIT */
/* Input: one slot of a seat's map. Whatever parses is written again as the same bytes. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/map.h"

/* The sum stands for bytes that a fuzzer cannot guess: it is put right first. */
static int parse_with_its_sum(const uint8_t *data, size_t size, uint8_t *copy, struct cr_map *map,
                              const uint8_t **bits, struct cr_error *err)
{
    struct cr_id sum;
    memcpy(copy, data, size);
    if (size > sizeof(sum)) {
        cr_hash(copy + sizeof(sum), size - sizeof(sum), &sum);
        memcpy(copy, &sum, sizeof(sum));
    }
    return cr_map_parse(copy, size, map, bits, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE uint8_t *copy = malloc(size + 1);
    CLEANUP_FREE uint8_t *again = malloc(size + 1);
    struct cr_map map = {0};
    const uint8_t *bits = NULL;
    struct cr_error err = {0};
    unsigned slot = 2;
    REQUIRE(copy != NULL && again != NULL);
    int whole = cr_map_parse(data, size, &map, &bits, &err);
    REQUIRE((whole == 0) == (bits != NULL) && (whole == 0) == (err.text[0] == '\0'));
    if (parse_with_its_sum(data, size, copy, &map, &bits, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && whole < 0);
        return 0;
    }
    REQUIRE(map.disk_bytes > 0 && map.disk_bytes <= CR_DISK_BYTES_MAX);
    REQUIRE(map.present_chunks <= cr_disk_chunks(map.disk_bytes));
    REQUIRE(cr_map_slot_bytes(map.disk_bytes) == size);
    cr_map_format(&map, bits, again);
    REQUIRE(memcmp(again, copy, size) == 0);
    struct cr_map picked;
    REQUIRE(cr_map_pick(copy, size, &map.root, map.disk_bytes, &picked, &bits, &slot) == 0);
    REQUIRE(slot == 0 && picked.generation == map.generation);
    return 0;
}
