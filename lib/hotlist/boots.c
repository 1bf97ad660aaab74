/* SPDX-License-Identifier: MIT */
#include "lib/hotlist/boots.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>

#define HEADER_BYTES 16U
#define BOOT_BYTES   48U

static const char magic[8] = "CRBOOTS1";

void cr_boots_done(struct cr_boots *boots)
{
    for (uint32_t i = 0; i < boots->count; i++)
        cr_hotlist_done(&boots->boots[i].list);
    boots->count = 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* One boot at *next, which moves behind it. */
static int boot_parse(const uint8_t **next, const uint8_t *end, const struct cr_boots *before,
                      struct cr_boot *boot, struct cr_error *err)
{
    const uint8_t *p = *next;
    if (end - p < (ptrdiff_t)BOOT_BYTES)
        return cr_error_set(err, -EBADMSG, "it ends within boot %u", before->count);
    memcpy(boot->client.bytes, p, CR_ID_BYTES);
    boot->when_s = (int64_t)cr_get_le64(p + 32);
    uint32_t bytes = cr_get_le32(p + 40);
    if (cr_get_le32(p + 44) != 0 || bytes > (size_t)(end - p) - BOOT_BYTES)
        return cr_error_set(err, -EBADMSG, "it claims %u bytes for boot %u", bytes, before->count);
    if (cr_boots_find(before, &boot->client) != NULL)
        return cr_error_set(err, -EBADMSG, "it claims two boots of one client");
    int r = cr_hotlist_parse(p + BOOT_BYTES, bytes, &boot->list, err);
    if (r < 0)
        return r;
    const struct cr_hotlist *first = before->count == 0 ? &boot->list : &before->boots[0].list;
    if (!cr_id_equal(&boot->list.root, &first->root) ||
        boot->list.disk_bytes != first->disk_bytes) {
        cr_hotlist_done(&boot->list);
        return cr_error_set(err, -EBADMSG, "it claims boots of two versions");
    }
    *next = p + BOOT_BYTES + bytes;
    return 0;
}

int cr_boots_parse(const void *data, size_t len, struct cr_boots *ret_boots, struct cr_error *err)
{
    CLEANUP(cr_boots_done) struct cr_boots boots = {0};
    const uint8_t *p = data;
    struct cr_id found;
    if (len < HEADER_BYTES + CR_ID_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are no recorded boots", len);
    const uint8_t *next = p + HEADER_BYTES, *end = p + len - CR_ID_BYTES;
    cr_hash(p, len - CR_ID_BYTES, &found);
    if (memcmp(found.bytes, end, CR_ID_BYTES) != 0)
        return cr_error_set(err, -EBADMSG, "they do not hash to what stands at their end");
    uint32_t count = cr_get_le32(p + 8);
    if (count == 0 || count > CR_HOT_BOOTS_MAX || cr_get_le32(p + 12) != 0)
        return cr_error_set(err, -EBADMSG, "it claims %u boots, there are 1 to %u", count,
                            CR_HOT_BOOTS_MAX);
    for (; boots.count < count; boots.count++) {
        int r = boot_parse(&next, end, &boots, &boots.boots[boots.count], err);
        if (r < 0)
            return r;
    }
    if (next != end)
        return cr_error_set(err, -EBADMSG, "%td bytes follow the last boot", end - next);
    *ret_boots = boots;
    boots.count = 0;
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static int boot_format(const struct cr_boot *boot, struct cr_buf *out)
{
    uint8_t header[BOOT_BYTES] = {0};
    size_t start = out->len;
    memcpy(header, boot->client.bytes, CR_ID_BYTES);
    cr_put_le64(header + 32, (uint64_t)boot->when_s);
    int r = cr_buf_append(out, header, sizeof(header));
    if (r == 0)
        r = cr_hotlist_format(&boot->list, out);
    if (r == 0)
        cr_put_le32(out->data + start + 40, (uint32_t)(out->len - start - BOOT_BYTES));
    return r;
}

int cr_boots_format(const struct cr_boots *boots, struct cr_buf *out)
{
    uint8_t header[HEADER_BYTES] = {0};
    struct cr_id hash;
    size_t start = out->len;
    memcpy(header, magic, sizeof(magic));
    cr_put_le32(header + 8, boots->count);
    int r = cr_buf_append(out, header, sizeof(header));
    for (uint32_t i = 0; i < boots->count && r == 0; i++)
        r = boot_format(&boots->boots[i], out);
    if (r < 0)
        return r;
    cr_hash(out->data + start, out->len - start, &hash);
    return cr_buf_append(out, hash.bytes, sizeof(hash.bytes));
}

/* --- keeping --------------------------------------------------------------------------------- */

const struct cr_boot *cr_boots_find(const struct cr_boots *boots, const struct cr_id *client)
{
    for (uint32_t i = 0; i < boots->count; i++)
        if (cr_id_equal(&boots->boots[i].client, client))
            return &boots->boots[i];
    return NULL;
}

static void boot_remove(struct cr_boots *boots, uint32_t at)
{
    cr_hotlist_done(&boots->boots[at].list);
    boots->count--;
    for (uint32_t i = at; i < boots->count; i++)
        boots->boots[i] = boots->boots[i + 1];
}

void cr_boots_add(struct cr_boots *boots, struct cr_boot *boot)
{
    const struct cr_boot *earlier = cr_boots_find(boots, &boot->client);
    if (earlier != NULL)
        boot_remove(boots, (uint32_t)(earlier - boots->boots));
    else if (boots->count == CR_HOT_BOOTS_MAX)
        boot_remove(boots, 0);
    boots->boots[boots->count++] = *boot;
    boot->list = (struct cr_hotlist){0};
}

int cr_boots_merge(const struct cr_boots *boots, struct cr_hotlist *ret_list)
{
    struct cr_hotlist lists[CR_HOT_BOOTS_MAX];
    for (uint32_t i = 0; i < boots->count; i++)
        lists[i] = boots->boots[i].list;
    return cr_hotlist_merge(lists, boots->count, ret_list);
}
