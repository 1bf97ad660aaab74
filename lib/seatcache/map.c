/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/map.h"

#include "lib/base/le.h"
#include "lib/image/head.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <inttypes.h>

static const uint8_t magic[8] = "CRSEATM1";

/* Where the fields of a slot are. */
enum {
    AT_SUM = 0, /* of all that follows in the slot */
    AT_MAGIC = 32,
    AT_GENERATION = 40,
    AT_ROOT = 48,
    AT_DISK_BYTES = 80,
    AT_DATA_CHUNKS = 88,
    AT_PRESENT_CHUNKS = 96,
    AT_USED = 104,
    AT_NUMBER = 112,
    AT_IMAGE = 120,
    AT_RESERVED = AT_IMAGE + CR_NAME_MAX,
    AT_BITS = CR_MAP_HEADER,
};

bool cr_map_is_complete(const struct cr_map *map)
{
    return map->data_chunks != CR_MAP_UNKNOWN && map->present_chunks == map->data_chunks;
}

size_t cr_map_bits_bytes(uint64_t disk_bytes)
{
    return (size_t)((cr_disk_chunks(disk_bytes) + 7) / 8);
}

/* Whole pages, so that no write of one slot touches the other. */
size_t cr_map_slot_bytes(uint64_t disk_bytes)
{
    size_t bytes = AT_BITS + cr_map_bits_bytes(disk_bytes);
    return (bytes + CR_MAP_PAGE_BYTES - 1) / CR_MAP_PAGE_BYTES * CR_MAP_PAGE_BYTES;
}

uint64_t cr_bits_count(const uint8_t *bits, size_t len)
{
    uint64_t count = 0, word;
    size_t i = 0;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bits + i, sizeof(word));
        count += (unsigned)__builtin_popcountll(word);
    }
    for (; i < len; i++)
        count += (unsigned)__builtin_popcount(bits[i]);
    return count;
}

void cr_map_format(const struct cr_map *map, const uint8_t *bits, uint8_t *out)
{
    size_t slot_bytes = cr_map_slot_bytes(map->disk_bytes);
    size_t bits_bytes = cr_map_bits_bytes(map->disk_bytes);
    struct cr_id sum;
    memset(out, 0, slot_bytes);
    memcpy(out + AT_MAGIC, magic, sizeof(magic));
    cr_put_le64(out + AT_GENERATION, map->generation);
    memcpy(out + AT_ROOT, map->root.bytes, sizeof(map->root.bytes));
    cr_put_le64(out + AT_DISK_BYTES, map->disk_bytes);
    cr_put_le64(out + AT_DATA_CHUNKS, map->data_chunks);
    cr_put_le64(out + AT_PRESENT_CHUNKS, cr_bits_count(bits, bits_bytes));
    cr_put_le64(out + AT_USED, map->used_s);
    cr_put_le64(out + AT_NUMBER, map->number);
    memcpy(out + AT_IMAGE, map->image, strnlen(map->image, CR_NAME_MAX));
    memcpy(out + AT_BITS, bits, bits_bytes);
    cr_hash(out + AT_MAGIC, slot_bytes - AT_MAGIC, &sum);
    memcpy(out + AT_SUM, sum.bytes, sizeof(sum.bytes));
}

/* --- reading --------------------------------------------------------------------------------- */

/* The name of an image, or nothing; filled up with zeros. */
static bool image_take(const uint8_t *field, char out[static CR_NAME_MAX + 1])
{
    struct cr_ref ref;
    memcpy(out, field, CR_NAME_MAX);
    out[CR_NAME_MAX] = '\0';
    size_t len = strlen(out);
    if (!cr_is_zero(field + len, CR_NAME_MAX - len))
        return false;
    return len == 0 ||
           (cr_ref_parse(out, &ref, NULL) == 0 && strcmp(ref.name, out) == 0 && ref.number == 0);
}

static int counts_check(const struct cr_map *map, const uint8_t *bits, const uint8_t *end,
                        struct cr_error *err)
{
    uint64_t chunks = cr_disk_chunks(map->disk_bytes);
    size_t bits_bytes = cr_map_bits_bytes(map->disk_bytes);
    if (chunks % 8 != 0 && bits[bits_bytes - 1] >> (chunks % 8) != 0)
        return cr_error_set(err, -EBADMSG, "it has bits behind the end of the disk");
    if (!cr_is_zero(bits + bits_bytes, (size_t)(end - bits) - bits_bytes))
        return cr_error_set(err, -EBADMSG, "its end is not zero");
    if (cr_bits_count(bits, bits_bytes) != map->present_chunks)
        return cr_error_set(err, -EBADMSG, "it claims another number of chunks than it has");
    if (map->data_chunks != CR_MAP_UNKNOWN &&
        (map->data_chunks > chunks || map->present_chunks > map->data_chunks))
        return cr_error_set(err, -EBADMSG, "it claims more chunks than the version has");
    return 0;
}

int cr_map_parse(const uint8_t *data, size_t len, struct cr_map *ret_map, const uint8_t **ret_bits,
                 struct cr_error *err)
{
    struct cr_id sum;
    if (len < CR_MAP_PAGE_BYTES || memcmp(data + AT_MAGIC, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "it is no slot of a map");
    struct cr_map map = {
        .generation = cr_get_le64(data + AT_GENERATION),
        .disk_bytes = cr_get_le64(data + AT_DISK_BYTES),
        .data_chunks = cr_get_le64(data + AT_DATA_CHUNKS),
        .present_chunks = cr_get_le64(data + AT_PRESENT_CHUNKS),
        .used_s = cr_get_le64(data + AT_USED),
        .number = cr_get_le64(data + AT_NUMBER),
    };
    memcpy(map.root.bytes, data + AT_ROOT, sizeof(map.root.bytes));
    if (map.disk_bytes == 0 || map.disk_bytes > CR_DISK_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it claims a disk of %" PRIu64 " bytes", map.disk_bytes);
    if (len != cr_map_slot_bytes(map.disk_bytes))
        return cr_error_set(err, -EBADMSG, "it has %zu bytes, not those of its disk", len);
    cr_hash(data + AT_MAGIC, len - AT_MAGIC, &sum);
    if (memcmp(sum.bytes, data + AT_SUM, sizeof(sum.bytes)) != 0)
        return cr_error_set(err, -EBADMSG, "its checksum is wrong");
    if (map.generation == 0 || !image_take(data + AT_IMAGE, map.image) ||
        !cr_is_zero(data + AT_RESERVED, AT_BITS - AT_RESERVED))
        return cr_error_set(err, -EBADMSG, "its header is not in the right form");
    int r = counts_check(&map, data + AT_BITS, data + len, err);
    if (r < 0)
        return r;
    *ret_map = map;
    *ret_bits = data + AT_BITS;
    return 0;
}

int cr_map_pick(const uint8_t *data, size_t len, const struct cr_id *root, uint64_t disk_bytes,
                struct cr_map *ret_map, const uint8_t **ret_bits, unsigned *ret_slot)
{
    size_t slot_bytes = cr_map_slot_bytes(disk_bytes);
    bool found = false;
    for (unsigned slot = 0; slot < 2; slot++) {
        struct cr_map map;
        const uint8_t *bits = NULL;
        if (len < (slot + 1) * slot_bytes ||
            cr_map_parse(data + slot * slot_bytes, slot_bytes, &map, &bits, NULL) < 0 ||
            map.disk_bytes != disk_bytes || !cr_id_equal(&map.root, root))
            continue;
        if (found && map.generation <= ret_map->generation)
            continue;
        *ret_map = map;
        *ret_bits = bits;
        *ret_slot = slot;
        found = true;
    }
    return found ? 0 : -ENOENT;
}
