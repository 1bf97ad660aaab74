/* SPDX-License-Identifier: MIT */
#include "server/chunkd/tls.h"

#include "lib/base/mem.h"
#include "server/chunkd/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* --- connections ------------------------------------------------------------------------------ */

#define HELD_MAX   600 /* the headers of an answer as a TLS record */
#define PIECES_MAX 8   /* of one record; GnuTLS has one */

struct visitor {
    bool trusted;
    int fd;
    unsigned records_left; /* of the present answer */
    bool is_first;         /* none of them was sent */
    size_t held_len;
    uint8_t held[HELD_MAX];
};

static struct visitor *visitor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

bool tls_is_trusted(struct MHD_Connection *connection)
{
    const struct visitor *visitor = visitor_of(connection);
    return visitor != NULL && visitor->trusted;
}

const char *tls_address_format(struct MHD_Connection *connection, char out[static TLS_ADDRESS_TEXT])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[INET6_ADDRSTRLEN] = "?";
    if (info != NULL && info->client_addr != NULL) {
        const struct sockaddr *peer = info->client_addr;
        if (peer->sa_family == AF_INET6)
            inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, host,
                      sizeof(host));
        else if (peer->sa_family == AF_INET)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, host,
                      sizeof(host));
    }
    snprintf(out, TLS_ADDRESS_TEXT, "%s", host);
    return out;
}

int tls_client_id(struct MHD_Connection *connection, struct cr_id *ret_id)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL) {
        unsigned count = 0;
        const gnutls_datum_t *certs = gnutls_certificate_get_peers(info->tls_session, &count);
        if (certs == NULL || count == 0)
            return -EACCES;
        cr_hash(certs[0].data, certs[0].size, ret_id);
        return 0;
    }
    char peer[64];
    tls_address_format(connection, peer);
    cr_hash(peer, strlen(peer), ret_id);
    return 0;
}

bool tls_seat(struct MHD_Connection *connection, struct cr_id *ret_fingerprint,
              uint8_t ret_address[static 16])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL || !cr_visitor_fingerprint(info->tls_session, ret_fingerprint))
        return false;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info != NULL && info->client_addr != NULL &&
           cr_visitor_address(info->client_addr, ret_address);
}

static struct log_limit refusals;

/* End the handshake with an alert that tells the client why. */
static int refuse(gnutls_session_t session, gnutls_alert_description_t alert, const char *why)
{
    char peer[64];
    uint64_t dropped;
    gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
    if (log_limit_pass(&refusals, &dropped)) {
        tls_address_format(gnutls_session_get_ptr(session), peer);
        if (dropped > 0)
            log_event("refused client '%s': %s (and %llu others lately)", peer, why,
                      (unsigned long long)dropped);
        else
            log_event("refused client '%s': %s", peer, why);
    }
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Called by GnuTLS in the handshake, also when the client has sent no certificate. */
static int client_verify(gnutls_session_t session)
{
    struct visitor *visitor = visitor_of(gnutls_session_get_ptr(session));
    gnutls_alert_description_t alert;
    if (visitor == NULL)
        return GNUTLS_E_INTERNAL_ERROR;
    const char *why = cr_visitor_refusal(session, &alert);
    if (why != NULL)
        return refuse(session, alert, why);
    visitor->trusted = true;
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

void tls_records_announce(struct MHD_Connection *connection, unsigned records)
{
    struct visitor *visitor = visitor_of(connection);
    if (visitor != NULL)
        visitor->records_left = records, visitor->is_first = true;
}

/* One sendmsg of what is held back and the `count` pieces behind it; returns as sendmsg does. */
static ssize_t pieces_send(struct visitor *visitor, const giovec_t *pieces, int count, int flags)
{
    struct iovec iov[1 + PIECES_MAX];
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 1 + (size_t)count};
    iov[0] = (struct iovec){.iov_base = visitor->held, .iov_len = visitor->held_len};
    for (int i = 0; i < count; i++)
        iov[1 + i] = (struct iovec){.iov_base = pieces[i].iov_base, .iov_len = pieces[i].iov_len};
    return sendmsg(visitor->fd, &message, MSG_NOSIGNAL | flags);
}

/*
 * What GnuTLS sends with, one call a record. The first record of an answer, its headers, is held
 * back until the second one comes: libmicrohttpd pushes it out otherwise, which costs as much as a
 * chunk.
 */
static ssize_t record_push(gnutls_transport_ptr_t context, const giovec_t *pieces, int count)
{
    struct visitor *visitor = context;
    size_t len = 0;
    if (count > PIECES_MAX)
        count = PIECES_MAX;
    for (int i = 0; i < count; i++)
        len += pieces[i].iov_len;
    bool more = visitor->records_left > 1;
    if (more && visitor->is_first && visitor->held_len + len <= sizeof(visitor->held)) {
        for (int i = 0; i < count; i++) {
            memcpy(visitor->held + visitor->held_len, pieces[i].iov_base, pieces[i].iov_len);
            visitor->held_len += pieces[i].iov_len;
        }
        visitor->is_first = false;
        visitor->records_left--;
        return (ssize_t)len;
    }
    ssize_t n = pieces_send(visitor, pieces, count, more ? MSG_MORE : 0);
    if (n < 0)
        return n;
    size_t sent = (size_t)n, held = visitor->held_len < sent ? visitor->held_len : sent;
    visitor->held_len -= held;
    memmove(visitor->held, visitor->held + held, visitor->held_len);
    if (sent == held && len > 0) { /* nothing of this record yet */
        errno = EAGAIN;
        return -1;
    }
    if (sent - held == len && visitor->records_left > 0)
        visitor->records_left--;
    return (ssize_t)(sent - held);
}

void tls_answer_ended(struct MHD_Connection *connection)
{
    struct visitor *visitor = visitor_of(connection);
    if (visitor == NULL)
        return;
    visitor->records_left = 0;
    /* Half a record and then another one is no TLS: the client had better come again. */
    if (visitor->held_len > 0 && pieces_send(visitor, NULL, 0, 0) != (ssize_t)visitor->held_len)
        shutdown(visitor->fd, SHUT_RDWR);
    visitor->held_len = 0;
}

static void connection_begin(struct tls_door *door, struct MHD_Connection *connection,
                             void **socket_context)
{
    struct visitor *visitor = cr_calloc(1, sizeof(*visitor));
    *socket_context = visitor; /* NULL, when memory is short, is never trusted */
    atomic_fetch_add(&door->connections, 1);
    atomic_fetch_add(&door->server->metrics.connections, 1);
    atomic_fetch_add(&door->server->metrics.connections_total, 1);
    if (visitor == NULL)
        return;
    visitor->trusted = !door->tls;
    if (!door->tls)
        return;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL)
        return;
    /* Asked for, not required: then client_verify is called in any case and can say what is wrong.
     */
    gnutls_session_t session = info->tls_session;
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(session, client_verify);
    visitor->fd = gnutls_transport_get_int(session);
    gnutls_transport_set_ptr2(session, (gnutls_transport_ptr_t)(intptr_t)visitor->fd, visitor);
    gnutls_transport_set_vec_push_function(session, record_push);
}

static void connection_end(struct tls_door *door, void **socket_context)
{
    struct visitor *visitor = *socket_context;
    atomic_fetch_sub(&door->connections, 1);
    atomic_fetch_sub(&door->server->metrics.connections, 1);
    if (visitor == NULL || !visitor->trusted)
        atomic_fetch_add(&door->server->metrics.tls_failures, 1);
    free(visitor);
    *socket_context = NULL;
}

void tls_connection_changed(void *context, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begin(context, connection, socket_context);
    else
        connection_end(context, socket_context);
}
