/* SPDX-License-Identifier: MIT */
#include "lib/peer/peerstore.h"

#include "lib/base/mem.h"

#include <errno.h>

struct peer_store {
    struct cr_store base;
    struct cr_store *inner;
    struct cr_peerfetch *fetch;
    unsigned hedge_ms;
};

static struct peer_store *of(struct cr_store *base)
{
    return (struct peer_store *)base;
}

static void peer_store_close(struct cr_store *base)
{
    free(of(base));
}

static int peer_chunks_get(struct cr_store *base, const struct cr_id *ids, size_t count,
                           cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct peer_store *store = of(base);
    return cr_peerfetch_get(store->fetch, store->inner, store->hedge_ms, CR_CHUNK, ids, count, sink,
                            context, err);
}

struct object_sink {
    struct cr_buf *frame;
    struct cr_error *err;
};

static int object_take(void *context, size_t index, int result, const void *frame, size_t frame_len,
                       const struct cr_error *err)
{
    struct object_sink *sink = context;
    (void)index;
    if (result < 0 && sink->err != NULL && err != NULL)
        *sink->err = *err;
    return result < 0 ? result : cr_buf_append(sink->frame, frame, frame_len);
}

/* Segments are the only large objects beside chunks; a manifest is asked for before we have peers.
 */
static int peer_object_get(struct cr_store *base, enum cr_kind kind, const struct cr_id *id,
                           struct cr_buf *frame, struct cr_error *err)
{
    struct peer_store *store = of(base);
    if (kind != CR_SEGMENT)
        return store->inner->ops->object_get(store->inner, kind, id, frame, err);
    struct object_sink sink = {.frame = frame, .err = err};
    return cr_peerfetch_get(store->fetch, store->inner, store->hedge_ms, kind, id, 1, object_take,
                            &sink, err);
}

static int peer_head_get(struct cr_store *base, const char *name, struct cr_buf *head,
                         struct cr_error *err)
{
    return of(base)->inner->ops->head_get(of(base)->inner, name, head, err);
}

static int peer_heads_list(struct cr_store *base, cr_name_sink *sink, void *context,
                           struct cr_error *err)
{
    return of(base)->inner->ops->heads_list(of(base)->inner, sink, context, err);
}

static int peer_side_get(struct cr_store *base, enum cr_space space, const char *name,
                         struct cr_buf *out, struct cr_error *err)
{
    struct cr_store *inner = of(base)->inner;
    if (inner->ops->side_get == NULL)
        return cr_error_set(err, -ENOENT, "store '%s' keeps no such objects", inner->uri);
    return inner->ops->side_get(inner, space, name, out, err);
}

static const struct cr_store_ops peer_ops = {
    .close = peer_store_close,
    .chunks_get = peer_chunks_get,
    .object_get = peer_object_get,
    .head_get = peer_head_get,
    .heads_list = peer_heads_list,
    .side_get = peer_side_get,
};

int cr_peerstore_new(struct cr_peerfetch *fetch, struct cr_store *inner, unsigned hedge_ms,
                     struct cr_store **ret_store)
{
    struct peer_store *store = cr_calloc(1, sizeof(*store));
    if (store == NULL)
        return -ENOMEM;
    store->base.ops = &peer_ops;
    memcpy(store->base.uri, inner->uri, sizeof(store->base.uri));
    store->inner = inner;
    store->fetch = fetch;
    store->hedge_ms = hedge_ms;
    *ret_store = &store->base;
    return 0;
}
