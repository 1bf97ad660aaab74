/* SPDX-License-Identifier: MIT */
#include "lib/delta/index.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <inttypes.h>

#define HEADER_BYTES 104U
#define PART_BYTES   40U
#define GROUP_BYTES  24U

static const char magic[8] = "CRDELTA1";

void cr_delta_index_done(struct cr_delta_index *index)
{
    free(index->parts);
    free(index->groups);
    *index = (struct cr_delta_index){0};
}

/* --- reading --------------------------------------------------------------------------------- */

static int header_parse(const uint8_t *p, size_t len, struct cr_delta_index *index,
                        struct cr_error *err)
{
    if (len < HEADER_BYTES + CR_ID_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are not the index of a delta", len);
    struct cr_id found;
    cr_hash(p, len - CR_ID_BYTES, &found);
    if (memcmp(found.bytes, p + len - CR_ID_BYTES, CR_ID_BYTES) != 0)
        return cr_error_set(err, -EBADMSG, "its index does not hash to what stands at its end");
    memcpy(index->old_root.bytes, p + 8, CR_ID_BYTES);
    memcpy(index->new_root.bytes, p + 40, CR_ID_BYTES);
    index->old_bytes = cr_get_le64(p + 72);
    index->new_bytes = cr_get_le64(p + 80);
    index->chunks = cr_get_le64(p + 88);
    index->part_count = cr_get_le32(p + 96);
    index->group_count = cr_get_le32(p + 100);
    if (index->old_bytes == 0 || index->old_bytes > CR_DISK_BYTES_MAX || index->new_bytes == 0 ||
        index->new_bytes > CR_DISK_BYTES_MAX)
        return cr_error_set(err, -EBADMSG,
                            "it claims disks of %" PRIu64 " and %" PRIu64
                            " bytes, each may have 1 to %llu",
                            index->old_bytes, index->new_bytes, CR_DISK_BYTES_MAX);
    uint64_t wanted = HEADER_BYTES + (uint64_t)index->part_count * PART_BYTES +
                      (uint64_t)index->group_count * GROUP_BYTES + CR_ID_BYTES;
    if (len > CR_SIDE_BYTES_MAX || wanted != len)
        return cr_error_set(err, -EBADMSG, "it claims %u parts and %u groups in %zu bytes",
                            index->part_count, index->group_count, len);
    return 0;
}

static int part_parse(const uint8_t *p, uint32_t number, struct cr_delta_part *part,
                      struct cr_error *err)
{
    part->bytes = cr_get_le32(p);
    memcpy(part->hash.bytes, p + 8, CR_ID_BYTES);
    if (part->bytes == 0 || part->bytes > CR_SIDE_BYTES_MAX || cr_get_le32(p + 4) != 0)
        return cr_error_set(err, -EBADMSG, "it claims %u bytes for part %u, at most %llu",
                            part->bytes, number, CR_SIDE_BYTES_MAX);
    return 0;
}

/* Where the next group must lie. */
struct cursor {
    uint32_t part, offset;
    uint64_t chunk; /* the lowest that it may make */
    uint64_t chunks;
};

static int group_parse(const uint8_t *p, uint32_t number, const struct cr_delta_index *index,
                       struct cursor *next, struct cr_delta_group *group, struct cr_error *err)
{
    *group = (struct cr_delta_group){.first = cr_get_le64(p),
                                     .chunks = cr_get_le32(p + 8),
                                     .part = cr_get_le32(p + 12),
                                     .offset = cr_get_le32(p + 16),
                                     .bytes = cr_get_le32(p + 20)};
    uint64_t disk = cr_disk_chunks(index->new_bytes);
    if (group->first < next->chunk || group->first >= disk || group->chunks == 0 ||
        group->chunks > CR_DELTA_GROUP_CHUNKS_MAX || group->chunks > disk - group->first)
        return cr_error_set(err, -EBADMSG,
                            "it claims %u chunks from %" PRIu64
                            " in group %u, where the disk has %" PRIu64,
                            group->chunks, group->first, number, disk);
    if (group->part != next->part || group->offset != next->offset ||
        group->part >= index->part_count || group->bytes == 0 ||
        group->bytes > index->parts[group->part].bytes - group->offset)
        return cr_error_set(err, -EBADMSG, "its group %u does not begin where the one before ends",
                            number);
    next->chunk = group->first + group->chunks;
    next->chunks += group->chunks;
    next->offset += group->bytes;
    if (next->offset == index->parts[group->part].bytes) {
        next->part++;
        next->offset = 0;
    }
    return 0;
}

static int tables_parse(const uint8_t *p, struct cr_delta_index *index, struct cr_error *err)
{
    index->parts = cr_calloc(index->part_count, sizeof(*index->parts));
    index->groups = cr_calloc(index->group_count, sizeof(*index->groups));
    if (index->parts == NULL || index->groups == NULL)
        return cr_error_errno(err, -ENOMEM, "an index of %u groups", index->group_count);
    for (uint32_t i = 0; i < index->part_count; i++, p += PART_BYTES) {
        int r = part_parse(p, i, &index->parts[i], err);
        if (r < 0)
            return r;
    }
    struct cursor next = {0};
    for (uint32_t i = 0; i < index->group_count; i++, p += GROUP_BYTES) {
        int r = group_parse(p, i, index, &next, &index->groups[i], err);
        if (r < 0)
            return r;
    }
    if (next.part != index->part_count || next.offset != 0 || next.chunks != index->chunks)
        return cr_error_set(err, -EBADMSG, "its groups do not fill its parts");
    return 0;
}

int cr_delta_index_parse(const void *data, size_t len, struct cr_delta_index *ret_index,
                         struct cr_error *err)
{
    CLEANUP(cr_delta_index_done) struct cr_delta_index index = {0};
    int r = header_parse(data, len, &index, err);
    if (r == 0)
        r = tables_parse((const uint8_t *)data + HEADER_BYTES, &index, err);
    if (r < 0)
        return r;
    *ret_index = index;
    index = (struct cr_delta_index){0};
    return 0;
}

const struct cr_delta_group *cr_delta_index_find(const struct cr_delta_index *index, uint64_t chunk)
{
    uint32_t low = 0, high = index->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->groups[middle].first <= chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &index->groups[low - 1];
}

/* --- writing --------------------------------------------------------------------------------- */

int cr_delta_index_format(const struct cr_delta_index *index, struct cr_buf *out)
{
    uint8_t bytes[HEADER_BYTES];
    size_t start = out->len;
    memcpy(bytes, magic, sizeof(magic));
    memcpy(bytes + 8, index->old_root.bytes, CR_ID_BYTES);
    memcpy(bytes + 40, index->new_root.bytes, CR_ID_BYTES);
    cr_put_le64(bytes + 72, index->old_bytes);
    cr_put_le64(bytes + 80, index->new_bytes);
    cr_put_le64(bytes + 88, index->chunks);
    cr_put_le32(bytes + 96, index->part_count);
    cr_put_le32(bytes + 100, index->group_count);
    int r = cr_buf_append(out, bytes, HEADER_BYTES);
    for (uint32_t i = 0; i < index->part_count && r == 0; i++) {
        cr_put_le32(bytes, index->parts[i].bytes);
        cr_put_le32(bytes + 4, 0);
        memcpy(bytes + 8, index->parts[i].hash.bytes, CR_ID_BYTES);
        r = cr_buf_append(out, bytes, PART_BYTES);
    }
    for (uint32_t i = 0; i < index->group_count && r == 0; i++) {
        const struct cr_delta_group *group = &index->groups[i];
        cr_put_le64(bytes, group->first);
        cr_put_le32(bytes + 8, group->chunks);
        cr_put_le32(bytes + 12, group->part);
        cr_put_le32(bytes + 16, group->offset);
        cr_put_le32(bytes + 20, group->bytes);
        r = cr_buf_append(out, bytes, GROUP_BYTES);
    }
    if (r < 0)
        return r;
    struct cr_id hash;
    cr_hash(out->data + start, out->len - start, &hash);
    return cr_buf_append(out, hash.bytes, CR_ID_BYTES);
}

const char *cr_delta_index_name(const struct cr_id *old_root, const struct cr_id *new_root,
                                char out[static CR_DELTA_NAME])
{
    char old_hex[CR_ID_HEX], new_hex[CR_ID_HEX];
    snprintf(out, CR_DELTA_NAME, "%s-%s", cr_id_format(old_root, old_hex),
             cr_id_format(new_root, new_hex));
    return out;
}

const char *cr_delta_part_name(const struct cr_id *old_root, const struct cr_id *new_root,
                               uint32_t part, char out[static CR_DELTA_NAME])
{
    cr_delta_index_name(old_root, new_root, out);
    snprintf(out + 2 * (CR_ID_HEX - 1) + 1, CR_DELTA_NAME - 2 * (CR_ID_HEX - 1) - 1, ".%u", part);
    return out;
}
