/* SPDX-License-Identifier: MIT */
#include "server/chunkd/routes.h"

#include "lib/base/mem.h"
#include "lib/recipe/recipe.h"
#include "lib/store/side.h"
#include "server/chunkd/reply.h"
#include "server/chunkd/tls.h"

#include <errno.h>
#include <stdarg.h>

void request_refuse(struct request *request, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(request->err.text, sizeof(request->err.text), format, args);
    va_end(args);
    request->refusal = status;
}

/* A failure of the store as an HTTP status; the sentence stands in request->err already. */
static void refuse_errno(struct request *request, int r)
{
    switch (r) {
    case -ENOENT:
        request->refusal = MHD_HTTP_NOT_FOUND;
        break;
    case -EBADMSG:
        request->refusal = MHD_HTTP_INTERNAL_SERVER_ERROR;
        break;
    default:
        request->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
        break;
    }
}

/* --- /v1/chunks/HEX, /v1/segments/HEX, /v1/manifests/HEX -------------------------------------- */

static bool frame_look(struct request *request)
{
    return frames_peek(request->server->frames, request->kind, &request->id, &request->frame);
}

static void frame_read(struct request *request)
{
    int r = frames_get(request->server->frames, request->kind, &request->id, &request->frame,
                       &request->err);
    if (r == -ENOENT) {
        char hex[CR_ID_HEX];
        request_refuse(request, MHD_HTTP_NOT_FOUND, "no %s '%s' is stored here",
                       cr_kinds[request->kind].name, cr_id_format(&request->id, hex));
    } else if (r < 0) {
        refuse_errno(request, r);
    }
}

/* --- /v1/images, /v1/images/NAME -------------------------------------------------------------- */

static bool always_read(struct request *request)
{
    (void)request;
    return false;
}

static int name_found(void *context, const char *name)
{
    struct cr_buf *text = context;
    if (cr_steps_is_name(name))
        return 0;
    /* A name holds no character that JSON escapes (cr_ref_parse). */
    return cr_buf_printf(text, "%s\"%s\"", text->len > 1 ? "," : "", name);
}

static void images_read(struct request *request)
{
    struct cr_store *store = request->server->store;
    cr_buf_init(&request->text, CR_IMAGE_LIST_BYTES_MAX);
    int r = cr_buf_append(&request->text, "[", 1);
    if (r == 0)
        r = store->ops->heads_list(store, name_found, &request->text, &request->err);
    if (r == 0)
        r = cr_buf_append(&request->text, "]", 1);
    if (r < 0 && request->err.text[0] == '\0')
        cr_error_errno(&request->err, r, "list the images");
    if (r < 0)
        refuse_errno(request, r);
}

static int head_check(struct request *request)
{
    struct cr_head head;
    struct cr_error why = {0};
    int r = cr_head_parse(request->text.data, request->text.len, request->name, &head, &why);
    if (r < 0)
        return cr_error_set(&request->err, r, "head '%s' is corrupted: %s", request->name,
                            why.text);
    cr_head_done(&head);
    return 0;
}

static bool head_look(struct request *request)
{
    cr_buf_init(&request->text, CR_HEAD_BYTES_MAX);
    return heads_peek(request->server->heads, request->name, &request->text);
}

static void head_read(struct request *request)
{
    uint64_t seen = heads_seen(request->server->heads);
    struct cr_store *store = request->server->store;
    cr_buf_init(&request->text, CR_HEAD_BYTES_MAX);
    /* What lies between the steps of a build was not published: it may hold what a later step
     * removes. */
    int r = cr_steps_is_name(request->name)
                ? -ENOENT
                : store->ops->head_get(store, request->name, &request->text, &request->err);
    if (r == -ENOENT)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "no image '%s' is stored here", request->name);
    if (r == 0)
        r = head_check(request);
    if (r == -EBADMSG) {
        struct cr_id key;
        cr_hash(request->err.text, strlen(request->err.text), &key);
        frames_corrupted(request->server->frames, &key, &request->err);
    }
    if (r < 0 && r != -ENOENT)
        refuse_errno(request, r);
    if (r == 0)
        heads_keep(request->server->heads, request->name, &request->text, seen);
}

/* --- /v1/deltas/NAME, /v1/records/NAME, /v1/trust/NAME -----------------------------------------
 */

/* Whoever asked verifies it by its own rules; here it is bytes. */
static void side_read(struct request *request)
{
    cr_buf_init(&request->text, CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(request->server->store, request->route->space, request->name,
                               &request->text, &request->err);
    struct deltas *deltas = request->server->deltas;
    if (r == -ENOENT && deltas != NULL && request->route->space == CR_SPACE_DELTAS)
        request->comes_later = deltas_ask(deltas, request->name);
    if (r == -ENOENT)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "no '%s/%s' is stored here%s",
                       cr_space_names[request->route->space], request->name,
                       request->comes_later ? " yet; it is being made" : "");
    else if (r < 0)
        refuse_errno(request, r);
}

/* A seat is who its certificate says; without one there is nothing for it. */
static bool seat_look(struct request *request)
{
    if (tls_client_id(request->connection, &request->client) == 0)
        return false;
    request_refuse(request, MHD_HTTP_FORBIDDEN, "a client certificate is needed");
    return true;
}

/* --- /v1/hot/HEX, /v1/boots/HEX --------------------------------------------------------------- */

static bool hot_look(struct request *request)
{
    cr_buf_init(&request->text, CR_HOT_BYTES_MAX);
    return hot_peek(request->server->hot, &request->id, &request->text);
}

static void hot_read(struct request *request)
{
    int r = hot_get(request->server->hot, &request->id, &request->text, &request->err);
    if (r < 0)
        refuse_errno(request, r);
}

static void boot_read(struct request *request)
{
    int r = hot_take(request->server->hot, &request->id, &request->client, &request->body,
                     &request->err);
    cr_buf_init(&request->text, 64);
    if (r == 0)
        r = cr_buf_printf(&request->text, "taken\n");
    if (r == -EBADMSG)
        request->refusal = MHD_HTTP_BAD_REQUEST;
    else if (r == -EBUSY)
        request->refusal = MHD_HTTP_CONFLICT;
    else if (r < 0)
        refuse_errno(request, r);
}

/* --- /v1/seat/policy, /v1/seat/lease, /v1/seat/report ------------------------------------------
 */

static void seat_document_read(struct request *request, enum seats_document document,
                               const char *what)
{
    cr_buf_init(&request->text, CR_POLICY_BYTES_MAX);
    int r = seats_document(request->server->seats, document, &request->client, &request->text,
                           &request->err);
    if (r == -ENOENT)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "there is no %s for this seat", what);
    else if (r < 0)
        refuse_errno(request, r);
}

static void seat_policy_read(struct request *request)
{
    seat_document_read(request, SEATS_POLICY, "policy");
}

static void seat_lease_read(struct request *request)
{
    seat_document_read(request, SEATS_LEASE, "lease");
}

static void seat_report_read(struct request *request)
{
    int r = seats_report(request->server->seats, &request->client, &request->body, &request->err);
    cr_buf_init(&request->text, 64);
    if (r == 0)
        r = cr_buf_printf(&request->text, "taken\n");
    if (r == -EBADMSG)
        request->refusal = MHD_HTTP_BAD_REQUEST;
    else if (r < 0)
        refuse_errno(request, r);
}

/* --- /v1/batch -------------------------------------------------------------------------------- */

static bool batch_look(struct request *request)
{
    request->batch = cr_calloc(1, sizeof(*request->batch));
    if (request->batch == NULL) {
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
        return true;
    }
    struct cr_batch_request *asked = &request->batch->request;
    struct cr_error why;
    if (cr_batch_request_parse(request->body.data, request->body.len, asked, &why) < 0) {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "not a batch request: %s", why.text);
        return true;
    }
    for (uint32_t i = 0; i < asked->count; i++) {
        if (frames_peek(request->server->frames, CR_CHUNK, &asked->ids[i],
                        &request->batch->frames[i]))
            continue;
        while (i-- > 0)
            frames_release(request->server->frames, &request->batch->frames[i]);
        return false;
    }
    return true;
}

static void batch_read(struct request *request)
{
    struct batch *batch = request->batch;
    frames_get_batch(request->server->frames, batch->request.ids, batch->request.count,
                     batch->frames, batch->results);
}

/* --- /healthz, /metrics, anything else -------------------------------------------------------- */

static bool health_look(struct request *request)
{
    cr_buf_init(&request->text, 64);
    if (atomic_load(&request->server->draining))
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "draining");
    else if (cr_buf_printf(&request->text, "ok\n") < 0)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    return true;
}

static bool metrics_look(struct request *request)
{
    cr_buf_init(&request->text, CR_MIB);
    if (metrics_format(request->server, &request->text) < 0)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    return true;
}

static bool nothing_look(struct request *request)
{
    request_refuse(request, MHD_HTTP_NOT_FOUND,
                   "nothing has this path; PROTOCOL.md lists what has");
    return true;
}

const struct route routes[ROUTE_COUNT] = {
    {.name = "none", .path = "", .look = nothing_look, .plain = true},
    {.name = "chunk",
     .path = "/v1/chunks/",
     .kind = CR_CHUNK,
     .look = frame_look,
     .read = frame_read,
     .reply = reply_frame},
    {.name = "segment",
     .path = "/v1/segments/",
     .kind = CR_SEGMENT,
     .look = frame_look,
     .read = frame_read,
     .reply = reply_frame},
    {.name = "manifest",
     .path = "/v1/manifests/",
     .kind = CR_MANIFEST,
     .look = frame_look,
     .read = frame_read,
     .reply = reply_frame},
    {.name = "batch",
     .path = "/v1/batch",
     .post = true,
     .body_max = CR_BATCH_REQUEST_MAX,
     .look = batch_look,
     .read = batch_read,
     .reply = reply_batch},
    {.name = "images",
     .path = "/v1/images",
     .look = always_read,
     .read = images_read,
     .reply = reply_text,
     .type = "application/json"},
    {.name = "image",
     .path = "/v1/images/",
     .look = head_look,
     .read = head_read,
     .reply = reply_text,
     .type = "application/vnd.carrel.head"},
    {.name = "delta",
     .path = "/v1/deltas/",
     .space = CR_SPACE_DELTAS,
     .look = always_read,
     .read = side_read,
     .reply = reply_side,
     .type = "application/octet-stream"},
    {.name = "record",
     .path = "/v1/records/",
     .space = CR_SPACE_RECORDS,
     .look = always_read,
     .read = side_read,
     .reply = reply_side,
     .type = "application/octet-stream"},
    {.name = "trust",
     .path = "/v1/trust/",
     .space = CR_SPACE_TRUST,
     .look = always_read,
     .read = side_read,
     .reply = reply_side,
     .type = "application/json"},
    {.name = "hot",
     .path = "/v1/hot/",
     .look = hot_look,
     .read = hot_read,
     .reply = reply_text,
     .type = "application/octet-stream"},
    {.name = "boot",
     .path = "/v1/boots/",
     .post = true,
     .body_max = CR_HOT_BYTES_MAX,
     .look = seat_look,
     .read = boot_read,
     .reply = reply_text,
     .type = "text/plain; charset=utf-8"},
    {.name = "peers",
     .path = "/v1/peers",
     .post = true,
     .body_max = CR_PEER_ANNOUNCE_BYTES,
     .look = peers_look,
     .reply = reply_text,
     .type = "application/octet-stream"},
    {.name = "peers_report",
     .path = "/v1/peers/report",
     .post = true,
     .body_max = CR_PEER_REPORT_BYTES,
     .look = peers_report_look,
     .reply = reply_text,
     .type = "text/plain; charset=utf-8"},
    {.name = "policy",
     .path = "/v1/seat/policy",
     .look = seat_look,
     .read = seat_policy_read,
     .reply = reply_text,
     .type = "application/json"},
    {.name = "lease",
     .path = "/v1/seat/lease",
     .look = seat_look,
     .read = seat_lease_read,
     .reply = reply_text,
     .type = "application/json"},
    {.name = "report",
     .path = "/v1/seat/report",
     .post = true,
     .body_max = CR_SPOOL_ENTRY_BYTES_MAX,
     .look = seat_look,
     .read = seat_report_read,
     .reply = reply_text,
     .type = "text/plain; charset=utf-8"},
    {.name = "healthz",
     .path = "/healthz",
     .plain = true,
     .look = health_look,
     .reply = reply_text,
     .type = "text/plain; charset=utf-8"},
    {.name = "metrics",
     .path = "/metrics",
     .plain = true,
     .look = metrics_look,
     .reply = reply_text,
     .type = "text/plain; version=0.0.4; charset=utf-8"},
};

unsigned route_find(const char *path, bool plain_only, const char **ret_rest)
{
    for (unsigned i = 1; i < ROUTE_COUNT; i++) {
        size_t len = strlen(routes[i].path);
        bool prefix = routes[i].path[len - 1] == '/';
        if (plain_only && !routes[i].plain)
            continue;
        if (prefix ? strncmp(path, routes[i].path, len) == 0 : strcmp(path, routes[i].path) == 0) {
            *ret_rest = path + len;
            return i;
        }
    }
    *ret_rest = "";
    return ROUTE_NONE;
}

void route_object_parse(struct request *request, const char *rest)
{
    const struct route *route = request->route;
    struct cr_ref ref;
    if (route->reply == reply_frame || route->read == hot_read || route->read == boot_read) {
        request->kind = route->kind;
        if (cr_id_parse(rest, strlen(rest), &request->id) < 0)
            request_refuse(request, MHD_HTTP_BAD_REQUEST,
                           "'%.80s' is not an id: 64 hexadecimal digits", rest);
        else if (cr_id_is_hole(&request->id))
            request_refuse(request, MHD_HTTP_NOT_FOUND,
                           "this is the reserved id of a hole, which is never stored");
    } else if (route->read == head_read) {
        if (cr_ref_parse(rest, &ref, NULL) < 0 || ref.number != 0 || ref.channel[0] != '\0')
            request_refuse(request, MHD_HTTP_BAD_REQUEST, "'%.80s' is not an image name", rest);
        else
            memcpy(request->name, ref.name, sizeof(ref.name));
    } else if (route->read == side_read) {
        if (!cr_side_name_valid(rest))
            request_refuse(request, MHD_HTTP_BAD_REQUEST,
                           "'%.80s' is not a name: letters, digits, '.', '_' and '-'", rest);
        else
            snprintf(request->name, sizeof(request->name), "%s", rest);
    }
}
