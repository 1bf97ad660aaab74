/* SPDX-License-Identifier: MIT */
/*
 * Which chunks of a version stand in its cache file, as it is kept beside the file (FORMAT.md): two
 * slots, written in turn, each whole and with a checksum. The parser takes bytes and owns nothing.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"

/* How many chunks hold data is known when all segments of the version have been seen. */
#define CR_MAP_UNKNOWN UINT64_MAX

struct cr_map {
    uint64_t generation; /* from 1; the slot with the higher one holds */
    struct cr_id root;   /* of the version */
    uint64_t disk_bytes;
    uint64_t data_chunks;    /* of the version that are no holes, or CR_MAP_UNKNOWN */
    uint64_t present_chunks; /* bits that are set */
    uint64_t used_s;         /* when the version was last opened or closed, seconds since 1970 */
    uint64_t number;         /* of the version; 0 = not known */
    char image[CR_NAME_MAX + 1]; /* its image, when it was last opened; "" = not known */
};

/* True when the map tells that every chunk of the version stands in the file, and durably so. */
bool cr_map_is_complete(const struct cr_map *map);

/* Bytes of the bits of a disk, and of one slot with its bits. */
size_t cr_map_bits_bytes(uint64_t disk_bytes);
size_t cr_map_slot_bytes(uint64_t disk_bytes);

/*
 * Write a slot into `out`, which has cr_map_slot_bytes bytes. `bits` has cr_map_bits_bytes of them:
 * bit i % 8 of byte i / 8 is that of chunk i; those behind the last chunk are zero.
 * map->present_chunks is not read but counted.
 */
void cr_map_format(const struct cr_map *map, const uint8_t *bits, uint8_t *out);

/*
 * Parse a slot. *ret_bits is borrowed from `data`. Returns 0, or -EBADMSG with what is wrong;
 * `ret_map` is unchanged then.
 */
int cr_map_parse(const uint8_t *data, size_t len, struct cr_map *ret_map, const uint8_t **ret_bits,
                 struct cr_error *err);

/*
 * Of the two slots in the bytes of a map file, the newest whole one that is of `root` and a disk of
 * `disk_bytes`; *ret_slot tells which, 0 or 1. Returns 0, or -ENOENT when there is none.
 */
int cr_map_pick(const uint8_t *data, size_t len, const struct cr_id *root, uint64_t disk_bytes,
                struct cr_map *ret_map, const uint8_t **ret_bits, unsigned *ret_slot);

static inline bool cr_bit_get(const uint8_t *bits, uint64_t index)
{
    return bits[index / 8] >> (index % 8) & 1;
}

static inline void cr_bit_set(uint8_t *bits, uint64_t index)
{
    bits[index / 8] |= (uint8_t)(1U << index % 8);
}

static inline void cr_bit_clear(uint8_t *bits, uint64_t index)
{
    bits[index / 8] &= (uint8_t) ~(1U << index % 8);
}

/* Bits that are set in `len` bytes. */
uint64_t cr_bits_count(const uint8_t *bits, size_t len);
