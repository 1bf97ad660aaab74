/* SPDX-License-Identifier: MIT */
#include "server/syncd/uploads.h"

#include "lib/base/mem.h"
#include "lib/recipe/recipe.h"
#include "lib/sync/arrive.h"
#include "lib/sync/fence.h"
#include "server/syncd/routes.h"

#include <errno.h>
#include <inttypes.h>

static const char json[] = "application/json", octets[] = "application/octet-stream";

/* Put `text` before the sentence of a body that is none. */
static void refuse_body(struct request *request, const char *what, const struct cr_error *why)
{
    request_refuse(request, MHD_HTTP_BAD_REQUEST, "not %s: %s", what, why->text);
}

static bool id_take(struct request *request, struct cr_id *ret_id)
{
    if (cr_id_parse(request->rest, strlen(request->rest), ret_id) == 0 && !cr_id_is_hole(ret_id))
        return true;
    request_refuse(request, MHD_HTTP_BAD_REQUEST, "'%.80s' is not an id: 64 hexadecimal digits",
                   request->rest);
    return false;
}

/* What was sent is refused for good; what the store cannot do now may be sent again. */
static void arrived(struct request *request, int r)
{
    if (r == -EBADMSG)
        request->refusal = MHD_HTTP_BAD_REQUEST;
    else if (r < 0)
        request_refuse_errno(request, r);
    request->type = octets;
}

void upload_have(struct request *request)
{
    CLEANUP_FREE struct cr_id *ids = NULL;
    uint32_t count = 0;
    struct cr_error why = {0};
    int r = cr_have_request_parse(request->body.data, request->body.len, &ids, &count, &why);
    if (r < 0) {
        refuse_body(request, "a question about chunks", &why);
        return;
    }
    CLEANUP_FREE bool *have = cr_calloc(count, sizeof(*have));
    struct cr_store *store = request->store;
    r = have == NULL ? -ENOMEM : store->ops->chunks_have(store, ids, count, have, &request->err);
    cr_buf_init(&request->answer, CR_HAVE_ANSWER_MAX);
    if (r == 0)
        r = cr_have_answer_format(have, count, &request->answer);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = octets;
}

void upload_pack(struct request *request)
{
    struct cr_id name;
    if (!id_take(request, &name))
        return;
    size_t len = request->body.len;
    int r = cr_arrive_pack(request->store, &name, &request->body, &request->err);
    arrived(request, r);
    if (r < 0)
        return;
    atomic_fetch_add(&request->syncd->packs, 1);
    atomic_fetch_add(&request->syncd->received_bytes, len);
}

void upload_object(struct request *request)
{
    struct cr_id id;
    if (!id_take(request, &id))
        return;
    arrived(request, cr_arrive_object(request->store, request->route->kind, &id, &request->body,
                                      &request->err));
}

static bool name_allowed(struct request *request, const char *name)
{
    if (!cr_steps_is_name(name))
        return true;
    request_refuse(request, MHD_HTTP_FORBIDDEN, "'%s' keeps the steps of builds", name);
    return false;
}

void upload_claim(struct request *request)
{
    struct cr_claim_request asked;
    struct cr_claim_answer answer;
    struct cr_error why = {0};
    if (cr_claim_request_parse(request->body.data, request->body.len, &asked, &why) < 0) {
        refuse_body(request, "a claim", &why);
        return;
    }
    if (!name_allowed(request, asked.name))
        return;
    int r = cr_fence_claim(request->store, asked.name, request->holder, &answer, &request->err);
    cr_buf_init(&request->answer, CR_KIB);
    if (r == 0)
        r = cr_claim_answer_format(&answer, &request->answer);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = json;
}

void upload_commit(struct request *request)
{
    struct cr_commit_request asked;
    struct cr_commit_answer answer;
    struct cr_error why = {0};
    if (cr_commit_request_parse(request->body.data, request->body.len, &asked, &why) < 0) {
        refuse_body(request, "a commit", &why);
        return;
    }
    if (!name_allowed(request, asked.name))
        return;
    int r = cr_fence_commit(request->store, &asked, request->holder, &answer, &request->err);
    cr_buf_init(&request->answer, CR_KIB);
    if (r == 0)
        r = cr_commit_answer_format(&answer, &request->answer);
    if (r == -ESTALE)
        request->refusal = MHD_HTTP_CONFLICT;
    else
        arrived(request, r);
    request->type = json;
    if (r < 0)
        return;
    atomic_fetch_add(&request->syncd->commits, 1);
    if (answer.branch) {
        atomic_fetch_add(&request->syncd->branches, 1);
        log_event("'%s' of '%s' was overtaken: its version is '%s@%" PRIu64 "'", asked.name,
                  request->holder, answer.name, answer.number);
    }
}
