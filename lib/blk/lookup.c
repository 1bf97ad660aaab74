/* SPDX-License-Identifier: MIT */
#include "lib/blk/lookup.h"

#include <errno.h>
#include <inttypes.h>

int cr_lookup_chunk(struct cr_version *version, uint64_t index, const struct cr_id **ret_id,
                    struct cr_error *err)
{
    const struct cr_id *ids = NULL;
    int r = cr_version_segment(version, (uint32_t)(index >> CR_SEGMENT_SHIFT), &ids, err);
    if (r < 0)
        return r;
    const struct cr_id *id = ids == NULL ? NULL : &ids[index & (CR_SEGMENT_CHUNKS - 1)];
    *ret_id = id == NULL || cr_id_is_hole(id) ? NULL : id;
    return 0;
}

int cr_lookup_extent(struct cr_version *version, uint64_t offset, uint64_t max_bytes,
                     uint64_t *ret_bytes, bool *ret_hole, struct cr_error *err)
{
    const struct cr_id *id = NULL;
    uint64_t left = cr_version_disk_bytes(version) - offset;
    uint64_t end = offset + (max_bytes < left ? max_bytes : left);
    uint64_t index = offset >> CR_CHUNK_SHIFT;
    int r = cr_lookup_chunk(version, index, &id, err);
    if (r < 0)
        return r;
    bool hole = id == NULL;
    for (index++; index << CR_CHUNK_SHIFT < end; index++) {
        r = cr_lookup_chunk(version, index, &id, err);
        if (r < 0)
            return r;
        if ((id == NULL) != hole) {
            end = index << CR_CHUNK_SHIFT;
            break;
        }
    }
    *ret_bytes = end - offset;
    *ret_hole = hole;
    return 0;
}

struct cr_piece cr_piece_first(uint64_t disk_bytes, uint8_t *out, uint64_t len, uint64_t offset)
{
    struct cr_piece piece = {
        .index = offset >> CR_CHUNK_SHIFT, .from = offset & (CR_CHUNK_BYTES - 1), .out = out};
    piece.chunk_bytes = cr_chunk_bytes(disk_bytes, piece.index);
    uint32_t room = piece.chunk_bytes - piece.from;
    piece.bytes = len < room ? (uint32_t)len : room;
    return piece;
}

int cr_range_check(uint64_t disk_bytes, uint64_t len, uint64_t offset, struct cr_error *err)
{
    if (offset <= disk_bytes && len <= disk_bytes - offset)
        return 0;
    return cr_error_set(err, -EINVAL,
                        "%" PRIu64 " bytes at %" PRIu64 " are outside the disk of %" PRIu64, len,
                        offset, disk_bytes);
}
