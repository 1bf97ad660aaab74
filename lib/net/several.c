/* SPDX-License-Identifier: MIT */
#include "lib/net/several.h"

#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/net/servers.h"
#include "lib/net/uri.h"
#include "lib/net/uri_add.h"

#include <errno.h>

struct several {
    struct cr_store base; /* first */
    struct servers servers;
};

static struct several *of(struct cr_store *store)
{
    return (struct several *)store;
}

/* --- whole answers ---------------------------------------------------------------------------- */

struct whole {
    enum cr_kind kind;
    const struct cr_id *id;
    enum cr_space space;
    const char *name; /* of a head or side object; the path of a post */
    const void *body;
    size_t body_len;
    struct cr_buf *out;
    cr_name_sink *sink;
    void *context;
    int sink_result;
};

/* Another server may have the right bytes, so they are looked at here. */
static int object_try(const struct cr_several_server *server, unsigned number, void *context,
                      struct cr_error *err)
{
    (void)number;
    struct whole *whole = context;
    size_t start = whole->out->len, len = 0;
    int r = server->store->ops->object_get(server->store, whole->kind, whole->id, whole->out, err);
    if (r < 0)
        return r;
    size_t room = cr_kinds[whole->kind].plain_max;
    CLEANUP_FREE uint8_t *plain = malloc(room);
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "reading a %s", cr_kinds[whole->kind].name);
    r = cr_object_open(whole->kind, whole->id, whole->out->data + start, whole->out->len - start,
                       plain, room, &len, err);
    if (r < 0) {
        whole->out->len = start;
        return cr_error_prefix(err, r, "server '%s'", server->name);
    }
    return 0;
}

static int several_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                              struct cr_buf *frame, struct cr_error *err)
{
    struct whole whole = {.kind = kind, .id = id, .out = frame};
    return servers_ask(&of(store)->servers, object_try, &whole, false, err);
}

static int head_try(const struct cr_several_server *server, unsigned number, void *context,
                    struct cr_error *err)
{
    (void)number;
    struct whole *whole = context;
    return server->store->ops->head_get(server->store, whole->name, whole->out, err);
}

static int several_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                            struct cr_error *err)
{
    struct whole whole = {.name = name, .out = head};
    return servers_ask(&of(store)->servers, head_try, &whole, true, err);
}

static int heads_pass(void *context, const char *name)
{
    struct whole *whole = context;
    whole->sink_result = whole->sink(whole->context, name);
    return whole->sink_result;
}

static int heads_try(const struct cr_several_server *server, unsigned number, void *context,
                     struct cr_error *err)
{
    (void)number;
    struct whole *whole = context;
    int r = server->store->ops->heads_list(server->store, heads_pass, whole, err);
    return whole->sink_result != 0 ? 0 : r;
}

static int several_heads_list(struct cr_store *store, cr_name_sink *sink, void *context,
                              struct cr_error *err)
{
    struct whole whole = {.sink = sink, .context = context};
    int r = servers_ask(&of(store)->servers, heads_try, &whole, true, err);
    return whole.sink_result != 0 ? whole.sink_result : r;
}

static int side_try(const struct cr_several_server *server, unsigned number, void *context,
                    struct cr_error *err)
{
    (void)number;
    struct whole *whole = context;
    return server->store->ops->side_get(server->store, whole->space, whole->name, whole->out, err);
}

static int several_side_get(struct cr_store *store, enum cr_space space, const char *name,
                            struct cr_buf *out, struct cr_error *err)
{
    struct whole whole = {.space = space, .name = name, .out = out};
    return servers_ask(&of(store)->servers, side_try, &whole, true, err);
}

static int post_try(const struct cr_several_server *server, unsigned number, void *context,
                    struct cr_error *err)
{
    (void)number;
    struct whole *whole = context;
    return server->post(server->store, whole->name, whole->body, whole->body_len, whole->out, err);
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* A request for many, parts of which several servers may answer. */
struct batch {
    const struct cr_id *ids;
    cr_frame_sink *sink;
    void *context;
    size_t pending; /* not handed to the sink yet */
    struct wanted {
        size_t index;     /* into ids */
        unsigned refused; /* a bit for each server that does not have it */
    } * wanted;           /* owned; those that are pending come first */
    size_t *asked;        /* owned; of the present request: places in `wanted` */
    struct cr_id *names;  /* owned; their ids */
    bool *delivered;      /* owned; of each in `wanted` */
    unsigned server;      /* number of the present one */
    int sink_result;
    int refusal; /* the last one that was told, 0 = none */
    struct cr_error why;
};

static void batch_done(struct batch *batch)
{
    free(batch->wanted);
    free(batch->asked);
    free(batch->names);
    free(batch->delivered);
}

static void refusal_note(struct batch *batch, struct wanted *wanted, int result,
                         const struct cr_error *why)
{
    wanted->refused |= 1U << batch->server;
    if (batch->refusal == 0 || batch->refusal == -ENOENT) {
        batch->refusal = result;
        batch->why = *why;
    }
}

static int frame_came(void *context, size_t at, int result, const void *frame, size_t len,
                      const struct cr_error *err)
{
    struct batch *batch = context;
    size_t place = batch->asked[at];
    struct wanted *wanted = &batch->wanted[place];
    struct cr_error why = {0};
    char hex[CR_ID_HEX];
    if (result < 0) {
        refusal_note(batch, wanted, result, err);
        return 0;
    }
    int r = batch->sink(batch->context, wanted->index, 0, frame, len, err);
    if (r == CR_FRAME_REFUSED) {
        cr_error_set(&why, -EBADMSG, "chunk '%s' came with other bytes from every server",
                     cr_id_format(&batch->ids[wanted->index], hex));
        refusal_note(batch, wanted, -EBADMSG, &why);
        return 0;
    }
    batch->delivered[place] = true;
    batch->sink_result = r;
    return r;
}

/* Take out of `wanted` what was delivered. */
static void wanted_shrink(struct batch *batch)
{
    size_t left = 0;
    for (size_t i = 0; i < batch->pending; i++)
        if (!batch->delivered[i])
            batch->wanted[left++] = batch->wanted[i];
    memset(batch->delivered, 0, batch->pending * sizeof(batch->delivered[0]));
    batch->pending = left;
}

static int chunks_try(const struct cr_several_server *server, unsigned number, void *context,
                      struct cr_error *err)
{
    struct batch *batch = context;
    size_t count = 0;
    batch->server = number;
    for (size_t i = 0; i < batch->pending; i++) {
        if ((batch->wanted[i].refused & 1U << number) != 0)
            continue;
        batch->names[count] = batch->ids[batch->wanted[i].index];
        batch->asked[count++] = i;
    }
    int r = count == 0 ? 0
                       : server->store->ops->chunks_get(server->store, batch->names, count,
                                                        frame_came, batch, err);
    wanted_shrink(batch);
    if (batch->sink_result != 0 || batch->pending == 0)
        return 0;
    if (r == 0) {
        r = batch->refusal != 0 ? batch->refusal : -EIO;
        if (err != NULL)
            *err = batch->why;
    }
    return r;
}

static int batch_make(struct batch *batch, size_t count)
{
    batch->wanted = cr_calloc(count, sizeof(*batch->wanted));
    batch->asked = cr_calloc(count, sizeof(*batch->asked));
    batch->names = cr_calloc(count, sizeof(*batch->names));
    batch->delivered = cr_calloc(count, sizeof(*batch->delivered));
    if (batch->wanted == NULL || batch->asked == NULL || batch->names == NULL ||
        batch->delivered == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        batch->wanted[i].index = i;
    batch->pending = count;
    return 0;
}

static int several_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                              cr_frame_sink *sink, void *context, struct cr_error *err)
{
    CLEANUP(batch_done) struct batch batch = {.ids = ids, .sink = sink, .context = context};
    struct cr_error why = {0};
    if (batch_make(&batch, count) < 0)
        return cr_error_errno(err, -ENOMEM, "reading %zu chunks", count);
    int r = servers_ask(&of(store)->servers, chunks_try, &batch, false, &why);
    if (batch.sink_result != 0)
        return batch.sink_result;
    if (r != -ENOENT && r != -EBADMSG) {
        if (r < 0 && err != NULL)
            *err = why;
        return r;
    }
    /* All servers have answered, and none has these. */
    int result = 0;
    for (size_t i = 0; i < batch.pending && result == 0; i++)
        result = sink(context, batch.wanted[i].index, r, NULL, 0, &why);
    return result;
}

/* --- life ------------------------------------------------------------------------------------- */

static void several_close(struct cr_store *store)
{
    servers_done(&of(store)->servers);
    free(store);
}

static const struct cr_store_ops several_ops = {
    .close = several_close,
    .chunks_get = several_chunks_get,
    .object_get = several_object_get,
    .head_get = several_head_get,
    .heads_list = several_heads_list,
    .side_get = several_side_get,
};

/* A server that is away is told of at once: the patience is ours. */
static int server_open(const char *uri, struct cr_several_server *ret_server, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_URI_BYTES_MAX);
    struct cr_server_uri parsed;
    *ret_server = (struct cr_several_server){
        .probe = cr_https_probe,
        .set_silence = cr_https_set_silence,
        .interrupt = cr_https_interrupt,
        .post = cr_https_post,
    };
    int r = cr_server_uri_parse(uri, &parsed, err);
    if (r < 0)
        return r;
    cr_server_uri_format(&parsed, ret_server->name);
    r = cr_buf_append(&text, uri, strlen(uri));
    if (r == 0)
        r = cr_server_uri_add(&text, "patience", "0");
    if (r == 0)
        r = cr_buf_append(&text, "", 1);
    return r < 0 ? cr_error_errno(err, r, "server '%.200s'", uri)
                 : cr_https_open((const char *)text.data, &ret_server->store, err);
}

int cr_several_new(const struct cr_several_server *servers, unsigned count,
                   const struct cr_several_options *options, struct cr_store **ret_store,
                   struct cr_error *err)
{
    struct several *several = cr_calloc(1, sizeof(*several));
    if (several == NULL) {
        for (unsigned i = 0; i < count; i++)
            cr_store_close(servers[i].store);
        return cr_error_errno(err, -ENOMEM, "server '%s'", servers[0].name);
    }
    several->base.ops = &several_ops;
    snprintf(several->base.uri, sizeof(several->base.uri), "%s", servers[0].store->uri);
    int r = servers_init(&several->servers, servers, count, options);
    if (r < 0) {
        several_close(&several->base);
        return cr_error_errno(err, r, "server '%s'", servers[0].name);
    }
    *ret_store = &several->base;
    return 0;
}

int cr_several_open(const char *const *uris, unsigned count,
                    const struct cr_several_options *options, struct cr_store **ret_store,
                    struct cr_error *err)
{
    struct cr_several_server servers[CR_SERVERS_MAX];
    unsigned opened = 0;
    int r = 0;
    if (count == 0 || count > CR_SERVERS_MAX)
        return cr_error_set(err, -EINVAL, "%u servers are named, 1 to %u can be", count,
                            CR_SERVERS_MAX);
    while (r == 0 && opened < count) {
        r = server_open(uris[opened], &servers[opened], err);
        opened += r == 0;
    }
    if (r == 0)
        return cr_several_new(servers, count, options, ret_store, err);
    while (opened > 0)
        cr_store_close(servers[--opened].store);
    return r;
}

int cr_several_post(struct cr_store *store, const char *path, const void *body, size_t len,
                    struct cr_buf *out, struct cr_error *err)
{
    struct whole whole = {.name = path, .body = body, .body_len = len, .out = out};
    return servers_ask(&of(store)->servers, post_try, &whole, true, err);
}

void cr_several_interrupt(struct cr_store *store)
{
    if (store->ops == &several_ops)
        servers_interrupt(&of(store)->servers);
}

unsigned cr_several_count(struct cr_store *store)
{
    return store->ops == &several_ops ? of(store)->servers.count : 0;
}

void cr_several_https_stat(struct cr_store *store, unsigned index, struct cr_https_stat *ret_stat)
{
    *ret_stat = (struct cr_https_stat){0};
    (void)cr_https_stat(of(store)->servers.items[index].server.store, ret_stat);
}

void cr_several_total(struct cr_store *store, struct cr_https_stat *ret_stat)
{
    *ret_stat = (struct cr_https_stat){0};
    for (unsigned i = 0; i < cr_several_count(store); i++) {
        struct cr_https_stat one;
        cr_several_https_stat(store, i, &one);
        ret_stat->requests += one.requests;
        ret_stat->retries += one.retries;
        ret_stat->bytes_received += one.bytes_received;
        ret_stat->chunks += one.chunks;
    }
    if (cr_several_count(store) > 0)
        ret_stat->retries += atomic_load(&of(store)->servers.retries);
}

void cr_several_stat(struct cr_store *store, unsigned index, struct cr_several_stat *ret_stat)
{
    const struct servers *servers = &of(store)->servers;
    const struct servers_one *one = &servers->items[index];
    *ret_stat = (struct cr_several_stat){
        .name = one->server.name,
        .is_used = atomic_load(&servers->used) == index,
        .is_left = atomic_load(&one->left),
        .latency_us = atomic_load(&one->latency_us),
        .lefts = atomic_load(&one->lefts),
        .refused = atomic_load(&one->refused),
    };
}
