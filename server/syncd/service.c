/* SPDX-License-Identifier: MIT */
#include "server/syncd/service.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "server/syncd/owners.h"
#include "server/syncd/routes.h"

#include <errno.h>
#include <gnutls/gnutls.h>

#define IDLE_TIMEOUT_S          60U
#define CONNECTION_MEMORY_BYTES CR_HTTP_HEAD_BYTES_MAX
#define REFUSED_BODY_PIECES     1024U /* of a body that nobody wants: then the connection is cut */

struct service {
    struct syncd *syncd;
    struct MHD_Daemon *daemon;
    bool tls;
    struct cr_visitor plain;
};

/* Who is at the other end of a connection; NULL or not trusted before the handshake. */
struct peer {
    bool trusted;
    struct cr_visitor visitor;
};

/* --- connections -------------------------------------------------------------------------------
 */

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* Called by GnuTLS in the handshake, also when the client has sent no certificate. */
static int client_verify(gnutls_session_t session)
{
    struct peer *peer = peer_of(gnutls_session_get_ptr(session));
    gnutls_alert_description_t alert = GNUTLS_A_BAD_CERTIFICATE;
    if (peer == NULL)
        return GNUTLS_E_INTERNAL_ERROR;
    const char *why = cr_visitor_refusal(session, &alert);
    if (why == NULL && cr_visitor_read(session, &peer->visitor) < 0)
        why = "its certificate has no name of a client";
    if (why != NULL) {
        gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
        log_event("refused a client: %s", why);
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    peer->trusted = true;
    return 0;
}

static void connection_changed(void *context, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    const struct service *service = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        free(*socket_context);
        *socket_context = NULL;
        return;
    }
    struct peer *peer = cr_calloc(1, sizeof(*peer));
    *socket_context = peer; /* NULL, when memory is short, is never trusted */
    if (peer == NULL)
        return;
    if (!service->tls) {
        peer->visitor = service->plain;
        peer->trusted = true;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL)
        return;
    /* Asked for, not required: then client_verify is called in any case and can say what is wrong.
     */
    gnutls_session_t session = info->tls_session;
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(session, client_verify);
}

/* --- one request -------------------------------------------------------------------------------
 */

static struct request *request_begin(struct service *service, struct MHD_Connection *connection,
                                     const char *path, const char *method)
{
    struct request *request = cr_calloc(1, sizeof(*request));
    const struct peer *peer = peer_of(connection);
    if (request == NULL)
        return NULL;
    request->syncd = service->syncd;
    request->connection = connection;
    request->path = path;
    atomic_fetch_add(&service->syncd->in_flight, 1);
    if (peer == NULL || !peer->trusted) {
        request_refuse(request, MHD_HTTP_FORBIDDEN, "a client certificate is needed");
        return request;
    }
    request->visitor = peer->visitor;
    route_find(request, method);
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t announced = 0;
    if (request->refusal == 0 && length != NULL &&
        (cr_u64_parse(length, UINT64_MAX, &announced) < 0 || announced > request->body.max))
        request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the body of this request may have at most %zu bytes", request->body.max);
    return request;
}

static void request_ended(void *context, struct MHD_Connection *connection, void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    struct request *request = *request_context;
    (void)context, (void)connection, (void)code;
    if (request == NULL)
        return;
    cr_buf_done(&request->body);
    if (request->answer.data != NULL)
        explicit_bzero(request->answer.data, request->answer.len); /* it may have been keys */
    cr_buf_done(&request->answer);
    owners_give(request->syncd->owners, request->owner);
    atomic_fetch_sub(&request->syncd->in_flight, 1);
    free(request);
    *request_context = NULL;
}

static struct MHD_Response *refusal_make(struct request *request)
{
    char sentence[CR_HTTP_SENTENCE_MAX];
    int len = snprintf(sentence, sizeof(sentence), "%.*s\n", (int)sizeof(sentence) - 2,
                       request->err.text);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len < 0 ? 0 : (size_t)len, sentence, MHD_RESPMEM_MUST_COPY);
    if (response != NULL && request->refusal == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    request->type = "text/plain; charset=utf-8";
    return response;
}

static enum MHD_Result request_answer(struct request *request)
{
    unsigned status = request->refusal != 0 ? request->refusal : MHD_HTTP_OK;
    struct MHD_Response *response =
        request->refusal != 0
            ? refusal_make(request)
            : MHD_create_response_from_buffer(request->answer.len, request->answer.data,
                                              MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO; /* out of memory: the connection is closed */
    if (request->refusal != 0)
        atomic_fetch_add(&request->syncd->refusals, 1);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, request->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (atomic_load(&request->syncd->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    request->answered = true;
    return result;
}

static enum MHD_Result body_received(struct request *request, const char *data, size_t *len)
{
    size_t n = *len;
    *len = 0;
    if (request->refusal != 0)
        return ++request->refused_pieces > REFUSED_BODY_PIECES ? MHD_NO : MHD_YES;
    int r = cr_buf_append(&request->body, data, n);
    if (r == -EMSGSIZE)
        request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the body of this request may have at most %zu bytes", request->body.max);
    return r == -ENOMEM ? MHD_NO : MHD_YES;
}

static enum MHD_Result request_received(void *context, struct MHD_Connection *connection,
                                        const char *path, const char *method, const char *version,
                                        const char *data, size_t *len, void **request_context)
{
    struct request *request = *request_context;
    (void)version;
    if (request == NULL) { /* the headers are here */
        request = request_begin(context, connection, path, method);
        if (request == NULL)
            return MHD_NO;
        *request_context = request;
        return request->refusal != 0 ? request_answer(request) : MHD_YES;
    }
    if (request->answered)
        return MHD_YES;
    if (*len > 0)
        return body_received(request, data, len);
    if (request->refusal == 0)
        request->route->answer(request);
    return request_answer(request);
}

/* --- life --------------------------------------------------------------------------------------
 */

/* Single clients' mishaps; who cannot start says so by failing. */
__attribute__((format(printf, 2, 0))) static void be_silent(void *context, const char *format,
                                                            va_list args)
{
    (void)context, (void)format, (void)args;
}

int service_new(struct syncd *syncd, int listen_fd, const struct service_options *options,
                struct service **ret_service, struct cr_error *err)
{
    static char priorities[] = CR_TLS_PRIORITIES;
    struct service *service = cr_calloc(1, sizeof(*service));
    if (service == NULL)
        return cr_error_errno(err, -ENOMEM, "start the HTTP server");
    service->syncd = syncd;
    service->tls = options->files != NULL;
    service->plain = options->plain;
    struct MHD_OptionItem tls[5] = {{MHD_OPTION_END, 0, NULL}};
    if (options->files != NULL) {
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, options->files->key.data};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, options->files->cert.data};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, options->files->ca.data};
        tls[3] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
        tls[4] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    service->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG | (service->tls ? MHD_USE_TLS : MHD_NO_FLAG),
        0, NULL, NULL, request_received, service, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
        MHD_OPTION_ARRAY, tls, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        options->connections, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, service, MHD_OPTION_END);
    if (service->daemon == NULL) {
        free(service);
        return cr_error_set(err, -EIO, "start the HTTP server: libmicrohttpd refuses to");
    }
    *ret_service = service;
    return 0;
}

void service_quiesce(struct service *service)
{
    MHD_socket fd = MHD_quiesce_daemon(service->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    MHD_stop_daemon(service->daemon);
    free(service);
}
