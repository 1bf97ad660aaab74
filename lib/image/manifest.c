/* SPDX-License-Identifier: MIT */
#include "lib/image/manifest.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

static const char manifest_magic[8] = "CRMANIF1";
static const char segment_magic[8] = "CRSEGMT1";

enum { HASH_SHA256 = 1 };

uint64_t cr_disk_chunks(uint64_t disk_bytes)
{
    return (disk_bytes + CR_CHUNK_BYTES - 1) >> CR_CHUNK_SHIFT;
}

static uint32_t disk_segments(uint64_t disk_bytes)
{
    return (uint32_t)((cr_disk_chunks(disk_bytes) + CR_SEGMENT_CHUNKS - 1) >> CR_SEGMENT_SHIFT);
}

uint32_t cr_segment_chunks(uint64_t disk_bytes, uint32_t index)
{
    uint64_t left = cr_disk_chunks(disk_bytes) - ((uint64_t)index << CR_SEGMENT_SHIFT);
    return left < CR_SEGMENT_CHUNKS ? (uint32_t)left : CR_SEGMENT_CHUNKS;
}

uint32_t cr_chunk_bytes(uint64_t disk_bytes, uint64_t index)
{
    uint64_t left = disk_bytes - (index << CR_CHUNK_SHIFT);
    return left < CR_CHUNK_BYTES ? (uint32_t)left : CR_CHUNK_BYTES;
}

void cr_manifest_done(struct cr_manifest *manifest)
{
    free(manifest->segments);
    *manifest = (struct cr_manifest){0};
}

static int disk_bytes_check(uint64_t disk_bytes, int code, struct cr_error *err)
{
    if (disk_bytes == 0)
        return cr_error_set(err, code, "it claims a disk of 0 bytes");
    if (disk_bytes > CR_DISK_BYTES_MAX)
        return cr_error_set(err, code,
                            "it claims a disk of %" PRIu64 " bytes, at most %llu (64 TiB)",
                            disk_bytes, CR_DISK_BYTES_MAX);
    return 0;
}

int cr_manifest_init(struct cr_manifest *manifest, uint64_t disk_bytes, struct cr_error *err)
{
    int r = disk_bytes_check(disk_bytes, -EFBIG, err);
    if (r < 0)
        return r;
    uint32_t count = disk_segments(disk_bytes);
    struct cr_id *segments = cr_calloc(count, sizeof(*segments));
    if (segments == NULL)
        return cr_error_errno(err, -ENOMEM, "a manifest of %u segments", count);
    *manifest = (struct cr_manifest){
        .disk_bytes = disk_bytes, .segment_count = count, .segments = segments};
    return 0;
}

int cr_manifest_parse(const void *data, size_t len, struct cr_manifest *ret_manifest,
                      struct cr_error *err)
{
    const uint8_t *p = data;
    if (len < CR_MANIFEST_HEADER || memcmp(p, manifest_magic, sizeof(manifest_magic)) != 0)
        return cr_error_set(err, -EBADMSG, "it is not a manifest (no \"CRMANIF1\" header)");
    if (p[8] != HASH_SHA256 || p[9] != CR_CHUNK_SHIFT || p[10] != CR_SEGMENT_SHIFT || p[11] != 0)
        return cr_error_set(err, -EBADMSG,
                            "it uses hash %u, chunk shift %u, segment shift %u, flags %u; this "
                            "version of Carrel knows 1, 16, 12, 0 only",
                            p[8], p[9], p[10], p[11]);
    uint32_t count = cr_get_le32(p + 12);
    uint64_t disk_bytes = cr_get_le64(p + 16);
    int r = disk_bytes_check(disk_bytes, -EBADMSG, err);
    if (r < 0)
        return r;
    if (cr_get_le64(p + 24) != 0)
        return cr_error_set(err, -EBADMSG, "its reserved bytes are not zero");
    if (count != disk_segments(disk_bytes) ||
        len != CR_MANIFEST_HEADER + (size_t)count * CR_ID_BYTES)
        return cr_error_set(
            err, -EBADMSG, "it claims %u segments in %zu bytes, a disk of %" PRIu64 " bytes has %u",
            count, len, disk_bytes, disk_segments(disk_bytes));
    struct cr_manifest manifest = {0};
    r = cr_manifest_init(&manifest, disk_bytes, err);
    if (r < 0)
        return r;
    memcpy(manifest.segments, p + CR_MANIFEST_HEADER, (size_t)count * CR_ID_BYTES);
    *ret_manifest = manifest;
    return 0;
}

int cr_manifest_format(const struct cr_manifest *manifest, struct cr_buf *out)
{
    uint8_t header[CR_MANIFEST_HEADER] = {0};
    memcpy(header, manifest_magic, sizeof(manifest_magic));
    header[8] = HASH_SHA256;
    header[9] = CR_CHUNK_SHIFT;
    header[10] = CR_SEGMENT_SHIFT;
    cr_put_le32(header + 12, manifest->segment_count);
    cr_put_le64(header + 16, manifest->disk_bytes);
    int r = cr_buf_append(out, header, sizeof(header));
    if (r < 0)
        return r;
    return cr_buf_append(out, manifest->segments, (size_t)manifest->segment_count * CR_ID_BYTES);
}

int cr_segment_parse(const void *data, size_t len, uint32_t count, struct cr_id *ids,
                     struct cr_error *err)
{
    const uint8_t *p = data;
    if (len < CR_OBJECT_HEADER || memcmp(p, segment_magic, sizeof(segment_magic)) != 0)
        return cr_error_set(err, -EBADMSG, "it is not a segment (no \"CRSEGMT1\" header)");
    uint32_t found = cr_get_le32(p + 8);
    if (cr_get_le32(p + 12) != 0)
        return cr_error_set(err, -EBADMSG, "its reserved bytes are not zero");
    if (found != count || len != CR_OBJECT_HEADER + (size_t)count * CR_ID_BYTES)
        return cr_error_set(err, -EBADMSG, "it claims %u chunks in %zu bytes, its place has %u",
                            found, len, count);
    memcpy(ids, p + CR_OBJECT_HEADER, (size_t)count * CR_ID_BYTES);
    return 0;
}

int cr_segment_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out)
{
    uint8_t header[CR_OBJECT_HEADER] = {0};
    memcpy(header, segment_magic, sizeof(segment_magic));
    cr_put_le32(header + 8, count);
    int r = cr_buf_append(out, header, sizeof(header));
    if (r < 0)
        return r;
    return cr_buf_append(out, ids, (size_t)count * CR_ID_BYTES);
}
