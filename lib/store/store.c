/* SPDX-License-Identifier: MIT */
#include "lib/store/store.h"

#include "lib/base/mem.h"

#include <errno.h>

void cr_store_close(struct cr_store *store)
{
    if (store != NULL)
        store->ops->close(store);
}

void cr_store_cleanup(struct cr_store **store)
{
    cr_store_close(*store);
}

int cr_store_writable(const struct cr_store *store, struct cr_error *err)
{
    if (store->ops->head_set != NULL)
        return 0;
    return cr_error_set(err, -EROFS, "store '%s' can only be read from here", store->uri);
}

int cr_store_object_read(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                         struct cr_buf *plain, struct cr_error *err)
{
    const struct cr_kind_info *info = &cr_kinds[kind];
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(info->frame_max);
    int r = store->ops->object_get(store, kind, id, &frame, err);
    if (r < 0)
        return r;
    CLEANUP_FREE uint8_t *bytes = malloc(info->plain_max);
    if (bytes == NULL)
        return cr_error_errno(err, -ENOMEM, "reading a %s", info->name);
    size_t len;
    r = cr_object_open(kind, id, frame.data, frame.len, bytes, info->plain_max, &len, err);
    if (r < 0)
        return r;
    r = cr_buf_append(plain, bytes, len);
    return r < 0 ? cr_error_errno(err, r, "reading a %s", info->name) : 0;
}

struct chunk_read {
    const struct cr_id *id;
    void *plain;
    size_t len;
    struct cr_error *err;
};

static int open_chunk(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct chunk_read *read = context;
    size_t len;
    (void)index;
    if (result < 0) {
        if (read->err != NULL)
            *read->err = *err;
        return result;
    }
    result = cr_object_open(CR_CHUNK, read->id, frame, frame_len, read->plain, read->len, &len,
                            read->err);
    if (result == 0 && len != read->len) {
        char hex[CR_ID_HEX];
        return cr_error_set(
            read->err, -EBADMSG,
            "chunk '%s' has %zu bytes where its disk has %zu: the manifest is wrong",
            cr_id_format(read->id, hex), len, read->len);
    }
    return result;
}

int cr_store_chunk_read(struct cr_store *store, const struct cr_id *id, void *plain, size_t len,
                        struct cr_error *err)
{
    if (cr_id_is_hole(id)) {
        memset(plain, 0, len);
        return 0;
    }
    struct chunk_read read = {.id = id, .plain = plain, .len = len, .err = err};
    return store->ops->chunks_get(store, id, 1, open_chunk, &read, err);
}

int cr_store_head_read(struct cr_store *store, const char *name, struct cr_head *ret_head,
                       struct cr_id *ret_hash, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    int r = store->ops->head_get(store, name, &bytes, err);
    if (r == -ENOENT)
        return cr_error_set(err, r,
                            "there is no image '%s' in store '%s'; `carrel image ls` shows them",
                            name, store->uri);
    if (r < 0)
        return r;
    struct cr_error why = {0};
    r = cr_head_parse(bytes.data, bytes.len, name, ret_head, &why);
    if (r < 0)
        return cr_error_set(err, r, "head '%s' of store '%s' is corrupted: %s", name, store->uri,
                            why.text);
    if (ret_hash != NULL)
        cr_hash(bytes.data, bytes.len, ret_hash);
    return 0;
}
