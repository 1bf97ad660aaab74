/* SPDX-License-Identifier: MIT */
#include "server/chunkd/reply.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/net/etag.h"
#include "lib/store/side.h"
#include "server/chunkd/tls.h"

#include <errno.h>

/*
 * The largest TLS record. libmicrohttpd hands one piece of a scattered body to TLS after the other
 * and goes back to its event loop when a piece was not taken whole; pieces of one record never are.
 */
#define RECORD_BYTES     16384U

#define FRAME_PIECES_MAX (8 * CR_MIB / RECORD_BYTES + 8) /* the largest frame is a manifest's */

/* 20 KiB of them, which libmicrohttpd copies into the memory of the connection (service.c). */
#define BATCH_PIECES_MAX (1 + CR_BATCH_IDS_MAX * (CR_CHUNK_FRAME_MAX / RECORD_BYTES + 1))

/* --- headers ---------------------------------------------------------------------------------- */

static bool tag_known_to_client(struct request *request, const char *tag)
{
    const char *known = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_IF_NONE_MATCH);
    return known != NULL && cr_etag_matches(known, tag);
}

static void headers_add(struct MHD_Response *response, const char *tag, const char *caching,
                        const char *type)
{
    char quoted[CR_ID_HEX + 2];
    snprintf(quoted, sizeof(quoted), "\"%s\"", tag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, quoted);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, caching);
    if (type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
}

static const char immutable[] = "public, max-age=31536000, immutable";
static const char octets[] = "application/octet-stream";

static struct MHD_Response *not_modified(const char *tag, const char *caching, unsigned *ret_status)
{
    static char nothing[1];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    if (response != NULL)
        headers_add(response, tag, caching, NULL);
    *ret_status = MHD_HTTP_NOT_MODIFIED;
    return response;
}

/* --- bodies made of frames -------------------------------------------------------------------- */

/* What a response holds on to until it has been sent. */
struct held {
    struct frames *frames;
    uint32_t count;
    uint8_t header[CR_BATCH_HEADER_BYTES];
    uint8_t statuses[CR_BATCH_IDS_MAX][sizeof(uint32_t)]; /* of ids without a frame */
    struct frame frame[];                                 /* count of them */
};

static struct held *held_new(struct frames *frames, uint32_t count)
{
    struct held *held = malloc(sizeof(*held) + count * sizeof(held->frame[0]));
    if (held != NULL) {
        held->frames = frames;
        held->count = count;
    }
    return held;
}

static void held_free(void *context)
{
    struct held *held = context;
    for (uint32_t i = 0; i < held->count; i++)
        frames_release(held->frames, &held->frame[i]);
    free(held);
}

/* Append `len` bytes in pieces of one record. Returns the new number of pieces. */
static unsigned pieces_add(struct MHD_IoVec *pieces, unsigned count, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        size_t n = len < RECORD_BYTES ? len : RECORD_BYTES;
        pieces[count++] = (struct MHD_IoVec){.iov_base = p, .iov_len = n};
        p += n;
        len -= n;
    }
    return count;
}

struct MHD_Response *reply_frame(struct request *request, unsigned *ret_status)
{
    char tag[CR_ID_HEX];
    cr_id_format(&request->id, tag);
    if (tag_known_to_client(request, tag))
        return not_modified(tag, immutable, ret_status);
    struct MHD_IoVec pieces[FRAME_PIECES_MAX];
    struct held *held = held_new(request->server->frames, 1);
    if (held == NULL)
        return NULL;
    held->frame[0] = request->frame;
    request->frame.entry = NULL;
    request->answer_bytes = frame_len(&held->frame[0]);
    unsigned count = pieces_add(pieces, 0, frame_data(&held->frame[0]), frame_len(&held->frame[0]));
    struct MHD_Response *response = MHD_create_response_from_iovec(pieces, count, held_free, held);
    if (response == NULL) {
        held_free(held);
        return NULL;
    }
    headers_add(response, tag, immutable, octets);
    if (!request->head_only)
        tls_records_announce(request->connection, 1 + count);
    *ret_status = MHD_HTTP_OK;
    return response;
}

static uint32_t batch_status(int result)
{
    if (result == -ENOENT)
        return CR_BATCH_MISSING;
    return result == -EBADMSG ? CR_BATCH_CORRUPTED : CR_BATCH_UNREADABLE;
}

struct MHD_Response *reply_batch(struct request *request, unsigned *ret_status)
{
    struct batch *batch = request->batch;
    uint32_t asked = batch->request.count;
    struct MHD_IoVec pieces[BATCH_PIECES_MAX];
    struct held *held = held_new(request->server->frames, asked);
    if (held == NULL)
        return NULL;
    cr_batch_answer_header(asked, held->header);
    unsigned count = pieces_add(pieces, 0, held->header, sizeof(held->header));
    request->answer_bytes = sizeof(held->header);
    for (uint32_t i = 0; i < asked; i++) {
        const struct cr_cache_entry *entry = batch->frames[i].entry;
        held->frame[i] = batch->frames[i];
        batch->frames[i].entry = NULL;
        if (entry != NULL) { /* its length stands in front of it in memory */
            count = pieces_add(pieces, count, entry->data, entry->len);
            request->answer_bytes += entry->len;
        } else {
            cr_put_le32(held->statuses[i], batch_status(batch->results[i]));
            count = pieces_add(pieces, count, held->statuses[i], sizeof(held->statuses[i]));
            request->answer_bytes += sizeof(held->statuses[i]);
        }
    }
    struct MHD_Response *response = MHD_create_response_from_iovec(pieces, count, held_free, held);
    if (response == NULL) {
        held_free(held);
        return NULL;
    }
    tls_records_announce(request->connection, 1 + count);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, octets);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    *ret_status = MHD_HTTP_OK;
    return response;
}

/* --- bodies of text --------------------------------------------------------------------------- */

static struct MHD_Response *text_reply(struct request *request, const char *caching,
                                       unsigned *ret_status)
{
    char tag[CR_ID_HEX];
    struct cr_id hash;
    cr_hash(request->text.data, request->text.len, &hash);
    cr_id_format(&hash, tag);
    if (tag_known_to_client(request, tag))
        return not_modified(tag, caching, ret_status);
    size_t len = request->text.len;
    uint8_t *data = request->text.data;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return NULL;
    request->text = (struct cr_buf){0};
    request->answer_bytes = len;
    headers_add(response, tag, caching, request->route->type);
    *ret_status = MHD_HTTP_OK;
    return response;
}

struct MHD_Response *reply_text(struct request *request, unsigned *ret_status)
{
    return text_reply(request, "no-cache", ret_status);
}

struct MHD_Response *reply_side(struct request *request, unsigned *ret_status)
{
    bool keep = cr_side_immutable(request->route->space, request->name);
    return text_reply(request, keep ? immutable : "no-cache", ret_status);
}

struct MHD_Response *reply_refusal(struct request *request, unsigned *ret_status)
{
    char sentence[CR_HTTP_SENTENCE_MAX];
    int len = snprintf(sentence, sizeof(sentence), "%.*s\n", (int)sizeof(sentence) - 2,
                       request->err.text);
    if (len < 0)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, sentence, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return NULL;
    request->answer_bytes = (uint64_t)len;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (request->refusal == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                request->route->post ? "POST" : "GET, HEAD");
    if (request->refusal == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (request->comes_later)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "30");
    *ret_status = request->refusal;
    return response;
}
