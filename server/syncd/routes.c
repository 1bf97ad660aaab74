/* SPDX-License-Identifier: MIT */
#include "server/syncd/routes.h"

#include "lib/base/mem.h"
#include "lib/net/batch.h"
#include "lib/sync/wire.h"
#include "server/syncd/owners.h"
#include "server/syncd/reads.h"
#include "server/syncd/uploads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define JSON_BODY_MAX (16 * CR_KIB)

void request_refuse(struct request *request, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(request->err.text, sizeof(request->err.text), format, args);
    va_end(args);
    request->refusal = status;
}

void request_refuse_errno(struct request *request, int r)
{
    switch (r) {
    case -ENOENT:
        request->refusal = MHD_HTTP_NOT_FOUND;
        break;
    case -EBADMSG:
        request->refusal = MHD_HTTP_INTERNAL_SERVER_ERROR;
        break;
    case -ENOSPC:
    case -EDQUOT:
        request->refusal = MHD_HTTP_INSUFFICIENT_STORAGE;
        break;
    default:
        request->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
        break;
    }
    if (request->err.text[0] == '\0')
        cr_error_errno(&request->err, r, "cannot do this now");
}

/* --- small answers ---------------------------------------------------------------------------- */

static void health(struct request *request)
{
    cr_buf_init(&request->answer, 64);
    if (atomic_load(&request->syncd->draining))
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "draining");
    else if (cr_buf_printf(&request->answer, "ok\n") < 0)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    request->type = "text/plain; charset=utf-8";
}

static void metrics(struct request *request)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } counters[] = {
        {"packs", "packs received", atomic_load(&request->syncd->packs)},
        {"received_bytes", "bytes of packs received", atomic_load(&request->syncd->received_bytes)},
        {"commits", "versions made of what was sent", atomic_load(&request->syncd->commits)},
        {"branches", "of them, branches", atomic_load(&request->syncd->branches)},
        {"refusals", "requests refused", atomic_load(&request->syncd->refusals)},
    };
    int r = 0;
    cr_buf_init(&request->answer, 64 * CR_KIB);
    for (size_t i = 0; i < CR_ARRAY_LEN(counters) && r == 0; i++)
        r = cr_buf_printf(&request->answer,
                          "# HELP carrel_syncd_%s_total %s\n# TYPE carrel_syncd_%s_total counter\n"
                          "carrel_syncd_%s_total %" PRIu64 "\n",
                          counters[i].name, counters[i].help, counters[i].name, counters[i].name,
                          counters[i].value);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = "text/plain; version=0.0.4; charset=utf-8";
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct route routes[] = {
    {"GET", "/healthz", REALM_NONE, 0, 0, health},
    {"GET", "/metrics", REALM_NONE, 0, 0, metrics},
    {"POST", "/v1/captures/have", REALM_IMAGES, CR_HAVE_REQUEST_MAX, 0, upload_have},
    {"PUT", "/v1/captures/packs/", REALM_IMAGES, CR_PACK_BYTES_MAX, CR_CHUNK, upload_pack},
    {"PUT", "/v1/captures/segments/", REALM_IMAGES, 0, CR_SEGMENT, upload_object},
    {"PUT", "/v1/captures/manifests/", REALM_IMAGES, 0, CR_MANIFEST, upload_object},
    {"POST", "/v1/captures/claim", REALM_IMAGES, JSON_BODY_MAX, 0, upload_claim},
    {"POST", "/v1/captures/commit", REALM_IMAGES, JSON_BODY_MAX, 0, upload_commit},
    {"POST", "/v1/private/have", REALM_OWNER, CR_HAVE_REQUEST_MAX, 0, upload_have},
    {"PUT", "/v1/private/packs/", REALM_OWNER, CR_PACK_BYTES_MAX, CR_CHUNK, upload_pack},
    {"PUT", "/v1/private/segments/", REALM_OWNER, 0, CR_SEGMENT, upload_object},
    {"PUT", "/v1/private/manifests/", REALM_OWNER, 0, CR_MANIFEST, upload_object},
    {"POST", "/v1/private/claim", REALM_OWNER, JSON_BODY_MAX, 0, upload_claim},
    {"POST", "/v1/private/commit", REALM_OWNER, JSON_BODY_MAX, 0, upload_commit},
    {"GET", "/v1/private/keys", REALM_OWNER, 0, 0, read_keys},
    {"GET", "/v1/images", REALM_OWNER, 0, 0, read_heads},
    {"GET", "/v1/images/", REALM_OWNER, 0, 0, read_head},
    {"GET", "/v1/segments/", REALM_OWNER, 0, CR_SEGMENT, read_object},
    {"GET", "/v1/manifests/", REALM_OWNER, 0, CR_MANIFEST, read_object},
    {"POST", "/v1/batch", REALM_OWNER, CR_BATCH_REQUEST_MAX, 0, read_batch},
};

static void store_choose(struct request *request)
{
    struct syncd *syncd = request->syncd;
    int r = 0;
    request->holder = request->visitor.name;
    if (request->route->realm == REALM_OWNER) {
        if (syncd->owners == NULL)
            request_refuse(request, MHD_HTTP_NOT_FOUND, "this server keeps no private overlays");
        else if ((r = owners_take(syncd->owners, request->visitor.name, &request->owner,
                                  &request->err)) < 0)
            request_refuse_errno(request, r);
        else
            request->store = request->owner->store;
        if (request->owner != NULL)
            request->holder = request->owner->space; /* names stay without meaning */
    } else if (request->route->realm == REALM_IMAGES) {
        request->store = syncd->images;
        if (syncd->images == NULL)
            request_refuse(request, MHD_HTTP_NOT_FOUND, "this server takes no images");
        else if (!request->visitor.may_capture)
            request_refuse(request, MHD_HTTP_FORBIDDEN,
                           "the certificate of '%s' does not allow to publish images; 'carrel pki "
                           "issue --capture' makes one that does",
                           request->visitor.name);
    }
}

void route_find(struct request *request, const char *method)
{
    const struct route *other = NULL;
    for (size_t i = 0; i < CR_ARRAY_LEN(routes); i++) {
        const struct route *route = &routes[i];
        size_t len = strlen(route->path);
        bool prefix = route->path[len - 1] == '/';
        if (prefix ? strncmp(request->path, route->path, len) != 0
                   : strcmp(request->path, route->path) != 0)
            continue;
        if (strcmp(method, route->method) != 0) {
            other = route;
            continue;
        }
        request->route = route;
        request->rest = request->path + len;
        size_t max = route->body_max;
        if (route->answer == upload_object)
            max = cr_kinds[route->kind].frame_max;
        cr_buf_init(&request->body, max);
        store_choose(request);
        return;
    }
    cr_buf_init(&request->body, 0);
    if (other != NULL)
        request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "'%.20s' is not possible here; use %s",
                       method, other->method);
    else
        request_refuse(request, MHD_HTTP_NOT_FOUND,
                       "nothing has this path; PROTOCOL.md lists what has");
}
