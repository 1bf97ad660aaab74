/* SPDX-License-Identifier: MIT */
#include "lib/net/http.h"

#include "lib/base/mem.h"
#include "lib/net/certs.h"
#include "lib/net/http_failure.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS        2000L
#define CONNECT_TIMEOUT_PINNED_MS 1000L
#define UNACKED_TIMEOUT_MS        5000 /* a peer whose machine died is noticed after this */
#define IDLE_MAX                  32   /* connections kept for later */
#define RECEIVE_BYTES             (256L * 1024)
#define STALL_BYTES               (16 * 1024) /* fewer within the time that the URI says are a stall */
#define LOOK_MS                   100         /* how often a silent transfer is looked after */

/* A connection and what drives it. */
struct lane {
    CURL *curl;
    CURLM *multi;
};

struct cr_http {
    struct cr_server_uri uri;
    char server[CR_SERVER_TEXT];
    char pin[64]; /* as CURLOPT_PINNEDPUBLICKEY wants it; "" = the CA and the name count */
    char ca[PATH_MAX + 16], cert[PATH_MAX + 16], key[PATH_MAX + 16];

    CURLSH *share; /* DNS answers and TLS sessions */
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];

    pthread_mutex_t lock; /* guards the idle handles; waits sleep on it */
    pthread_cond_t woken;
    struct lane idle[IDLE_MAX]; /* the last one used is the first one taken: few stay warm */
    unsigned idle_count;

    atomic_bool interrupted, answered;
    atomic_uint silence_ms; /* as cr_http_set_silence */
    atomic_uint_least64_t requests, retries, bytes_received;
};

/* One request while curl works on it. */
struct attempt {
    struct cr_http *http;
    const struct cr_http_request *request;
    CURL *curl;
    uint64_t marked_ms, marked_bytes; /* when STALL_BYTES had last come, and what had come then */
    uint64_t heard_ms, heard_bytes;   /* when anything had last come */
    bool stalled, silent;
    int sink_result;
    struct cr_error sink_error;
    char curl_error[CURL_ERROR_SIZE];
    struct cr_buf sentence; /* body of an answer other than 200 */
};

/* --- life ------------------------------------------------------------------------------------ */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void share_lock(CURL *curl, curl_lock_data data, curl_lock_access access, void *context)
{
    (void)curl, (void)access;
    pthread_mutex_lock(&((struct cr_http *)context)->share_locks[data]);
}

static void share_unlock(CURL *curl, curl_lock_data data, void *context)
{
    (void)curl;
    pthread_mutex_unlock(&((struct cr_http *)context)->share_locks[data]);
}

static int certs_prepare(struct cr_http *http, struct cr_error *err)
{
    if (http->uri.pki[0] == '\0')
        return 0;
    /* New connections are made for as long as the program runs, wherever it goes (chdir). */
    char dir[PATH_MAX];
    if (realpath(http->uri.pki, dir) == NULL)
        return cr_error_errno(err, -errno, "server '%s': folder '%.300s' of certificates",
                              http->server, http->uri.pki);
    int r = cr_certs_check(dir, CR_CERT_CLIENT, err);
    if (r < 0)
        return cr_error_prefix(err, r, "server '%s'", http->server);
    snprintf(http->ca, sizeof(http->ca), "%s/ca.pem", dir);
    snprintf(http->cert, sizeof(http->cert), "%s/client.pem", dir);
    snprintf(http->key, sizeof(http->key), "%s/client-key.pem", dir);
    return 0;
}

static int http_make(const struct cr_server_uri *uri, const struct cr_id *pin,
                     struct cr_http **ret_http, struct cr_error *err)
{
    pthread_once(&curl_once, curl_begin);
    struct cr_http *http = cr_calloc(1, sizeof(*http));
    if (http == NULL)
        return cr_error_errno(err, -ENOMEM, "server '%s'", uri->host);
    http->uri = *uri;
    cr_server_uri_format(uri, http->server);
    if (pin != NULL) {
        int n = snprintf(http->pin, sizeof(http->pin), "sha256//");
        EVP_EncodeBlock((unsigned char *)http->pin + n, pin->bytes, sizeof(pin->bytes));
    }
    pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&http->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < CR_ARRAY_LEN(http->share_locks); i++)
        pthread_mutex_init(&http->share_locks[i], NULL);
    http->share = curl_share_init();
    int r = http->share == NULL ? cr_error_errno(err, -ENOMEM, "server '%s'", http->server)
                                : certs_prepare(http, err);
    if (r < 0) {
        cr_http_free(http);
        return r;
    }
    curl_share_setopt(http->share, CURLSHOPT_LOCKFUNC, share_lock);
    curl_share_setopt(http->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
    curl_share_setopt(http->share, CURLSHOPT_USERDATA, http);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *ret_http = http;
    return 0;
}

int cr_http_new(const struct cr_server_uri *uri, struct cr_http **ret_http, struct cr_error *err)
{
    return http_make(uri, NULL, ret_http, err);
}

int cr_http_new_pinned(const struct cr_server_uri *uri, const struct cr_id *pin,
                       struct cr_http **ret_http, struct cr_error *err)
{
    if (!uri->tls || uri->pki[0] == '\0')
        return cr_error_set(err, -EINVAL, "peer '%.200s' is asked without certificates", uri->host);
    return http_make(uri, pin, ret_http, err);
}

static void lane_done(struct lane *lane)
{
    curl_easy_cleanup(lane->curl);
    curl_multi_cleanup(lane->multi);
}

void cr_http_free(struct cr_http *http)
{
    if (http == NULL)
        return;
    for (unsigned i = 0; i < http->idle_count; i++)
        lane_done(&http->idle[i]);
    if (http->share != NULL)
        curl_share_cleanup(http->share);
    for (size_t i = 0; i < CR_ARRAY_LEN(http->share_locks); i++)
        pthread_mutex_destroy(&http->share_locks[i]);
    pthread_cond_destroy(&http->woken);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

void cr_http_set_silence(struct cr_http *http, unsigned ms)
{
    atomic_store(&http->silence_ms, ms);
}

const char *cr_http_server(const struct cr_http *http)
{
    return http->server;
}

void cr_http_stat(const struct cr_http *http, struct cr_http_stat *ret_stat)
{
    *ret_stat = (struct cr_http_stat){
        .requests = atomic_load(&http->requests),
        .retries = atomic_load(&http->retries),
        .bytes_received = atomic_load(&http->bytes_received),
    };
}

/* --- handles ---------------------------------------------------------------------------------- */

/* A peer that vanished without a word (power, cable) must not hold a request for minutes. */
static int socket_prepare(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context, (void)purpose;
    int unacked_ms = UNACKED_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
    return CURL_SOCKOPT_OK;
}

/*
 * Asked every LOOK_MS at least; non-zero ends the transfer. Its own low-speed limit looks
 * at an average, and so sees the end of a fast transfer many seconds late.
 */
static int is_over(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                   curl_off_t up)
{
    struct attempt *attempt = context;
    uint64_t bytes = (uint64_t)down + (uint64_t)up, now = cr_clock_ms();
    uint64_t silence_ms = atomic_load(&attempt->http->silence_ms);
    (void)down_total, (void)up_total;
    if (bytes - attempt->marked_bytes >= STALL_BYTES || bytes < attempt->marked_bytes) {
        attempt->marked_bytes = bytes;
        attempt->marked_ms = now;
    }
    if (bytes != attempt->heard_bytes) {
        attempt->heard_bytes = bytes;
        attempt->heard_ms = now;
    }
    attempt->silent = silence_ms > 0 && now - attempt->heard_ms > silence_ms;
    attempt->stalled = now - attempt->marked_ms > (uint64_t)attempt->http->uri.stall_s * 1000;
    return attempt->silent || attempt->stalled || atomic_load(&attempt->http->interrupted);
}

static size_t body_received(char *data, size_t size, size_t count, void *context);

/* What all requests of this server have in common. */
static CURL *handle_new(struct cr_http *http)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return NULL;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, http->uri.tls ? "https" : "http");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "carrel/" CARREL_VERSION);
    curl_easy_setopt(curl, CURLOPT_SHARE, http->share);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_received);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     http->pin[0] != '\0' ? CONNECT_TIMEOUT_PINNED_MS : CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, socket_prepare);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, 5L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, 2L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_over);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (http->ca[0] != '\0') {
        /* The site's own CA and no other. */
        curl_easy_setopt(curl, CURLOPT_CAINFO, http->ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(curl, CURLOPT_SSLCERT, http->cert);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, http->key);
    }
    if (http->pin[0] != '\0') {
        /* Who has this key is who the server has named; its certificate is one for clients. */
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, http->pin);
    }
    return curl;
}

static struct lane lane_take(struct cr_http *http)
{
    struct lane lane = {0};
    pthread_mutex_lock(&http->lock);
    if (http->idle_count > 0)
        lane = http->idle[--http->idle_count];
    pthread_mutex_unlock(&http->lock);
    if (lane.curl == NULL)
        lane = (struct lane){.curl = handle_new(http), .multi = curl_multi_init()};
    return lane;
}

static void lane_give(struct cr_http *http, struct lane *lane)
{
    pthread_mutex_lock(&http->lock);
    bool kept = lane->curl != NULL && lane->multi != NULL && http->idle_count < IDLE_MAX;
    if (kept)
        http->idle[http->idle_count++] = *lane;
    pthread_mutex_unlock(&http->lock);
    if (!kept)
        lane_done(lane);
}

/* --- one request ------------------------------------------------------------------------------ */

static size_t body_received(char *data, size_t size, size_t count, void *context)
{
    struct attempt *attempt = context;
    size_t len = size * count;
    long status = 0;
    curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        attempt->sink_result =
            attempt->request->sink(attempt->request->context, data, len, &attempt->sink_error);
        return attempt->sink_result == 0 ? len : CURL_WRITEFUNC_ERROR;
    }
    /* The server's own words, as many as a sentence may have; the rest is of no interest. */
    size_t room = attempt->sentence.max - 1 - attempt->sentence.len;
    cr_buf_append(&attempt->sentence, data, len < room ? len : room);
    return len;
}

static void request_prepare(struct attempt *attempt, const char *url)
{
    CURL *curl = attempt->curl;
    const struct cr_http_request *request = attempt->request;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, attempt);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, attempt->curl_error);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->put ? "PUT" : NULL);
    if (request->body == NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
}

/* What the end of the transfer means. */
static int attempt_judge(struct attempt *attempt, CURLcode code, struct cr_error *err)
{
    struct cr_http *http = attempt->http;
    if (attempt->sink_result != 0) {
        /* A caller's own sink may have told the reason already, where `err` is. */
        if (err != NULL && attempt->sink_error.text[0] != '\0')
            *err = attempt->sink_error;
        return attempt->sink_result;
    }
    if (atomic_load(&http->interrupted))
        return cr_error_set(err, -ECANCELED, "server '%s': given up on request", http->server);
    if (attempt->silent)
        return cr_error_set(err, -EAGAIN, "server '%s' is silent", http->server);
    if (attempt->stalled)
        return cr_error_set(err, -EAGAIN,
                            "server '%s' does not answer (less than 16 KiB within %u s); check the "
                            "line to it and that carrel-chunkd runs there",
                            http->server, http->uri.stall_s);
    struct cr_http_failure failure = {
        .server = http->server,
        .cert = http->cert,
        .curl_code = code,
        .curl_error = attempt->curl_error,
        .was_reached = atomic_load(&http->answered),
    };
    curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &failure.status);
    curl_easy_getinfo(attempt->curl, CURLINFO_SSL_VERIFYRESULT, &failure.verify_result);
    if (code != CURLE_OK)
        return cr_http_failure_transfer(&failure, err);
    atomic_store(&http->answered, true);
    if (failure.status == 200)
        return 0;
    cr_buf_append(&attempt->sentence, "", 1);
    failure.sentence = attempt->sentence.data == NULL ? "" : (const char *)attempt->sentence.data;
    return cr_http_failure_status(&failure, err);
}

/* What curl_easy_perform does, but for looking more often whether it is over. */
static CURLcode lane_perform(const struct lane *lane)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    int running = 1, left = 0;
    if (curl_multi_add_handle(lane->multi, lane->curl) != CURLM_OK)
        return code;
    while (curl_multi_perform(lane->multi, &running) == CURLM_OK && running > 0)
        curl_multi_poll(lane->multi, NULL, 0, LOOK_MS, NULL);
    const CURLMsg *message = curl_multi_info_read(lane->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        code = message->data.result;
    curl_multi_remove_handle(lane->multi, lane->curl);
    return code;
}

int cr_http_do(struct cr_http *http, const struct cr_http_request *request, struct cr_error *err)
{
    char url[CR_SERVER_TEXT + 256];
    int n = snprintf(url, sizeof(url), "%s%s", http->server, request->path);
    if (n < 0 || (size_t)n >= sizeof(url))
        return cr_error_set(err, -EINVAL, "server '%s': the path of the request is too long",
                            http->server);
    struct attempt attempt = {.http = http, .request = request, .marked_ms = cr_clock_ms()};
    attempt.heard_ms = attempt.marked_ms;
    cr_buf_init(&attempt.sentence, CR_HTTP_SENTENCE_MAX);
    struct lane lane = lane_take(http);
    attempt.curl = lane.curl;
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = headers == NULL
                  ? NULL
                  : curl_slist_append(headers, "Content-Type: application/octet-stream");
    bool complete = headers != NULL;
    if (complete && request->header != NULL)
        complete = curl_slist_append(headers, request->header) != NULL;
    int r;
    if (lane.curl == NULL || lane.multi == NULL || !complete) {
        r = cr_error_errno(err, -ENOMEM, "server '%s'", http->server);
    } else {
        request_prepare(&attempt, url);
        curl_easy_setopt(attempt.curl, CURLOPT_HTTPHEADER,
                         request->body != NULL || request->header != NULL ? headers : NULL);
        atomic_fetch_add(&http->requests, 1);
        CURLcode code = lane_perform(&lane);
        curl_off_t body = 0;
        long head = 0;
        curl_easy_getinfo(attempt.curl, CURLINFO_SIZE_DOWNLOAD_T, &body);
        curl_easy_getinfo(attempt.curl, CURLINFO_HEADER_SIZE, &head);
        atomic_fetch_add(&http->bytes_received, (uint64_t)body + (uint64_t)head);
        r = attempt_judge(&attempt, code, err);
        /* Nothing of this call may be left in the handle. */
        curl_easy_setopt(attempt.curl, CURLOPT_HTTPHEADER, NULL);
        curl_easy_setopt(attempt.curl, CURLOPT_ERRORBUFFER, NULL);
    }
    curl_slist_free_all(headers);
    lane_give(http, &lane);
    cr_buf_done(&attempt.sentence);
    return r;
}

/* --- patience --------------------------------------------------------------------------------- */

/* Sleep, unless interrupted. */
static bool sleep_ms(struct cr_http *http, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&http->lock);
    int r = 0;
    while (!atomic_load(&http->interrupted) && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&http->woken, &http->lock, &until);
    pthread_mutex_unlock(&http->lock);
    return !atomic_load(&http->interrupted);
}

int cr_http_wait(struct cr_http *http, struct cr_patience *patience, struct cr_error *err)
{
    if (http->uri.patience_s == 0)
        return -ETIMEDOUT; /* somebody else is patient */
    uint64_t ms = cr_patience_next(patience, cr_clock_ms(), (uint64_t)http->uri.patience_s * 1000);
    if (ms == 0)
        return cr_error_prefix(err, -ETIMEDOUT, "gave up after %u s", http->uri.patience_s);
    if (!sleep_ms(http, ms))
        return cr_error_set(err, -ECANCELED, "server '%s': given up on request", http->server);
    atomic_fetch_add(&http->retries, 1);
    return 0;
}

void cr_http_interrupt(struct cr_http *http)
{
    pthread_mutex_lock(&http->lock);
    atomic_store(&http->interrupted, true);
    pthread_cond_broadcast(&http->woken);
    pthread_mutex_unlock(&http->lock);
}
