/* SPDX-License-Identifier: MIT */
#include "lib/sync/upstore.h"

#include "lib/base/mem.h"
#include "lib/image/idset.h"
#include "lib/net/http.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#define REALM_MAX  16U
#define PATH_TEXT  128U
#define ANSWER_MAX (4 * CR_KIB) /* of claim and commit */

struct upstore {
    struct cr_store store; /* first */
    struct cr_store *reader;
    struct cr_http *http;
    char realm[REALM_MAX];
    struct cr_idset known; /* chunks, segments and manifests; does not change while publishing */
    atomic_uint_least64_t chunks_sent, chunks_there, packs_sent, bytes_sent;
};

static struct upstore *of(struct cr_store *store)
{
    return (struct upstore *)store;
}

/* --- requests ----------------------------------------------------------------------------------
 */

static int answer_received(void *context, const void *data, size_t len, struct cr_error *err)
{
    int r = cr_buf_append(context, data, len);
    return r < 0 ? cr_error_errno(err, r, "the answer of the server") : 0;
}

/* Send until there is an answer, which is appended to `answer` (empty before). */
static int request_send(struct upstore *up, const char *what, bool put, const struct cr_buf *body,
                        struct cr_buf *answer, struct cr_error *err)
{
    char path[PATH_TEXT];
    snprintf(path, sizeof(path), "/v1/%s/%s", up->realm, what);
    struct cr_http_request request = {
        .path = path,
        .body = body->data,
        .body_len = body->len,
        .put = put,
        .sink = answer_received,
        .context = answer,
    };
    struct cr_patience patience = {0};
    for (;;) {
        int r = cr_http_do(up->http, &request, err);
        if (r == 0)
            return 0;
        answer->len = 0;
        if (r == -EAGAIN)
            r = cr_http_wait(up->http, &patience, err);
        if (r < 0)
            return r;
    }
}

static int object_send(struct upstore *up, const char *kind, const struct cr_id *id,
                       const struct cr_buf *body, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(ANSWER_MAX);
    char what[PATH_TEXT - 32], hex[CR_ID_HEX];
    snprintf(what, sizeof(what), "%ss/%s", kind, cr_id_format(id, hex));
    int r = request_send(up, what, true, body, &answer, err);
    if (r == 0)
        atomic_fetch_add(&up->bytes_sent, body->len);
    return r;
}

static int have_ask(struct upstore *up, const struct cr_id *ids, uint32_t count, bool *have,
                    struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_HAVE_REQUEST_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_HAVE_ANSWER_MAX);
    int r = cr_have_request_format(ids, count, &body);
    if (r < 0)
        return cr_error_errno(err, r, "asking for %u chunks", count);
    r = request_send(up, "have", false, &body, &answer, err);
    if (r == 0)
        r = cr_have_answer_parse(answer.data, answer.len, count, have, err);
    return r == -EBADMSG ? cr_error_prefix(err, -EPROTO, "server '%s' sent a bad answer",
                                           cr_http_server(up->http))
                         : r;
}

/* --- what a publisher calls --------------------------------------------------------------------
 */

/*
 * Only what is known from before: a question for each chunk would wait for the server each time.
 * The others are asked for when a pack of them is full.
 */
static int up_chunks_have(struct cr_store *store, const struct cr_id *ids, size_t count, bool *have,
                          struct cr_error *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++)
        have[i] = cr_idset_has(&of(store)->known, &ids[i]);
    return 0;
}

/* The frames of `pack` that the server lacks, as a pack. */
static int pack_filter(const struct cr_pack *pack, const bool *have, struct cr_pack *out)
{
    int r = 0;
    for (uint32_t i = 0; i < pack->count && r == 0; i++)
        if (!have[i])
            r = cr_pack_add(out, &pack->entries[i].id, pack->bytes.data + pack->entries[i].offset,
                            pack->entries[i].frame_len);
    return r;
}

static int up_pack_put(struct cr_store *store, const struct cr_pack *pack, const struct cr_id *name,
                       struct cr_error *err)
{
    struct upstore *up = of(store);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(pack->count, sizeof(*ids));
    CLEANUP_FREE bool *have = cr_calloc(pack->count, sizeof(*have));
    CLEANUP(cr_pack_done) struct cr_pack left;
    cr_pack_init(&left);
    if (ids == NULL || have == NULL)
        return cr_error_errno(err, -ENOMEM, "sending a pack");
    for (uint32_t i = 0; i < pack->count; i++)
        ids[i] = pack->entries[i].id;
    int r = have_ask(up, ids, pack->count, have, err);
    if (r < 0)
        return r;
    uint32_t there = 0;
    for (uint32_t i = 0; i < pack->count; i++)
        there += have[i];
    atomic_fetch_add(&up->chunks_there, there);
    if (there == pack->count)
        return 0;
    struct cr_id left_name = *name;
    if (there > 0 &&
        ((r = pack_filter(pack, have, &left)) < 0 || (r = cr_pack_finish(&left, &left_name)) < 0))
        return cr_error_errno(err, r, "sending a pack");
    r = object_send(up, "pack", &left_name, there > 0 ? &left.bytes : &pack->bytes, err);
    if (r < 0)
        return r;
    atomic_fetch_add(&up->packs_sent, 1);
    atomic_fetch_add(&up->chunks_sent, pack->count - there);
    return 0;
}

static int up_object_put(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                         const void *frame, size_t frame_len, bool *ret_new, struct cr_error *err)
{
    struct upstore *up = of(store);
    *ret_new = !cr_idset_has(&up->known, id);
    if (!*ret_new)
        return 0;
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(cr_kinds[kind].frame_max);
    int r = cr_buf_append(&body, frame, frame_len);
    if (r < 0)
        return cr_error_errno(err, r, "sending a %s", cr_kinds[kind].name);
    return object_send(up, cr_kinds[kind].name, id, &body, err);
}

/* What has been answered is kept; the commit makes it durable. */
static int up_sync(struct cr_store *store, struct cr_error *err)
{
    (void)store, (void)err;
    return 0;
}

/* Several may send at once; the server locks when it commits. */
static int up_image_lock(struct cr_store *store, const char *name, struct cr_store_lock **ret_lock,
                         struct cr_error *err)
{
    (void)store, (void)name, (void)err;
    *ret_lock = NULL;
    return 0;
}

static void up_image_unlock(struct cr_store *store, struct cr_store_lock *lock)
{
    (void)store, (void)lock;
}

static int up_head_set(struct cr_store *store, const char *name, const struct cr_id *expected,
                       const void *data, size_t len, struct cr_error *err)
{
    (void)expected, (void)data, (void)len;
    return cr_error_set(err, -EROFS, "the head of '%s' is the server's to set, at '%s'", name,
                        store->uri);
}

/* --- what is read ------------------------------------------------------------------------------
 */

static int up_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                         cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct cr_store *reader = of(store)->reader;
    return reader->ops->chunks_get(reader, ids, count, sink, context, err);
}

static int up_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                         struct cr_buf *frame, struct cr_error *err)
{
    struct cr_store *reader = of(store)->reader;
    return reader->ops->object_get(reader, kind, id, frame, err);
}

static int up_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                       struct cr_error *err)
{
    struct cr_store *reader = of(store)->reader;
    return reader->ops->head_get(reader, name, head, err);
}

static int up_heads_list(struct cr_store *store, cr_name_sink *sink, void *context,
                         struct cr_error *err)
{
    struct cr_store *reader = of(store)->reader;
    return reader->ops->heads_list(reader, sink, context, err);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void up_close(struct cr_store *store)
{
    cr_http_free(of(store)->http);
    cr_idset_done(&of(store)->known);
    free(store);
}

static const struct cr_store_ops up_ops = {
    .close = up_close,
    .chunks_get = up_chunks_get,
    .object_get = up_object_get,
    .head_get = up_head_get,
    .heads_list = up_heads_list,
    .chunks_have = up_chunks_have,
    .image_lock = up_image_lock,
    .image_unlock = up_image_unlock,
    .pack_put = up_pack_put,
    .object_put = up_object_put,
    .sync = up_sync,
    .head_set = up_head_set,
};

int cr_upstore_open(const char *server, const char *realm, struct cr_store *reader,
                    struct cr_store **ret_store, struct cr_error *err)
{
    CLEANUP_FREE struct cr_server_uri *uri = malloc(sizeof(*uri));
    CLEANUP_FREE struct upstore *up = cr_calloc(1, sizeof(*up));
    if (uri == NULL || up == NULL)
        return cr_error_errno(err, -ENOMEM, "open store '%.200s'", server);
    int r = cr_server_uri_parse(server, uri, err);
    if (r == 0)
        r = cr_http_new(uri, &up->http, err);
    if (r < 0)
        return r;
    up->store.ops = &up_ops;
    up->reader = reader;
    snprintf(up->store.uri, sizeof(up->store.uri), "%s", server);
    snprintf(up->realm, sizeof(up->realm), "%s", realm);
    *ret_store = &TAKE_PTR(up)->store;
    return 0;
}

/* --- claim, commit, and the rest ---------------------------------------------------------------
 */

static int known_add(struct upstore *up, const struct cr_id *ids, size_t count,
                     struct cr_error *err)
{
    for (size_t i = 0; ids != NULL && i < count; i++) {
        int r = cr_idset_add(&up->known, &ids[i]);
        if (r < 0)
            return cr_error_errno(err, r, "listing what is there already");
    }
    return 0;
}

int cr_upstore_know(struct cr_store *upstore, struct cr_version *version, struct cr_error *err)
{
    const struct cr_manifest *manifest = cr_version_manifest(version);
    int r = known_add(of(upstore), manifest->segments, manifest->segment_count, err);
    for (uint32_t i = 0; i < manifest->segment_count && r == 0; i++) {
        const struct cr_id *ids;
        r = cr_version_segment(version, i, &ids, err);
        if (r == 0)
            r = known_add(of(upstore), ids, cr_segment_chunks(manifest->disk_bytes, i), err);
    }
    return r;
}

void cr_upstore_forget(struct cr_store *upstore)
{
    cr_idset_done(&of(upstore)->known);
}

/* The answer's reason, when it could not be parsed. */
static int answer_judge(const struct upstore *up, int r, struct cr_error *err)
{
    return r == -EBADMSG ? cr_error_prefix(err, -EPROTO, "server '%s' sent a bad answer",
                                           cr_http_server(up->http))
                         : r;
}

int cr_upstore_claim(struct cr_store *upstore, const char *name, struct cr_claim_answer *ret_answer,
                     struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(ANSWER_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(ANSWER_MAX);
    struct cr_claim_request request;
    snprintf(request.name, sizeof(request.name), "%s", name);
    int r = cr_claim_request_format(&request, &body);
    if (r < 0)
        return cr_error_errno(err, r, "taking charge of '%s'", name);
    r = request_send(of(upstore), "claim", false, &body, &answer, err);
    if (r < 0)
        return r;
    r = cr_claim_answer_parse(answer.data, answer.len, ret_answer, err);
    return answer_judge(of(upstore), r, err);
}

int cr_upstore_keys(struct cr_store *upstore, struct cr_owner_keys *ret_keys, struct cr_error *err)
{
    struct upstore *up = of(upstore);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(2 * CR_SEAL_KEY_BYTES);
    const struct cr_buf nothing = {0};
    int r = request_send(up, "keys", false, &nothing, &answer, err);
    if (r == 0 && answer.len != 2 * CR_SEAL_KEY_BYTES)
        r = cr_error_set(err, -EPROTO, "server '%s' sent %zu bytes as keys",
                         cr_http_server(up->http), answer.len);
    if (r == 0) {
        memcpy(ret_keys->id, answer.data, CR_SEAL_KEY_BYTES);
        memcpy(ret_keys->data, answer.data + CR_SEAL_KEY_BYTES, CR_SEAL_KEY_BYTES);
    }
    if (answer.data != NULL)
        explicit_bzero(answer.data, answer.cap);
    return r;
}

int cr_upstore_commit(struct cr_store *upstore, const struct cr_commit_request *request,
                      struct cr_commit_answer *ret_answer, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(4 * ANSWER_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(ANSWER_MAX);
    int r = cr_commit_request_format(request, &body);
    if (r < 0)
        return cr_error_errno(err, r, "committing '%s'", request->name);
    r = request_send(of(upstore), "commit", false, &body, &answer, err);
    if (r < 0)
        return r;
    r = cr_commit_answer_parse(answer.data, answer.len, ret_answer, err);
    return answer_judge(of(upstore), r, err);
}

void cr_upstore_stat(struct cr_store *upstore, struct cr_upstore_stat *ret_stat)
{
    const struct upstore *up = of(upstore);
    *ret_stat = (struct cr_upstore_stat){
        .chunks_sent = atomic_load(&up->chunks_sent),
        .chunks_there = atomic_load(&up->chunks_there),
        .packs_sent = atomic_load(&up->packs_sent),
        .bytes_sent = atomic_load(&up->bytes_sent),
    };
}

void cr_upstore_interrupt(struct cr_store *upstore)
{
    cr_http_interrupt(of(upstore)->http);
}
