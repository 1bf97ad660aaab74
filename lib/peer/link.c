/* SPDX-License-Identifier: MIT */
#include "lib/peer/link.h"

#include "lib/base/hex.h"
#include "lib/base/mem.h"
#include "lib/net/http.h"

#include <arpa/inet.h>
#include <errno.h>

#define STALL_S 3U /* without a byte: whoever has hedged has not waited for it anyway */

/* The address as a host of a URI. */
static void host_format(const uint8_t address[static 16], struct cr_server_uri *uri)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uri->ipv6 = memcmp(address, mapped, sizeof(mapped)) != 0;
    inet_ntop(uri->ipv6 ? AF_INET6 : AF_INET, uri->ipv6 ? address : address + 12, uri->host,
              sizeof(uri->host));
}

static int link_open(void *context, const struct cr_peer_place *place, void **ret_link,
                     struct cr_error *err)
{
    struct cr_server_uri uri = {.tls = true, .port = place->port, .stall_s = STALL_S};
    struct cr_http *http = NULL;
    host_format(place->address, &uri);
    snprintf(uri.pki, sizeof(uri.pki), "%s", (const char *)context);
    int r = cr_http_new_pinned(&uri, &place->fingerprint, &http, err);
    if (r == 0)
        *ret_link = http;
    return r;
}

static void link_close(void *link)
{
    cr_http_free(link);
}

static void link_interrupt(void *link)
{
    cr_http_interrupt(link);
}

static int batch_piece(void *context, const void *data, size_t len, struct cr_error *err)
{
    return cr_batch_reader_feed(context, data, len, err);
}

static int chunks_ask(struct cr_http *http, const char *header, const struct cr_id *ids,
                      uint32_t count, cr_batch_sink *sink, void *context, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    struct cr_batch_reader reader;
    int r = cr_batch_request_format(ids, count, &body);
    if (r < 0)
        return cr_error_errno(err, r, "a batch request");
    cr_batch_reader_init(&reader, count, sink, context);
    const struct cr_http_request request = {
        .path = "/v1/batch",
        .header = header,
        .body = body.data,
        .body_len = body.len,
        .sink = batch_piece,
        .context = &reader,
    };
    r = cr_http_do(http, &request, err);
    if (r == 0 && !cr_batch_reader_complete(&reader))
        r = cr_error_set(err, -EBADMSG, "peer '%s' sent half an answer", cr_http_server(http));
    cr_batch_reader_done(&reader);
    return r;
}

static int frame_piece(void *context, const void *data, size_t len, struct cr_error *err)
{
    int r = cr_buf_append(context, data, len);
    return r == -EMSGSIZE ? cr_error_set(err, -EBADMSG, "its answer is too long") : r;
}

static int object_ask(struct cr_http *http, const char *header, enum cr_kind kind,
                      const struct cr_id *id, cr_batch_sink *sink, void *context,
                      struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[kind].frame_max);
    char path[64 + CR_ID_HEX], hex[CR_ID_HEX];
    snprintf(path, sizeof(path), "/v1/%ss/%s", cr_kinds[kind].name, cr_id_format(id, hex));
    const struct cr_http_request request = {
        .path = path, .header = header, .sink = frame_piece, .context = &frame};
    int r = cr_http_do(http, &request, err);
    if (r == -ENOENT)
        return sink(context, 0, CR_BATCH_MISSING, NULL, 0);
    return r < 0 ? r : sink(context, 0, 0, frame.data, frame.len);
}

static int link_ask(void *link, const uint8_t *ticket, enum cr_kind kind, const struct cr_id *ids,
                    uint32_t count, cr_batch_sink *sink, void *context, struct cr_error *err)
{
    char header[sizeof(CR_TICKET_HEADER) + 2 + CR_TICKET_TEXT];
    int n = snprintf(header, sizeof(header), "%s: ", CR_TICKET_HEADER);
    cr_hex_format(ticket, CR_PEER_TICKET_BYTES, header + n);
    return kind == CR_CHUNK ? chunks_ask(link, header, ids, count, sink, context, err)
                            : object_ask(link, header, kind, &ids[0], sink, context, err);
}

const struct cr_peer_ops cr_peerlink_ops = {
    .open = link_open,
    .close = link_close,
    .ask = link_ask,
    .interrupt = link_interrupt,
};
