/* SPDX-License-Identifier: MIT */
#include "lib/hotlist/hotlist.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/base/varint.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <inttypes.h>

#define HEADER_BYTES 56U

static const char magic[8] = "CRHOTLS1";

void cr_hotlist_done(struct cr_hotlist *list)
{
    free(list->chunks);
    *list = (struct cr_hotlist){0};
}

/* --- reading --------------------------------------------------------------------------------- */

static int header_parse(const uint8_t *p, size_t len, struct cr_hotlist *list, struct cr_error *err)
{
    if (len < HEADER_BYTES + CR_ID_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are no hot list", len);
    struct cr_id found;
    cr_hash(p, len - CR_ID_BYTES, &found);
    if (memcmp(found.bytes, p + len - CR_ID_BYTES, CR_ID_BYTES) != 0)
        return cr_error_set(err, -EBADMSG, "it does not hash to what stands at its end");
    memcpy(list->root.bytes, p + 8, CR_ID_BYTES);
    list->disk_bytes = cr_get_le64(p + 40);
    list->count = cr_get_le32(p + 48);
    if (list->disk_bytes == 0 || list->disk_bytes > CR_DISK_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it claims a disk of %" PRIu64 " bytes",
                            list->disk_bytes);
    if (list->count > CR_HOT_CHUNKS_MAX || list->count > cr_disk_chunks(list->disk_bytes) ||
        cr_get_le32(p + 52) != 0)
        return cr_error_set(err, -EBADMSG, "it claims %u chunks, at most %u and those of the disk",
                            list->count, CR_HOT_CHUNKS_MAX);
    return 0;
}

static int chunk_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int repeats_check(const struct cr_hotlist *list, struct cr_error *err)
{
    CLEANUP_FREE uint32_t *sorted = cr_calloc(list->count, sizeof(*sorted));
    if (sorted == NULL)
        return cr_error_errno(err, -ENOMEM, "a hot list of %u chunks", list->count);
    for (uint32_t i = 0; i < list->count; i++)
        sorted[i] = list->chunks[i];
    qsort(sorted, list->count, sizeof(*sorted), chunk_compare);
    for (uint32_t i = 1; i < list->count; i++)
        if (sorted[i] == sorted[i - 1])
            return cr_error_set(err, -EBADMSG, "it claims chunk %u twice", sorted[i]);
    return 0;
}

static int chunks_parse(const uint8_t *next, const uint8_t *end, struct cr_hotlist *list,
                        struct cr_error *err)
{
    uint64_t disk = cr_disk_chunks(list->disk_bytes), step = 0;
    int64_t expected = 0;
    list->chunks = cr_calloc(list->count, sizeof(*list->chunks));
    if (list->chunks == NULL)
        return cr_error_errno(err, -ENOMEM, "a hot list of %u chunks", list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        if (cr_varint_get(&next, end, &step) < 0)
            return cr_error_set(err, -EBADMSG, "its chunk %u cannot be read", i);
        int64_t chunk = expected + cr_varint_zagzig(step);
        if (chunk < 0 || (uint64_t)chunk >= disk)
            return cr_error_set(err, -EBADMSG, "it claims chunk %" PRId64 ", the disk has %" PRIu64,
                                chunk, disk);
        list->chunks[i] = (uint32_t)chunk;
        expected = chunk + 1;
    }
    if (next != end)
        return cr_error_set(err, -EBADMSG, "%td bytes follow its last chunk", end - next);
    return repeats_check(list, err);
}

int cr_hotlist_parse(const void *data, size_t len, struct cr_hotlist *ret_list,
                     struct cr_error *err)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0};
    const uint8_t *bytes = data;
    int r = header_parse(bytes, len, &list, err);
    if (r == 0)
        r = chunks_parse(bytes + HEADER_BYTES, bytes + len - CR_ID_BYTES, &list, err);
    if (r < 0)
        return r;
    *ret_list = list;
    list = (struct cr_hotlist){0};
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

int cr_hotlist_format(const struct cr_hotlist *list, struct cr_buf *out)
{
    uint8_t header[HEADER_BYTES];
    struct cr_id hash;
    size_t start = out->len;
    int64_t expected = 0;
    memcpy(header, magic, sizeof(magic));
    memcpy(header + 8, list->root.bytes, CR_ID_BYTES);
    cr_put_le64(header + 40, list->disk_bytes);
    cr_put_le32(header + 48, list->count);
    cr_put_le32(header + 52, 0);
    int r = cr_buf_append(out, header, sizeof(header));
    for (uint32_t i = 0; i < list->count && r == 0; i++) {
        r = cr_varint_put(out, cr_varint_zigzag(list->chunks[i] - expected));
        expected = (int64_t)list->chunks[i] + 1;
    }
    if (r < 0)
        return r;
    cr_hash(out->data + start, out->len - start, &hash);
    return cr_buf_append(out, hash.bytes, sizeof(hash.bytes));
}

int cr_hotlist_inherit(const struct cr_hotlist *parent, const struct cr_id *root,
                       uint64_t disk_bytes, struct cr_hotlist *ret_list)
{
    struct cr_hotlist list = {.root = *root, .disk_bytes = disk_bytes};
    list.chunks = cr_calloc(parent->count, sizeof(*list.chunks));
    if (list.chunks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < parent->count; i++)
        if (parent->chunks[i] < cr_disk_chunks(disk_bytes))
            list.chunks[list.count++] = parent->chunks[i];
    *ret_list = list;
    return 0;
}
