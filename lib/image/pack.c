/* SPDX-License-Identifier: MIT */
#include "lib/image/pack.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

static const char pack_magic[CR_PACK_HEADER_BYTES] = "CRPACK01";
static const char end_magic[8] = "CRPKEND1";

void cr_pack_init(struct cr_pack *pack)
{
    *pack = (struct cr_pack){.bytes = CR_BUF_INIT(CR_PACK_BYTES_MAX)};
}

void cr_pack_done(struct cr_pack *pack)
{
    cr_buf_done(&pack->bytes);
    free(pack->entries);
    cr_pack_init(pack);
}

bool cr_pack_is_full(const struct cr_pack *pack)
{
    return pack->bytes.len >= CR_PACK_TARGET_BYTES || pack->count == CR_PACK_CHUNKS_MAX;
}

static int entries_grow(struct cr_pack *pack)
{
    if (pack->count < pack->room)
        return 0;
    uint32_t room = pack->room ? 2 * pack->room : 256;
    struct cr_pack_entry *entries = realloc(pack->entries, room * sizeof(*entries));
    if (entries == NULL)
        return -ENOMEM;
    pack->entries = entries;
    pack->room = room;
    return 0;
}

int cr_pack_add(struct cr_pack *pack, const struct cr_id *id, const void *frame, size_t frame_len)
{
    if (frame_len == 0 || frame_len > cr_kinds[CR_CHUNK].frame_max || cr_id_is_hole(id))
        return -EINVAL;
    if (cr_pack_is_full(pack))
        return -ENOSPC;
    int r = entries_grow(pack);
    if (r == 0 && pack->bytes.len == 0)
        r = cr_buf_append(&pack->bytes, pack_magic, sizeof(pack_magic));
    if (r < 0)
        return r;
    uint32_t offset = (uint32_t)pack->bytes.len;
    r = cr_buf_append(&pack->bytes, frame, frame_len);
    if (r < 0)
        return r;
    pack->entries[pack->count++] =
        (struct cr_pack_entry){.id = *id, .offset = offset, .frame_len = (uint32_t)frame_len};
    return 0;
}

int cr_pack_finish(struct cr_pack *pack, struct cr_id *ret_name)
{
    size_t start = pack->bytes.len;
    if (pack->count == 0)
        return -EINVAL;
    for (uint32_t i = 0; i < pack->count; i++) {
        uint8_t entry[CR_PACK_ENTRY_BYTES];
        memcpy(entry, pack->entries[i].id.bytes, CR_ID_BYTES);
        cr_put_le32(entry + 32, pack->entries[i].offset);
        cr_put_le32(entry + 36, pack->entries[i].frame_len);
        int r = cr_buf_append(&pack->bytes, entry, sizeof(entry));
        if (r < 0)
            return r;
    }
    uint8_t trailer[CR_PACK_TRAILER_BYTES] = {0};
    cr_put_le32(trailer, pack->count);
    memcpy(trailer + 8, end_magic, sizeof(end_magic));
    int r = cr_buf_append(&pack->bytes, trailer, sizeof(trailer));
    if (r < 0)
        return r;
    cr_hash(pack->bytes.data + start, pack->bytes.len - start, ret_name);
    return 0;
}

size_t cr_pack_footer_bytes(const uint8_t trailer[static CR_PACK_TRAILER_BYTES])
{
    uint32_t count = cr_get_le32(trailer);
    if (count == 0 || count > CR_PACK_CHUNKS_MAX || cr_get_le32(trailer + 4) != 0 ||
        memcmp(trailer + 8, end_magic, sizeof(end_magic)) != 0)
        return 0;
    return (size_t)count * CR_PACK_ENTRY_BYTES + CR_PACK_TRAILER_BYTES;
}

int cr_pack_footer_parse(const void *footer, size_t len, const struct cr_id *name,
                         uint64_t pack_bytes, struct cr_pack_entry **ret_entries,
                         uint32_t *ret_count, struct cr_error *err)
{
    const uint8_t *p = footer;
    if (len < CR_PACK_TRAILER_BYTES || cr_pack_footer_bytes(p + len - CR_PACK_TRAILER_BYTES) != len)
        return cr_error_set(err, -EBADMSG, "its footer is damaged or cut off");
    if (pack_bytes > CR_PACK_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it has %" PRIu64 " bytes, at most %llu", pack_bytes,
                            CR_PACK_BYTES_MAX);
    if (pack_bytes < CR_PACK_HEADER_BYTES + len)
        return cr_error_set(err, -EBADMSG,
                            "its footer and header do not fit into its %" PRIu64 " bytes",
                            pack_bytes);
    struct cr_id found;
    cr_hash(footer, len, &found);
    if (!cr_id_equal(&found, name))
        return cr_error_set(err, -EBADMSG, "its footer does not hash to its name");
    uint32_t count = cr_get_le32(p + len - CR_PACK_TRAILER_BYTES);
    uint64_t frames_end = pack_bytes - len;
    CLEANUP_FREE struct cr_pack_entry *entries = cr_calloc(count, sizeof(*entries));
    if (entries == NULL)
        return cr_error_errno(err, -ENOMEM, "a footer of %u chunks", count);
    uint64_t next = CR_PACK_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++, p += CR_PACK_ENTRY_BYTES) {
        memcpy(entries[i].id.bytes, p, CR_ID_BYTES);
        entries[i].offset = cr_get_le32(p + 32);
        entries[i].frame_len = cr_get_le32(p + 36);
        if (cr_id_is_hole(&entries[i].id))
            return cr_error_set(err, -EBADMSG, "chunk %u of its footer has the id of a hole", i);
        if (entries[i].frame_len == 0 || entries[i].frame_len > cr_kinds[CR_CHUNK].frame_max ||
            (uint64_t)entries[i].offset + entries[i].frame_len > frames_end)
            return cr_error_set(err, -EBADMSG, "chunk %u of its footer lies outside it", i);
        if (entries[i].offset != next)
            return cr_error_set(err, -EBADMSG,
                                "chunk %u of its footer does not begin where the "
                                "one before ends",
                                i);
        next += entries[i].frame_len;
    }
    if (next != frames_end)
        return cr_error_set(err, -EBADMSG, "%" PRIu64 " bytes before its footer belong to no chunk",
                            frames_end - next);
    *ret_entries = TAKE_PTR(entries);
    *ret_count = count;
    return 0;
}
