/* SPDX-License-Identifier: MIT */
#include "server/chunkd/service.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "server/chunkd/log.h"
#include "server/chunkd/reply.h"
#include "server/chunkd/routes.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define IDLE_TIMEOUT_S 60U

/*
 * What libmicrohttpd may use for a connection: half of it for what is read, and from the rest the
 * parsed headers (72 bytes each) and the list of a batch answer's pieces (20 KiB). When that list
 * does not fit, libmicrohttpd 0.9.75 ends the process, so head_refused keeps the rest small.
 */
#define CONNECTION_MEMORY_BYTES (64 * CR_KIB)

struct worker {
    struct MHD_Daemon *daemon;
    struct tls_door door;
};

struct service {
    struct server *server;
    bool plain_routes_only;
    unsigned per_worker; /* connections */
    unsigned count;
    struct log_limit full_limit;
    struct worker workers[];
};

/* --- one request ------------------------------------------------------------------------------ */

/* Refuse a head that takes the memory that an answer will need. */
static bool head_refused(struct request *request)
{
    struct MHD_Connection *connection = request->connection;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    int headers =
        MHD_get_connection_values(connection, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, NULL, NULL);
    int cookies = MHD_get_connection_values(connection, MHD_COOKIE_KIND, NULL, NULL);
    if (info == NULL || info->header_size > CR_HTTP_HEAD_BYTES_MAX || cookies > 0 ||
        headers > (int)CR_HTTP_HEADERS_MAX)
        request_refuse(request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                       "a request may have at most %llu bytes of headers, %u of them, and no "
                       "cookies",
                       CR_HTTP_HEAD_BYTES_MAX, CR_HTTP_HEADERS_MAX);
    /* Behind a body in pieces more headers may follow. */
    else if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                         MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
        request_refuse(request, MHD_HTTP_LENGTH_REQUIRED,
                       "a body needs its 'Content-Length' here, not a 'Transfer-Encoding'");
    else
        return false;
    return true;
}

static struct request *request_begin(struct service *service, struct MHD_Connection *connection,
                                     const char *path, const char *method)
{
    struct request *request = cr_calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    const char *rest;
    request->server = service->server;
    request->connection = connection;
    request->route_index = route_find(path, service->plain_routes_only, &rest);
    request->route = &routes[request->route_index];
    cr_buf_init(&request->body, request->route->body_max);
    atomic_fetch_add(&service->server->metrics.in_flight, 1);
    bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    bool get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!tls_is_trusted(connection))
        request_refuse(request, MHD_HTTP_FORBIDDEN, "a client certificate is needed");
    else if (request->route_index != ROUTE_NONE && !(request->route->post ? post : get))
        request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "'%.20s' is not possible here; use %s",
                       method, request->route->post ? "POST" : "GET or HEAD");
    else
        route_object_parse(request, rest);
    return request;
}

static void request_ended(void *context, struct MHD_Connection *connection, void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    struct request *request = *request_context;
    (void)context;
    if (request == NULL)
        return;
    tls_answer_ended(connection);
    struct server *server = request->server;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        atomic_fetch_add(&server->metrics.sent_bytes, request->answer_bytes);
    frames_release(server->frames, &request->frame);
    for (uint32_t i = 0; request->batch != NULL && i < request->batch->request.count; i++)
        frames_release(server->frames, &request->batch->frames[i]);
    free(request->batch);
    cr_buf_done(&request->body);
    cr_buf_done(&request->text);
    free(request);
    *request_context = NULL;
    if (atomic_fetch_sub(&server->metrics.in_flight, 1) == 1 && atomic_load(&server->draining))
        eventfd_write(server->idle_fd, 1);
}

static enum MHD_Result request_answer(struct request *request)
{
    unsigned status;
    struct MHD_Response *response = request->refusal != 0 ? reply_refusal(request, &status)
                                                          : request->route->reply(request, &status);
    if (response == NULL)
        return MHD_NO; /* out of memory: the connection is closed */
    if (atomic_load(&request->server->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    metrics_answered(&request->server->metrics, request->route_index, status);
    request->state = REQUEST_ANSWERED;
    return result;
}

static void read_job(void *argument)
{
    struct request *request = argument;
    request->route->read(request);
    request->state = REQUEST_READY;
    MHD_resume_connection(request->connection);
}

/* The whole request is here, or what it needs from the store is. */
static enum MHD_Result request_go_on(struct request *request)
{
    if (request->state == REQUEST_READY || request->refusal != 0 || request->route->look(request))
        return request_answer(request);
    /* A daemon must not be stopped while one of its connections is laid aside. */
    if (atomic_load(&request->server->stopping)) {
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "this server is going down");
        return request_answer(request);
    }
    request->state = REQUEST_AT_READER;
    MHD_suspend_connection(request->connection);
    cr_pool_submit(request->server->readers, read_job, request);
    return MHD_YES;
}

/* --- what libmicrohttpd calls ----------------------------------------------------------------- */

/* Refuse a body that is announced as too long, or that this route does not take, before it comes.
 */
static bool body_refused(struct request *request)
{
    const char *length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t max = request->route->body_max;
    uint64_t announced;
    if (length == NULL || (cr_u64_parse(length, UINT64_MAX, &announced) == 0 && announced <= max))
        return false;
    request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                   "the body of this request may have at most %zu bytes", max);
    return true;
}

/* A piece of the body, when its length was not announced or is allowed. */
static enum MHD_Result body_received(struct request *request, const char *data, size_t *len)
{
    size_t max = request->route->body_max;
    size_t n = *len;
    *len = 0;
    if (request->refusal != 0)
        return request->answer_bytes++ > 1024 ? MHD_NO : MHD_YES; /* enough of it: hang up */
    if (n > max - request->body.len)
        request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                       "the body of this request may have at most %zu bytes", max);
    else if (cr_buf_append(&request->body, data, n) < 0)
        return MHD_NO;
    return MHD_YES;
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
        bool refused = head_refused(request) || body_refused(request);
        return refused ? request_answer(request) : MHD_YES;
    }
    if (request->state == REQUEST_ANSWERED)
        return MHD_YES;
    if (*len > 0)
        return body_received(request, data, len);
    return request_go_on(request);
}

/*
 * Why libmicrohttpd does not start. What it says later, from any thread, is left: these are single
 * clients' mishaps, which have their counters.
 */
static struct {
    atomic_bool listening;
    char text[256];
} explanation;

__attribute__((format(printf, 2, 0))) static void explain(void *context, const char *format,
                                                          va_list args)
{
    (void)context;
    if (atomic_exchange(&explanation.listening, false))
        vsnprintf(explanation.text, sizeof(explanation.text), format, args);
}

/* --- life ------------------------------------------------------------------------------------- */

static int worker_start(struct service *service, struct worker *worker,
                        const struct service_options *options, struct cr_error *err)
{
    static char priorities[] = CR_TLS_PRIORITIES;
    worker->door.server = service->server;
    worker->door.tls = options->files != NULL;
    struct MHD_OptionItem tls[5] = {{MHD_OPTION_END, 0, NULL}};
    if (options->files != NULL) {
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, options->files->key.data};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, options->files->cert.data};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, options->files->ca.data};
        tls[3] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
        tls[4] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    explanation.text[0] = '\0';
    atomic_store(&explanation.listening, true);
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_USE_TURBO |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            (options->files != NULL ? MHD_USE_TLS : MHD_NO_FLAG),
        0, NULL, NULL, request_received, service, MHD_OPTION_EXTERNAL_LOGGER, explain, NULL,
        MHD_OPTION_ARRAY, tls, MHD_OPTION_CONNECTION_LIMIT, service->per_worker,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_NOTIFY_COMPLETED, request_ended, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, tls_connection_changed, &worker->door, MHD_OPTION_END);
    if (worker->daemon == NULL)
        return cr_error_set(err, -EIO, "start the HTTP server: %.*s",
                            (int)strcspn(explanation.text, "\n"), explanation.text);
    return 0;
}

int service_new(struct server *server, const struct service_options *options,
                struct service **ret_service, struct cr_error *err)
{
    unsigned count = options->threads;
    struct service *service = cr_calloc(1, sizeof(*service) + count * sizeof(service->workers[0]));
    if (service == NULL)
        return cr_error_errno(err, -ENOMEM, "start the HTTP server");
    service->server = server;
    service->plain_routes_only = options->plain_routes_only;
    service->per_worker = (options->connections + count - 1) / count;
    for (; service->count < count; service->count++) {
        int r = worker_start(service, &service->workers[service->count], options, err);
        if (r < 0) {
            service_free(service);
            return r;
        }
    }
    *ret_service = service;
    return 0;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    for (unsigned i = 0; i < service->count; i++)
        MHD_stop_daemon(service->workers[i].daemon);
    free(service);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct worker *worker_choose(struct service *service)
{
    struct worker *best = &service->workers[0];
    for (unsigned i = 1; i < service->count; i++)
        if (atomic_load(&service->workers[i].door.connections) <
            atomic_load(&best->door.connections))
            best = &service->workers[i];
    return best;
}

int service_accept(struct service *service, int listen_fd)
{
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof(peer);
        int fd =
            accept4(listen_fd, (struct sockaddr *)&peer, &peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            return -errno;
        if (fd < 0)
            continue; /* this client is gone again */
        int on = 1;
        uint64_t dropped;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct worker *worker = worker_choose(service);
        if (atomic_load(&worker->door.connections) >= service->per_worker) {
            close(fd);
            if (log_limit_pass(&service->full_limit, &dropped))
                log_event("a client was turned away: %u connections are the limit, see "
                          "'--connections'",
                          service->per_worker * service->count);
            continue;
        }
        MHD_add_connection(worker->daemon, fd, (struct sockaddr *)&peer, peer_len);
    }
}
