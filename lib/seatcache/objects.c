/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/objects.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

struct objects {
    struct cr_store base;
    struct cr_store *inner;
    int dir_fd;
};

#define OBJECT_NAME_BYTES (CR_ID_HEX + 16)

static struct objects *objects_of(struct cr_store *store)
{
    return (struct objects *)store;
}

static void objects_close(struct cr_store *store)
{
    free(store);
}

static const char *file_name(enum cr_kind kind, const struct cr_id *id,
                             char out[static OBJECT_NAME_BYTES])
{
    char hex[CR_ID_HEX];
    snprintf(out, OBJECT_NAME_BYTES, "%s-%s", cr_kinds[kind].name, cr_id_format(id, hex));
    return out;
}

static bool is_whole(enum cr_kind kind, const struct cr_id *id, const struct cr_buf *frame)
{
    size_t room = cr_kinds[kind].plain_max, len = 0;
    CLEANUP_FREE uint8_t *plain = malloc(room);
    return plain != NULL &&
           cr_object_open(kind, id, frame->data, frame->len, plain, room, &len, NULL) == 0;
}

static int objects_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                              struct cr_buf *frame, struct cr_error *err)
{
    struct objects *objects = objects_of(store);
    char name[OBJECT_NAME_BYTES];
    CLEANUP_BUF struct cr_buf kept = CR_BUF_INIT(cr_kinds[kind].frame_max);
    file_name(kind, id, name);
    bool known = cr_file_read(objects->dir_fd, name, &kept) == 0 && is_whole(kind, id, &kept);
    if (!known) {
        cr_buf_done(&kept);
        int r = objects->inner->ops->object_get(objects->inner, kind, id, &kept, err);
        if (r < 0)
            return r;
        /* A full disk only means that it is asked for again next time. */
        if (is_whole(kind, id, &kept))
            cr_file_replace(objects->dir_fd, name, kept.data, kept.len, 0600);
    }
    int r = cr_buf_append(frame, kept.data, kept.len);
    return r < 0 ? cr_error_errno(err, r, "reading a %s", cr_kinds[kind].name) : 0;
}

static int objects_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                              cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct cr_store *inner = objects_of(store)->inner;
    return inner->ops->chunks_get(inner, ids, count, sink, context, err);
}

static int objects_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                            struct cr_error *err)
{
    struct cr_store *inner = objects_of(store)->inner;
    return inner->ops->head_get(inner, name, head, err);
}

static int objects_heads_list(struct cr_store *store, cr_name_sink *sink, void *context,
                              struct cr_error *err)
{
    struct cr_store *inner = objects_of(store)->inner;
    return inner->ops->heads_list(inner, sink, context, err);
}

static int objects_side_get(struct cr_store *store, enum cr_space space, const char *name,
                            struct cr_buf *out, struct cr_error *err)
{
    struct cr_store *inner = objects_of(store)->inner;
    if (inner->ops->side_get == NULL)
        return cr_error_set(err, -ENOENT, "store '%s' keeps no such objects", inner->uri);
    return inner->ops->side_get(inner, space, name, out, err);
}

int cr_seatobjects_kept(int dir_fd, enum cr_kind kind, const struct cr_id *id, struct cr_buf *plain)
{
    char name[OBJECT_NAME_BYTES];
    size_t room = cr_kinds[kind].plain_max, len = 0;
    CLEANUP_FREE uint8_t *bytes = malloc(room);
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[kind].frame_max);
    if (bytes == NULL)
        return -ENOMEM;
    int r = cr_file_read(dir_fd, file_name(kind, id, name), &frame);
    if (r == 0)
        r = cr_object_open(kind, id, frame.data, frame.len, bytes, room, &len, NULL);
    return r < 0 ? r : cr_buf_append(plain, bytes, len);
}

static const struct cr_store_ops objects_ops = {
    .close = objects_close,
    .chunks_get = objects_chunks_get,
    .object_get = objects_object_get,
    .head_get = objects_head_get,
    .heads_list = objects_heads_list,
    .side_get = objects_side_get,
};

int cr_seatobjects_new(struct cr_store *inner, int dir_fd, struct cr_store **ret_store,
                       struct cr_error *err)
{
    struct objects *objects = calloc(1, sizeof(*objects));
    if (objects == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open the cache of '%s'", inner->uri);
    objects->base.ops = &objects_ops;
    memcpy(objects->base.uri, inner->uri, sizeof(objects->base.uri));
    objects->inner = inner;
    objects->dir_fd = dir_fd;
    *ret_store = &objects->base;
    return 0;
}
