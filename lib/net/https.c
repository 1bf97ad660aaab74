/* SPDX-License-Identifier: MIT */
#include "lib/net/https.h"

#include "lib/base/mem.h"
#include "lib/net/batch.h"
#include "lib/net/http.h"
#include "lib/store/blobs.h"
#include "lib/store/registry.h"
#include "lib/store/side.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>

struct https_store {
    struct cr_store store; /* first */
    struct cr_http *http;
    atomic_uint_least64_t chunks;
};

static struct https_store *of(struct cr_store *store)
{
    return (struct https_store *)store;
}

/* --- whole answers: objects, heads, the list of images ---------------------------------------- */

struct whole {
    struct cr_buf *out;
    size_t start; /* where this answer begins in `out` */
    size_t max;   /* bytes that it may have */
    const char *path;
};

static int whole_received(void *context, const void *data, size_t len, struct cr_error *err)
{
    struct whole *whole = context;
    if (len > whole->max - (whole->out->len - whole->start))
        return cr_error_set(err, -EBADMSG, "the answer for '%s' is longer than %zu bytes",
                            whole->path, whole->max);
    int r = cr_buf_append(whole->out, data, len);
    return r < 0 ? cr_error_errno(err, r, "the answer for '%s'", whole->path) : 0;
}

/* Ask until there is an answer; it is appended to `out`, at most `max` bytes. */
static int whole_ask(struct https_store *store, struct cr_http_request *request, size_t max,
                     struct cr_buf *out, struct cr_error *err)
{
    struct whole whole = {.out = out, .start = out->len, .max = max, .path = request->path};
    struct cr_patience patience = {0};
    request->sink = whole_received;
    request->context = &whole;
    for (;;) {
        int r = cr_http_do(store->http, request, err);
        if (r == 0)
            return 0;
        out->len = whole.start;
        if (r == -EAGAIN)
            r = cr_http_wait(store->http, &patience, err);
        if (r < 0)
            return r;
    }
}

static int whole_get(struct https_store *store, const char *path, size_t max, struct cr_buf *out,
                     struct cr_error *err)
{
    struct cr_http_request request = {.path = path};
    return whole_ask(store, &request, max, out, err);
}

static int https_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                            struct cr_buf *frame, struct cr_error *err)
{
    char path[128], hex[CR_ID_HEX];
    snprintf(path, sizeof(path), "/v1/%ss/%s", cr_kinds[kind].name, cr_id_format(id, hex));
    return whole_get(of(store), path, cr_kinds[kind].frame_max, frame, err);
}

static int https_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                          struct cr_error *err)
{
    char path[CR_NAME_MAX + 32];
    struct cr_ref ref;
    int r = cr_ref_parse(name, &ref, err);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "/v1/images/%s", ref.name);
    return whole_get(of(store), path, CR_HEAD_BYTES_MAX, head, err);
}

/* The path of each space whose objects a server hands out. */
static const char *const side_paths[CR_SPACE_COUNT] = {
    [CR_SPACE_DELTAS] = "/v1/deltas/",
    [CR_SPACE_RECORDS] = "/v1/records/",
    [CR_SPACE_TRUST] = "/v1/trust/",
    [CR_SPACE_HOT] = "/v1/hot/",
};

static int https_side_get(struct cr_store *store, enum cr_space space, const char *name,
                          struct cr_buf *out, struct cr_error *err)
{
    char path[CR_BLOB_NAME_MAX + 32];
    if (side_paths[space] == NULL || !cr_side_name_valid(name))
        return cr_error_set(err, -EINVAL, "'%.80s' is no name of a side object", name);
    snprintf(path, sizeof(path), "%s%s", side_paths[space], name);
    return whole_get(of(store), path, CR_SIDE_BYTES_MAX, out, err);
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static int https_heads_list(struct cr_store *store, cr_name_sink *sink, void *context,
                            struct cr_error *err)
{
    const char *server = cr_http_server(of(store)->http);
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_IMAGE_LIST_BYTES_MAX);
    int r = whole_get(of(store), "/v1/images", CR_IMAGE_LIST_BYTES_MAX, &text, err);
    if (r < 0)
        return r;
    CLEANUP(json_cleanup) json_t *names = json_loadb((const char *)text.data, text.len, 0, NULL);
    if (!json_is_array(names) || json_array_size(names) > CR_IMAGES_MAX)
        return cr_error_set(err, -EPROTO, "server '%s' sent no list of images", server);
    for (size_t i = 0; i < json_array_size(names); i++) {
        struct cr_ref ref;
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL || cr_ref_parse(name, &ref, NULL) < 0 || ref.number != 0)
            return cr_error_set(err, -EPROTO, "server '%s' lists an image without a valid name",
                                server);
        r = sink(context, ref.name);
        if (r != 0)
            return r;
    }
    return 0;
}

/* --- chunks, in batches ----------------------------------------------------------------------- */

/* What is still to come of one slice. */
struct slice {
    struct https_store *store;
    const struct cr_id *ids; /* all ids of the caller */
    cr_frame_sink *sink;
    void *context;
    uint32_t count;
    size_t pending[CR_BATCH_IDS_MAX]; /* indices into ids, in the order of the request */
    bool delivered[CR_BATCH_IDS_MAX];
    struct cr_batch_reader reader;
    int sink_result; /* the caller's wish to stop; kept apart from errors of the transfer */
};

static int deliver(struct slice *slice, size_t index, int result, const void *frame, size_t len,
                   const char *why)
{
    struct cr_error err = {0};
    char hex[CR_ID_HEX];
    if (result < 0)
        cr_error_set(&err, result, "chunk '%s' %s server '%s'",
                     cr_id_format(&slice->ids[index], hex), why,
                     cr_http_server(slice->store->http));
    return slice->sink(slice->context, index, result, frame, len, &err);
}

static int entry_received(void *context, uint32_t entry, uint32_t status, const void *frame,
                          size_t frame_len)
{
    struct slice *slice = context;
    size_t index = slice->pending[entry];
    if (status == CR_BATCH_UNREADABLE)
        return 0; /* stays pending: it is asked for again */
    slice->delivered[entry] = true;
    if (status == 0) {
        atomic_fetch_add_explicit(&slice->store->chunks, 1, memory_order_relaxed);
        slice->sink_result = deliver(slice, index, 0, frame, frame_len, "");
    } else if (status == CR_BATCH_MISSING) {
        slice->sink_result = deliver(slice, index, -ENOENT, NULL, 0, "is missing at");
    } else {
        slice->sink_result = deliver(slice, index, -EBADMSG, NULL, 0, "is corrupted at");
    }
    return slice->sink_result;
}

static int answer_received(void *context, const void *data, size_t len, struct cr_error *err)
{
    struct slice *slice = context;
    int r = cr_batch_reader_feed(&slice->reader, data, len, err);
    if (r != 0 && slice->sink_result == 0)
        return cr_error_prefix(err, r, "server '%s' sent a bad answer to a batch",
                               cr_http_server(slice->store->http));
    return r;
}

/* One request for what is pending. Returns 0 when all of it has come, -EAGAIN to go on later. */
static int slice_ask(struct slice *slice, struct cr_error *err)
{
    struct cr_id wanted[CR_BATCH_IDS_MAX];
    for (uint32_t i = 0; i < slice->count; i++)
        wanted[i] = slice->ids[slice->pending[i]];
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    int r = cr_batch_request_format(wanted, slice->count, &body);
    if (r < 0)
        return cr_error_errno(err, r, "a batch request");

    memset(slice->delivered, 0, sizeof(slice->delivered));
    cr_batch_reader_init(&slice->reader, slice->count, entry_received, slice);
    struct cr_http_request request = {
        .path = "/v1/batch",
        .body = body.data,
        .body_len = body.len,
        .sink = answer_received,
        .context = slice,
    };
    r = cr_http_do(slice->store->http, &request, err);
    bool complete = cr_batch_reader_complete(&slice->reader);
    cr_batch_reader_done(&slice->reader);
    if (slice->sink_result != 0)
        return slice->sink_result;

    uint32_t left = 0;
    for (uint32_t i = 0; i < slice->count; i++)
        if (!slice->delivered[i])
            slice->pending[left++] = slice->pending[i];
    slice->count = left;
    if (r == 0 && !complete)
        return cr_error_set(err, -EAGAIN, "server '%s' sent half an answer to a batch",
                            cr_http_server(slice->store->http));
    if (r == 0 && left > 0)
        return cr_error_set(err, -EAGAIN, "server '%s' cannot read its store now",
                            cr_http_server(slice->store->http));
    return r;
}

/* Ask until everything pending has been handed to the sink. */
static int slice_get(struct slice *slice, struct cr_error *err)
{
    struct cr_patience patience = {0};
    while (slice->count > 0) {
        uint32_t before = slice->count;
        int r = slice_ask(slice, err);
        if (slice->sink_result != 0)
            return slice->sink_result;
        if (slice->count < before)
            patience = (struct cr_patience){0}; /* it moves */
        if (r == -EAGAIN)
            r = slice->count == 0 ? 0 : cr_http_wait(slice->store->http, &patience, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int https_chunks_get(struct cr_store *base, const struct cr_id *ids, size_t count,
                            cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct slice slice = {.store = of(base), .ids = ids, .sink = sink, .context = context};
    for (size_t i = 0; i < count; i++) {
        int r;
        if (cr_id_is_hole(&ids[i])) {
            r = deliver(&slice, i, -ENOENT, NULL, 0, "is a hole, which nobody stores, not even");
            if (r != 0)
                return r;
        } else {
            slice.pending[slice.count++] = i;
        }
        if (slice.count == CR_BATCH_IDS_MAX || (i + 1 == count && slice.count > 0)) {
            r = slice_get(&slice, err);
            if (r != 0)
                return r;
        }
    }
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static void https_close(struct cr_store *store)
{
    cr_http_free(of(store)->http);
    free(store);
}

static const struct cr_store_ops https_ops = {
    .close = https_close,
    .chunks_get = https_chunks_get,
    .object_get = https_object_get,
    .head_get = https_head_get,
    .heads_list = https_heads_list,
    .side_get = https_side_get,
};

int cr_https_open(const char *uri, struct cr_store **ret_store, struct cr_error *err)
{
    struct cr_server_uri server;
    int r = cr_server_uri_parse(uri, &server, err);
    if (r < 0)
        return r;
    CLEANUP_FREE struct https_store *store = cr_calloc(1, sizeof(*store));
    if (store == NULL)
        return cr_error_errno(err, -ENOMEM, "open store '%.200s'", uri);
    store->store.ops = &https_ops;
    snprintf(store->store.uri, sizeof(store->store.uri), "%s", uri);
    r = cr_http_new(&server, &store->http, err);
    if (r < 0)
        return r;
    *ret_store = &TAKE_PTR(store)->store;
    return 0;
}

int cr_https_stat(struct cr_store *store, struct cr_https_stat *ret_stat)
{
    if (store->ops != &https_ops)
        return -EINVAL;
    struct cr_http_stat stat;
    cr_http_stat(of(store)->http, &stat);
    *ret_stat = (struct cr_https_stat){
        .requests = stat.requests,
        .retries = stat.retries,
        .bytes_received = stat.bytes_received,
        .chunks = atomic_load(&of(store)->chunks),
    };
    return 0;
}

int cr_https_post(struct cr_store *store, const char *path, const void *body, size_t len,
                  struct cr_buf *out, struct cr_error *err)
{
    if (store->ops != &https_ops)
        return cr_error_set(err, -EINVAL, "store '%.200s' is no server", store->uri);
    struct cr_http_request request = {.path = path, .body = body, .body_len = len};
    return whole_ask(of(store), &request, out->max - out->len, out, err);
}

void cr_https_set_silence(struct cr_store *store, unsigned ms)
{
    if (store->ops == &https_ops)
        cr_http_set_silence(of(store)->http, ms);
}

int cr_https_probe(struct cr_store *store, uint64_t *ret_us, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_HTTP_SENTENCE_MAX);
    struct whole whole = {.out = &answer, .max = answer.max, .path = "/healthz"};
    struct cr_http_request request = {
        .path = whole.path, .sink = whole_received, .context = &whole};
    if (store->ops != &https_ops)
        return -EINVAL;
    uint64_t begun_us = cr_clock_us();
    int r = cr_http_do(of(store)->http, &request, err);
    *ret_us = cr_clock_us() - begun_us;
    return r;
}

void cr_https_interrupt(struct cr_store *store)
{
    if (store->ops == &https_ops)
        cr_http_interrupt(of(store)->http);
}

/* --- schemes: the registry has taken the part up to the colon --------------------------------- */

static int open_rest(const char *scheme, const char *rest, struct cr_store **ret_store,
                     struct cr_error *err)
{
    char uri[CR_URI_BYTES_MAX + 16];
    snprintf(uri, sizeof(uri), "%s:%s", scheme, rest);
    return cr_https_open(uri, ret_store, err);
}

static int open_https(const char *rest, struct cr_store **ret_store, struct cr_error *err)
{
    return open_rest("https", rest, ret_store, err);
}

static int open_http(const char *rest, struct cr_store **ret_store, struct cr_error *err)
{
    return open_rest("http", rest, ret_store, err);
}

void cr_https_register(void)
{
    static const struct cr_store_scheme https = {"https", "https://HOST:PORT[?pki=DIR]", open_https,
                                                 NULL};
    static const struct cr_store_scheme http = {"http", "http://127.0.0.1:PORT", open_http, NULL};
    cr_store_register(&https);
    cr_store_register(&http);
}
