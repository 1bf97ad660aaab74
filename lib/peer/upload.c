/* SPDX-License-Identifier: MIT */
#include "lib/peer/upload.h"

#include "lib/base/hex.h"
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/net/batch.h"
#include "lib/peer/budget.h"
#include "lib/serve/listener.h"
#include "lib/serve/visitor.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define CONNECTIONS_MAX  64U
#define REQUESTS_MAX     32U          /* being answered */
#define HELD_BYTES_MAX   (4 * CR_MIB) /* of answers; asked before each object */
#define THREADS          3U
#define IDLE_S           15U
#define CONNECTION_BYTES ((size_t)16 * 1024)
#define DEBT_MS_MAX      200U /* past it the upload cap is reached: ask somebody else */
#define KEYS             4U   /* of servers; the oldest is forgotten */

struct cr_upload {
    struct cr_upload_options options;
    struct cr_id fingerprint; /* ours */
    struct cr_listener listener;
    uint16_t port;
    struct cr_tls_files files;
    struct MHD_Daemon *daemon;
    struct cr_pool *pool;
    atomic_bool allowed;
    atomic_uint requests;
    atomic_uint_least64_t held_bytes, objects, bytes, refused;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t end;
    bool stopping;
    struct cr_budget budget;
    uint8_t keys[KEYS][CR_TICKET_KEY_BYTES];
    unsigned key_count, next_key;
    int64_t clock_offset_s; /* of the server's clock to our monotonic one */
};

/* One request; belongs to the daemon's thread, or to a worker while its connection is laid aside.
 */
struct request {
    struct cr_upload *upload;
    struct MHD_Connection *connection;
    enum { REQUEST_COMING, REQUEST_AT_WORK, REQUEST_READY, REQUEST_ANSWERED } state;
    bool counted; /* among upload->requests */
    enum cr_kind kind;
    struct cr_id id;
    struct cr_buf body, answer;
    uint64_t held;
    unsigned status;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- tickets ---------------------------------------------------------------------------------- */

void cr_upload_learn(struct cr_upload *upload, const uint8_t key[static CR_TICKET_KEY_BYTES],
                     uint64_t now_s)
{
    bool known = false;
    pthread_mutex_lock(&upload->mutex);
    upload->clock_offset_s = (int64_t)now_s - (int64_t)(now_ms() / 1000);
    for (unsigned i = 0; i < upload->key_count; i++)
        known = known || memcmp(upload->keys[i], key, CR_TICKET_KEY_BYTES) == 0;
    if (!known) {
        memcpy(upload->keys[upload->next_key++ % KEYS], key, CR_TICKET_KEY_BYTES);
        if (upload->key_count < KEYS)
            upload->key_count++;
    }
    pthread_mutex_unlock(&upload->mutex);
}

static bool has_ticket(struct cr_upload *upload, struct MHD_Connection *connection)
{
    uint8_t ticket[CR_PEER_TICKET_BYTES], keys[KEYS][CR_TICKET_KEY_BYTES];
    struct cr_ticket wanted = {.peer = upload->fingerprint, .root = upload->options.root};
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, CR_TICKET_HEADER);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (text == NULL || cr_hex_parse(text, ticket, sizeof(ticket)) < 0 || info == NULL ||
        !cr_visitor_fingerprint(info->tls_session, &wanted.asker))
        return false;
    pthread_mutex_lock(&upload->mutex);
    unsigned count = upload->key_count;
    uint64_t now_s = (uint64_t)((int64_t)(now_ms() / 1000) + upload->clock_offset_s);
    memcpy(keys, upload->keys, sizeof(keys));
    pthread_mutex_unlock(&upload->mutex);
    return cr_ticket_check(ticket, sizeof(ticket), keys, count, &wanted, now_s, NULL) == 0;
}

/* --- the answer, made by a worker ------------------------------------------------------------- */

/* Room for one more object of this answer, while others are being sent? */
static bool room_take(struct request *request, uint64_t bytes)
{
    struct cr_upload *upload = request->upload;
    if (atomic_fetch_add(&upload->held_bytes, bytes) + bytes > HELD_BYTES_MAX) {
        atomic_fetch_sub(&upload->held_bytes, bytes);
        return false;
    }
    request->held += bytes;
    return true;
}

/* An object turned out smaller than its room. */
static void room_give_back(struct request *request, uint64_t bytes)
{
    atomic_fetch_sub(&request->upload->held_bytes, bytes);
    request->held -= bytes;
}

/* A chunk's entry: its frame, or that it is not here. */
static int entry_add(struct request *request, const struct cr_id *id, uint8_t *plain,
                     uint8_t *frame)
{
    const struct cr_upload_source *source = &request->upload->options.source;
    uint8_t length[sizeof(uint32_t)];
    size_t len = 0, frame_len = 0;
    bool room = room_take(request, CR_CHUNK_FRAME_MAX);
    bool here = room && source->chunk(source->context, id, plain, &len) == 0 &&
                cr_frame_encode_fast(plain, len, frame, CR_CHUNK_FRAME_MAX, &frame_len) == 0;
    cr_put_le32(length, here ? (uint32_t)frame_len : room ? CR_BATCH_MISSING : CR_BATCH_UNREADABLE);
    int r = cr_buf_append(&request->answer, length, sizeof(length));
    if (r == 0 && here)
        r = cr_buf_append(&request->answer, frame, frame_len);
    if (r == 0 && here) {
        room_give_back(request, CR_CHUNK_FRAME_MAX - frame_len);
        atomic_fetch_add(&request->upload->objects, 1);
    }
    return r;
}

static unsigned batch_answer(struct request *request)
{
    CLEANUP_FREE struct cr_batch_request *asked = cr_calloc(1, sizeof(*asked));
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    CLEANUP_FREE uint8_t *frame = malloc(CR_CHUNK_FRAME_MAX);
    uint8_t header[CR_BATCH_HEADER_BYTES];
    if (asked == NULL || plain == NULL || frame == NULL)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    if (cr_batch_request_parse(request->body.data, request->body.len, asked, NULL) < 0)
        return MHD_HTTP_BAD_REQUEST;
    cr_batch_answer_header(asked->count, header);
    int r = cr_buf_append(&request->answer, header, sizeof(header));
    for (uint32_t i = 0; i < asked->count && r == 0; i++)
        r = entry_add(request, &asked->ids[i], plain, frame);
    return r < 0 ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static unsigned segment_answer(struct request *request)
{
    const struct cr_upload_source *source = &request->upload->options.source;
    if (!room_take(request, cr_kinds[CR_SEGMENT].frame_max))
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    if (source->segment(source->context, &request->id, &request->answer) < 0)
        return MHD_HTTP_NOT_FOUND;
    atomic_fetch_add(&request->upload->objects, 1);
    return MHD_HTTP_OK;
}

/* Hold the answer back until the upload cap allows it. */
static void budget_wait(struct cr_upload *upload, uint64_t bytes)
{
    pthread_mutex_lock(&upload->mutex);
    uint64_t until_ms = now_ms() + cr_budget_spend(&upload->budget, bytes, now_ms());
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000 * 1000000)};
    while (!upload->stopping && now_ms() < until_ms)
        pthread_cond_timedwait(&upload->end, &upload->mutex, &until);
    pthread_mutex_unlock(&upload->mutex);
}

static void answer_job(void *argument)
{
    struct request *request = argument;
    request->status = request->kind == CR_CHUNK ? batch_answer(request) : segment_answer(request);
    budget_wait(request->upload, request->answer.len);
    request->state = REQUEST_READY;
    MHD_resume_connection(request->connection);
}

/* --- what libmicrohttpd calls ----------------------------------------------------------------- */

static void answer_free(void *data)
{
    free(data);
}

static enum MHD_Result request_answer(struct request *request)
{
    static char sentence[] = "ask somebody else\n";
    bool good = request->status == MHD_HTTP_OK;
    struct MHD_Response *response =
        good ? MHD_create_response_from_buffer_with_free_callback(request->answer.len,
                                                                  request->answer.data, answer_free)
             : MHD_create_response_from_buffer(sizeof(sentence) - 1, sentence,
                                               MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    if (good) {
        atomic_fetch_add(&request->upload->bytes, request->answer.len);
        request->answer.data = NULL;
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    } else if (request->status != MHD_HTTP_NOT_FOUND) {
        atomic_fetch_add(&request->upload->refused, 1);
    }
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    request->state = REQUEST_ANSWERED;
    return result;
}

/* Note what is asked for. Returns 0, or the status of a refusal. */
static unsigned request_refusal(struct request *request, const char *path, const char *method)
{
    static const char segments[] = "/v1/segments/";
    struct cr_upload *upload = request->upload;
    if (!atomic_load(&upload->allowed))
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    if (!has_ticket(upload, request->connection))
        return MHD_HTTP_FORBIDDEN;
    if (strcmp(path, "/v1/batch") == 0)
        request->kind = CR_CHUNK;
    else if (strncmp(path, segments, strlen(segments)) == 0 &&
             cr_id_parse(path + strlen(segments), strlen(path) - strlen(segments), &request->id) ==
                 0)
        request->kind = CR_SEGMENT;
    else
        return MHD_HTTP_NOT_FOUND;
    if (strcmp(method, request->kind == CR_CHUNK ? "POST" : "GET") != 0)
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    pthread_mutex_lock(&upload->mutex);
    uint64_t debt_ms = cr_budget_debt_ms(&upload->budget, now_ms());
    pthread_mutex_unlock(&upload->mutex);
    request->counted = true;
    if (atomic_fetch_add(&upload->requests, 1) >= REQUESTS_MAX || debt_ms > DEBT_MS_MAX)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    return 0;
}

static enum MHD_Result request_begin(struct cr_upload *upload, struct MHD_Connection *connection,
                                     const char *path, const char *method, void **request_context)
{
    struct request *request = cr_calloc(1, sizeof(*request));
    if (request == NULL)
        return MHD_NO;
    request->upload = upload;
    request->connection = connection;
    cr_buf_init(&request->body, CR_BATCH_HEADER_BYTES + CR_PEER_IDS_MAX * CR_ID_BYTES);
    cr_buf_init(&request->answer, CR_BATCH_ANSWER_MAX);
    *request_context = request;
    request->status = request_refusal(request, path, method);
    return request->status != 0 ? request_answer(request) : MHD_YES;
}

/* The whole request is here: off to a worker. */
static enum MHD_Result request_work(struct request *request)
{
    struct cr_upload *upload = request->upload;
    pthread_mutex_lock(&upload->mutex);
    bool stopping = upload->stopping;
    if (!stopping) {
        request->state = REQUEST_AT_WORK;
        MHD_suspend_connection(request->connection);
        cr_pool_submit(upload->pool, answer_job, request);
    }
    pthread_mutex_unlock(&upload->mutex);
    if (!stopping)
        return MHD_YES;
    request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return request_answer(request);
}

static enum MHD_Result request_received(void *context, struct MHD_Connection *connection,
                                        const char *path, const char *method, const char *version,
                                        const char *data, size_t *len, void **request_context)
{
    struct request *request = *request_context;
    (void)version;
    if (request == NULL)
        return request_begin(context, connection, path, method, request_context);
    if (request->state == REQUEST_ANSWERED)
        return MHD_YES;
    if (*len > 0) {
        size_t n = *len;
        *len = 0;
        return cr_buf_append(&request->body, data, n) == 0 ? MHD_YES : MHD_NO;
    }
    return request->state == REQUEST_READY ? request_answer(request) : request_work(request);
}

static void request_ended(void *context, struct MHD_Connection *connection, void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    struct request *request = *request_context;
    (void)context, (void)connection, (void)code;
    if (request == NULL)
        return;
    if (request->counted)
        atomic_fetch_sub(&request->upload->requests, 1);
    atomic_fetch_sub(&request->upload->held_bytes, request->held);
    cr_buf_done(&request->body);
    cr_buf_done(&request->answer);
    free(request);
    *request_context = NULL;
}

/* Called by GnuTLS in the handshake, also when the client has sent no certificate. */
static int client_verify(gnutls_session_t session)
{
    gnutls_alert_description_t alert;
    if (cr_visitor_refusal(session, &alert) == NULL)
        return 0;
    gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Asked for, not required: then client_verify is called in any case. */
static void connection_changed(void *context, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    (void)context, (void)socket_context;
    if (code != MHD_CONNECTION_NOTIFY_STARTED || info == NULL)
        return;
    gnutls_certificate_server_set_request(info->tls_session, GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(info->tls_session, client_verify);
}

/* --- life ------------------------------------------------------------------------------------- */

static int daemon_start(struct cr_upload *upload, struct cr_error *err)
{
    static char priorities[] = CR_TLS_PRIORITIES_13;
    upload->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_TLS,
        0, NULL, NULL, request_received, upload, MHD_OPTION_LISTEN_SOCKET, upload->listener.fd,
        MHD_OPTION_HTTPS_MEM_KEY, upload->files.key.data, MHD_OPTION_HTTPS_MEM_CERT,
        upload->files.cert.data, MHD_OPTION_HTTPS_MEM_TRUST, upload->files.ca.data,
        MHD_OPTION_HTTPS_PRIORITIES, priorities, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, NULL, MHD_OPTION_END);
    if (upload->daemon == NULL)
        return cr_error_set(err, -EIO, "cannot serve peers on '%s'", upload->listener.address);
    upload->listener.fd = -1; /* the daemon's */
    return 0;
}

static int upload_open(struct cr_upload *upload, struct cr_error *err)
{
    int r = cr_certs_fingerprint(upload->options.pki, CR_CERT_CLIENT, &upload->fingerprint, err);
    if (r == 0)
        r = cr_tls_files_read(upload->options.pki, CR_CERT_CLIENT, &upload->files, err);
    if (r == 0)
        r = cr_listener_open(upload->options.listen, &upload->listener, err);
    if (r < 0)
        return r;
    upload->port = (uint16_t)strtoul(strrchr(upload->listener.address, ':') + 1, NULL, 10);
    r = cr_pool_new(THREADS, REQUESTS_MAX, &upload->pool);
    return r < 0 ? cr_error_errno(err, r, "cannot serve peers") : daemon_start(upload, err);
}

int cr_upload_start(const struct cr_upload_options *options, struct cr_upload **ret_upload,
                    struct cr_error *err)
{
    struct cr_upload *upload = cr_calloc(1, sizeof(*upload));
    if (upload == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot serve peers");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&upload->end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&upload->mutex, NULL);
    upload->options = *options;
    upload->budget.bytes_a_second = options->bytes_a_second;
    upload->listener.fd = -1;
    int r = upload_open(upload, err);
    upload->options.listen = upload->options.pki = NULL; /* were borrowed */
    if (r < 0) {
        cr_upload_stop(upload);
        return r;
    }
    *ret_upload = upload;
    return 0;
}

void cr_upload_stop(struct cr_upload *upload)
{
    if (upload == NULL)
        return;
    pthread_mutex_lock(&upload->mutex);
    upload->stopping = true;
    pthread_cond_broadcast(&upload->end);
    pthread_mutex_unlock(&upload->mutex);
    cr_pool_free(upload->pool); /* hands back every connection that is laid aside */
    if (upload->daemon != NULL)
        MHD_stop_daemon(upload->daemon);
    cr_listener_close(&upload->listener);
    cr_tls_files_done(&upload->files);
    pthread_cond_destroy(&upload->end);
    pthread_mutex_destroy(&upload->mutex);
    free(upload);
}

uint16_t cr_upload_port(const struct cr_upload *upload)
{
    return upload->port;
}

void cr_upload_allow(struct cr_upload *upload, bool allowed)
{
    atomic_store(&upload->allowed, allowed);
}

void cr_upload_stat(const struct cr_upload *upload, struct cr_upload_stat *ret_stat)
{
    *ret_stat = (struct cr_upload_stat){
        .objects = atomic_load(&upload->objects),
        .bytes = atomic_load(&upload->bytes),
        .refused = atomic_load(&upload->refused),
    };
}
