/* SPDX-License-Identifier: MIT */
#include "lib/sync/arrive.h"

#include "lib/base/mem.h"

#include <errno.h>

static const char pack_magic[CR_PACK_HEADER_BYTES] = "CRPACK01";

static int frames_check(const struct cr_pack *pack, struct cr_error *err)
{
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "looking at a pack");
    for (uint32_t i = 0; i < pack->count; i++) {
        const struct cr_pack_entry *entry = &pack->entries[i];
        size_t len;
        int r = cr_object_open(CR_CHUNK, &entry->id, pack->bytes.data + entry->offset,
                               entry->frame_len, plain, CR_CHUNK_BYTES, &len, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Fill in `pack`, whose bytes are there, from its own footer. */
static int pack_parse(struct cr_pack *pack, const struct cr_id *name, struct cr_error *err)
{
    const struct cr_buf *bytes = &pack->bytes;
    struct cr_error why = {0};
    size_t footer = 0;
    if (bytes->len >= CR_PACK_HEADER_BYTES + CR_PACK_TRAILER_BYTES &&
        memcmp(bytes->data, pack_magic, sizeof(pack_magic)) == 0)
        footer = cr_pack_footer_bytes(bytes->data + bytes->len - CR_PACK_TRAILER_BYTES);
    if (footer == 0 || footer > bytes->len)
        return cr_error_set(err, -EBADMSG, "what was sent is no pack");
    int r = cr_pack_footer_parse(bytes->data + bytes->len - footer, footer, name, bytes->len,
                                 &pack->entries, &pack->count, &why);
    return r < 0 ? cr_error_set(err, r, "what was sent is not this pack: %s", why.text) : 0;
}

int cr_arrive_pack(struct cr_store *store, const struct cr_id *name, struct cr_buf *body,
                   struct cr_error *err)
{
    CLEANUP(cr_pack_done) struct cr_pack pack;
    cr_pack_init(&pack);
    pack.bytes = *body;
    *body = (struct cr_buf){.max = body->max};
    int r = pack_parse(&pack, name, err);
    if (r == 0)
        r = frames_check(&pack, err);
    return r < 0 ? r : store->ops->pack_put(store, &pack, name, err);
}

int cr_arrive_object(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                     const struct cr_buf *body, struct cr_error *err)
{
    size_t room = cr_kinds[kind].plain_max, len;
    CLEANUP_FREE uint8_t *plain = malloc(room);
    bool is_new;
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "looking at a %s", cr_kinds[kind].name);
    int r = cr_object_open(kind, id, body->data, body->len, plain, room, &len, err);
    if (r == 0)
        r = store->ops->sync(store, err);
    return r < 0 ? r : store->ops->object_put(store, kind, id, body->data, body->len, &is_new, err);
}
