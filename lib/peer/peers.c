/* SPDX-License-Identifier: MIT */
#include "lib/peer/peers.h"

#include "lib/base/mem.h"
#include "lib/net/http.h"
#include "lib/peer/link.h"
#include "lib/peer/peerstore.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define AGAIN_MS    10000U /* after an announcement that failed */
#define OTHERS_MS   1000U  /* before asking for others, when a peer is not there */
#define REPORTS_MAX 8U     /* waiting for the server; more than a seat has peers */

/* One server, and whom it has named last. */
struct tracker {
    struct cr_http *http;
    struct cr_peer_answer answer;
    uint64_t answered_ms; /* 0 = it has not */
};

struct cr_peers {
    struct cr_peers_options options;
    char pki[CR_URI_BYTES_MAX];
    struct cr_id root;
    struct tracker trackers[CR_SERVERS_MAX];
    unsigned tracker_count;
    struct cr_roster *roster;
    struct cr_peerfetch *fetch;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t news;
    bool stopping, tried;
    unsigned report_count;
    struct cr_id reports[REPORTS_MAX]; /* fingerprints */
    uint64_t announcements, banned, reported;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- speaking to the tracker ------------------------------------------------------------------ */

static int body_take(void *context, const void *data, size_t len, struct cr_error *err)
{
    (void)err;
    return cr_buf_append(context, data, len);
}

static int greeted(void *context, uint32_t index, uint32_t status, const void *frame, size_t len)
{
    (void)context, (void)index, (void)status, (void)frame, (void)len;
    return 0;
}

/*
 * Ask each peer for something that nobody has: connections are there when reads need them, and who
 * is not there is known before somebody waits for it. Returns false when somebody is not.
 */
static bool greet(struct cr_peers *peers)
{
    static const struct cr_id nothing;
    struct cr_peer *all[CR_PEERS_MAX];
    unsigned count = cr_roster_pick(peers->roster, CR_PEERS_MAX, false, now_ms(), all);
    bool all_there = true;
    while (count > 0) {
        struct cr_peer *peer = all[--count];
        int r = cr_peer_ask(peer, CR_SEGMENT, &nothing, 1, greeted, NULL, NULL);
        cr_peer_done(peer, r < 0 ? CR_PEER_FAILED : CR_PEER_ANSWERED, now_ms());
        all_there = all_there && r == 0;
    }
    return all_there;
}

/* Whom the servers have named, as one answer: the first of each, then the second ... */
static void answers_join(const struct cr_peers *peers, struct cr_peer_answer *joined)
{
    uint64_t now = now_ms();
    for (unsigned place = 0; place < CR_PEERS_MAX; place++) {
        for (unsigned i = 0; i < peers->tracker_count && joined->count < CR_PEERS_MAX; i++) {
            const struct tracker *tracker = &peers->trackers[i];
            bool known = tracker->answered_ms == 0 || place >= tracker->answer.count ||
                         now - tracker->answered_ms > CR_TICKET_VALID_S * 1000;
            for (unsigned k = 0; k < joined->count && !known; k++)
                known = cr_id_equal(&joined->peers[k].fingerprint,
                                    &tracker->answer.peers[place].fingerprint);
            if (!known)
                joined->peers[joined->count++] = tracker->answer.peers[place];
        }
    }
}

static int announce_to(struct cr_peers *peers, struct tracker *tracker, const struct cr_buf *body)
{
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_PEER_ANSWER_MAX);
    const struct cr_http_request request = {
        .path = "/v1/peers",
        .body = body->data,
        .body_len = body->len,
        .sink = body_take,
        .context = &answer,
    };
    int r = cr_http_do(tracker->http, &request, NULL);
    if (r == 0)
        r = cr_peer_answer_parse(answer.data, answer.len, &tracker->answer, NULL);
    if (r < 0)
        return r;
    tracker->answered_ms = now_ms();
    if (peers->options.learned != NULL)
        peers->options.learned(peers->options.context, tracker->answer.key, tracker->answer.now_s);
    return 0;
}

/* To all servers. Returns 0 when one of them has answered. */
static int announce(struct cr_peers *peers, uint32_t *ret_next_ms)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_PEER_ANNOUNCE_BYTES);
    struct cr_announcement said = {.root = peers->root};
    struct cr_peer_answer joined = {0};
    uint32_t next_ms = UINT32_MAX;
    int failure = -EAGAIN;
    peers->options.describe(peers->options.context, &said);
    said.avoid_count = cr_roster_avoid(peers->roster, now_ms(), said.avoid);
    int r = cr_announcement_format(&said, &body);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < peers->tracker_count; i++) {
        struct tracker *tracker = &peers->trackers[i];
        r = announce_to(peers, tracker, &body);
        if (r < 0)
            failure = r;
        else if (tracker->answer.next_ms < next_ms)
            next_ms = tracker->answer.next_ms;
    }
    if (next_ms == UINT32_MAX)
        return failure;
    answers_join(peers, &joined);
    cr_roster_update(peers->roster, &joined, now_ms());
    bool all_there = greet(peers);
    *ret_next_ms = all_there || next_ms < OTHERS_MS ? next_ms : OTHERS_MS;
    return 0;
}

/* Returns 0 when a server has noted it, -EAGAIN when it is worth trying again. */
static int report(struct cr_peers *peers, const struct cr_id *fingerprint)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_PEER_REPORT_BYTES);
    const struct cr_peer_report said = {
        .fault = CR_PEER_WRONG_BYTES, .root = peers->root, .fingerprint = *fingerprint};
    int r = cr_peer_report_format(&said, &body), result = -ENOENT;
    if (r < 0)
        return r;
    for (unsigned i = 0; i < peers->tracker_count; i++) {
        CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_HTTP_SENTENCE_MAX);
        const struct cr_http_request request = {
            .path = "/v1/peers/report",
            .body = body.data,
            .body_len = body.len,
            .sink = body_take,
            .context = &answer,
        };
        r = cr_http_do(peers->trackers[i].http, &request, NULL);
        if (r == 0 || (r == -EAGAIN && result != 0))
            result = r;
    }
    return result;
}

/* Deliver what waits, the oldest first; what no server can take now waits on. */
static void reports_send(struct cr_peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    while (peers->report_count > 0 && !peers->stopping) {
        struct cr_id fingerprint = peers->reports[0];
        pthread_mutex_unlock(&peers->mutex);
        int r = report(peers, &fingerprint);
        pthread_mutex_lock(&peers->mutex);
        if (r == -EAGAIN)
            break;
        /* Others may have come behind it. */
        peers->report_count--;
        memmove(&peers->reports[0], &peers->reports[1],
                peers->report_count * sizeof(peers->reports[0]));
        peers->reported += r == 0;
    }
    pthread_mutex_unlock(&peers->mutex);
}

/* Until the time has come, somebody is to be reported, or the end. Returns false at the end. */
static bool rest(struct cr_peers *peers, uint32_t ms, bool report_failed)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&peers->mutex);
    peers->tried = true;
    pthread_cond_broadcast(&peers->news);
    int r = 0;
    while (!peers->stopping && (peers->report_count == 0 || report_failed) && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&peers->news, &peers->mutex, &until);
    bool go_on = !peers->stopping;
    pthread_mutex_unlock(&peers->mutex);
    return go_on;
}

static void *announcer(void *argument)
{
    struct cr_peers *peers = argument;
    bool go_on = true;
    while (go_on) {
        uint32_t next_ms = AGAIN_MS;
        int r = announce(peers, &next_ms);
        reports_send(peers);
        pthread_mutex_lock(&peers->mutex);
        peers->announcements += r == 0;
        bool report_failed = peers->report_count > 0;
        pthread_mutex_unlock(&peers->mutex);
        go_on = rest(peers, next_ms, report_failed);
    }
    return NULL;
}

static void peer_banned(void *context, const struct cr_id *fingerprint)
{
    struct cr_peers *peers = context;
    char sentence[CR_ERROR_BYTES], hex[CR_ID_HEX];
    pthread_mutex_lock(&peers->mutex);
    peers->banned++;
    if (peers->report_count < REPORTS_MAX)
        peers->reports[peers->report_count++] = *fingerprint;
    pthread_cond_broadcast(&peers->news);
    pthread_mutex_unlock(&peers->mutex);
    snprintf(
        sentence, sizeof(sentence),
        "the peer with the key '%s' sent wrong bytes three times; it is not asked for an hour, "
        "and the server is told",
        cr_id_format(fingerprint, hex));
    if (peers->options.warn != NULL)
        peers->options.warn(sentence);
}

/* --- life ------------------------------------------------------------------------------------- */

int cr_peers_new(const struct cr_peers_options *options, struct cr_peers **ret_peers,
                 struct cr_error *err)
{
    struct cr_peers *peers = cr_calloc(1, sizeof(*peers));
    if (peers == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot speak to peers");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&peers->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&peers->mutex, NULL);
    peers->options = *options;
    peers->options.servers = NULL; /* were borrowed */
    snprintf(peers->pki, sizeof(peers->pki), "%s", options->servers[0].pki);
    int r = 0;
    for (unsigned i = 0; i < options->server_count && i < CR_SERVERS_MAX && r == 0; i++) {
        r = cr_http_new(&options->servers[i], &peers->trackers[i].http, err);
        peers->tracker_count += r == 0;
    }
    if (r == 0) {
        r = cr_roster_new(&cr_peerlink_ops, peers->pki, &peers->roster);
        if (r == 0)
            r = cr_peerfetch_new(peers->roster, peer_banned, peers, &peers->fetch);
        if (r < 0)
            cr_error_errno(err, r, "cannot speak to peers");
    }
    if (r < 0) {
        cr_peers_free(peers);
        return r;
    }
    *ret_peers = peers;
    return 0;
}

int cr_peers_start(struct cr_peers *peers, const struct cr_id *root, struct cr_error *err)
{
    peers->root = *root;
    int r = -pthread_create(&peers->thread, NULL, announcer, peers);
    peers->has_thread = r == 0;
    return r < 0 ? cr_error_errno(err, r, "cannot speak to peers") : 0;
}

void cr_peers_wait(struct cr_peers *peers, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&peers->mutex);
    int r = 0;
    while (!peers->tried && !peers->stopping && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&peers->news, &peers->mutex, &until);
    pthread_mutex_unlock(&peers->mutex);
}

void cr_peers_interrupt(struct cr_peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    peers->stopping = true;
    pthread_cond_broadcast(&peers->news);
    pthread_mutex_unlock(&peers->mutex);
    for (unsigned i = 0; i < peers->tracker_count; i++)
        cr_http_interrupt(peers->trackers[i].http);
    cr_roster_interrupt(peers->roster);
}

void cr_peers_quit(struct cr_peers *peers)
{
    cr_peers_interrupt(peers);
    if (peers->has_thread)
        pthread_join(peers->thread, NULL);
    peers->has_thread = false;
}

void cr_peers_free(struct cr_peers *peers)
{
    if (peers == NULL)
        return;
    if (peers->fetch != NULL)
        cr_peers_quit(peers);
    cr_peerfetch_free(peers->fetch);
    cr_roster_free(peers->roster);
    for (unsigned i = 0; i < peers->tracker_count; i++)
        cr_http_free(peers->trackers[i].http);
    pthread_cond_destroy(&peers->news);
    pthread_mutex_destroy(&peers->mutex);
    free(peers);
}

void cr_peers_stat(struct cr_peers *peers, struct cr_peers_stat *ret_stat)
{
    *ret_stat = (struct cr_peers_stat){0};
    cr_peerfetch_stat(peers->fetch, &ret_stat->fetched);
    pthread_mutex_lock(&peers->mutex);
    ret_stat->announcements = peers->announcements;
    ret_stat->banned = peers->banned;
    ret_stat->reported = peers->reported;
    pthread_mutex_unlock(&peers->mutex);
}

int cr_peers_store(struct cr_peers *peers, struct cr_store *inner, unsigned hedge_ms,
                   struct cr_store **ret_store)
{
    return cr_peerstore_new(peers->fetch, inner, hedge_ms, ret_store);
}
