/* SPDX-License-Identifier: MIT */
#include "server/syncd/reads.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/net/batch.h"
#include "server/syncd/owners.h"
#include "server/syncd/routes.h"

#include <errno.h>

static const char octets[] = "application/octet-stream";

/* Whoever asked verifies what comes; it opens by the owner's keys only. */
void read_object(struct request *request)
{
    enum cr_kind kind = request->route->kind;
    struct cr_store *store = request->store;
    struct cr_id id;
    if (cr_id_parse(request->rest, strlen(request->rest), &id) < 0) {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "'%.80s' is not an id: 64 hexadecimal digits",
                       request->rest);
        return;
    }
    cr_buf_init(&request->answer, cr_kinds[kind].frame_max);
    int r = store->ops->object_get(store, kind, &id, &request->answer, &request->err);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = octets;
}

struct batch {
    struct cr_buf *out;
    size_t next; /* index of the entry that comes next */
    struct cr_buf frames[CR_BATCH_IDS_MAX];
    int results[CR_BATCH_IDS_MAX];
};

static int frame_found(void *context, size_t index, int result, const void *frame, size_t frame_len,
                       const struct cr_error *err)
{
    struct batch *batch = context;
    (void)err;
    batch->results[index] = result;
    if (result < 0)
        return 0;
    cr_buf_init(&batch->frames[index], CR_CHUNK_FRAME_MAX);
    return cr_buf_append(&batch->frames[index], frame, frame_len);
}

static int entry_append(const struct batch *batch, size_t i, struct cr_buf *out)
{
    uint8_t word[4];
    int result = batch->results[i];
    uint32_t value = (uint32_t)batch->frames[i].len;
    if (result < 0)
        value = result == -ENOENT    ? CR_BATCH_MISSING
                : result == -EBADMSG ? CR_BATCH_CORRUPTED
                                     : CR_BATCH_UNREADABLE;
    cr_put_le32(word, value);
    int r = cr_buf_append(out, word, sizeof(word));
    return r < 0 || result < 0 ? r : cr_buf_append(out, batch->frames[i].data, value);
}

void read_batch(struct request *request)
{
    struct cr_store *store = request->store;
    struct cr_error why = {0};
    CLEANUP_FREE struct cr_batch_request *asked = malloc(sizeof(*asked));
    CLEANUP_FREE struct batch *batch = cr_calloc(1, sizeof(*batch));
    uint8_t header[CR_BATCH_HEADER_BYTES];
    if (asked == NULL || batch == NULL) {
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
        return;
    }
    if (cr_batch_request_parse(request->body.data, request->body.len, asked, &why) < 0) {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "not a batch request: %s", why.text);
        return;
    }
    cr_buf_init(&request->answer,
                sizeof(header) + (size_t)CR_BATCH_IDS_MAX * (4 + CR_CHUNK_FRAME_MAX));
    cr_batch_answer_header(asked->count, header);
    int r = cr_buf_append(&request->answer, header, sizeof(header));
    if (r == 0)
        r = store->ops->chunks_get(store, asked->ids, asked->count, frame_found, batch,
                                   &request->err);
    for (uint32_t i = 0; i < asked->count && r == 0; i++)
        r = entry_append(batch, i, &request->answer);
    for (uint32_t i = 0; i < asked->count; i++)
        cr_buf_done(&batch->frames[i]);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = octets;
}

void read_head(struct request *request)
{
    struct cr_store *store = request->store;
    struct cr_ref ref;
    if (cr_ref_parse(request->rest, &ref, NULL) < 0 || ref.number != 0 || ref.channel[0] != '\0') {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "'%.80s' is not an image name",
                       request->rest);
        return;
    }
    cr_buf_init(&request->answer, CR_HEAD_BYTES_MAX);
    int r = store->ops->head_get(store, ref.name, &request->answer, &request->err);
    if (r == -ENOENT)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "there is no '%s' here", ref.name);
    else if (r < 0)
        request_refuse_errno(request, r);
    request->type = "application/vnd.carrel.head";
}

static int name_found(void *context, const char *name)
{
    struct cr_buf *text = context;
    /* A name holds no character that JSON escapes (cr_ref_parse). */
    return cr_buf_printf(text, "%s\"%s\"", text->len > 1 ? "," : "", name);
}

void read_heads(struct request *request)
{
    struct cr_store *store = request->store;
    cr_buf_init(&request->answer, CR_IMAGE_LIST_BYTES_MAX);
    int r = cr_buf_append(&request->answer, "[", 1);
    if (r == 0)
        r = store->ops->heads_list(store, name_found, &request->answer, &request->err);
    if (r == 0)
        r = cr_buf_append(&request->answer, "]", 1);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = "application/json";
}

/* The one place where keys leave the server: over mutual TLS, to whom the certificate names. */
void read_keys(struct request *request)
{
    const struct cr_owner_keys *keys = &request->owner->keys;
    cr_buf_init(&request->answer, 2 * CR_SEAL_KEY_BYTES);
    int r = cr_buf_append(&request->answer, keys->id, CR_SEAL_KEY_BYTES);
    if (r == 0)
        r = cr_buf_append(&request->answer, keys->data, CR_SEAL_KEY_BYTES);
    if (r < 0)
        request_refuse_errno(request, r);
    request->type = octets;
}
