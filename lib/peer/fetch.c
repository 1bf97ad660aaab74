/* SPDX-License-Identifier: MIT */
#include "lib/peer/fetch.h"

#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/peer/race.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define PEER_THREADS   6U
#define SERVER_THREADS 4U
#define QUEUE_MAX      4096U /* jobs; callers and BUSY_MAX keep them far below */
#define SERVER_JOBS    16U   /* that the server has not answered; then only what must be is asked */
/*
 * How many objects may be hedged: one for ten that peers bring, and some at the beginning. When a
 * whole room is slow, because its machines are, or the server's line, asking the server for all of
 * it once more would make it slower. Then a hedge waits ten times as long.
 */
#define HEDGES_MAX     32U
#define HEDGE_EACH     10U
#define HEDGE_PATIENCE 10U
#define PATIENT_MS     200U /* a hedge that is longer is of the background */
#define PART_IDS       8U   /* fewer are not worth a second peer */

struct cr_peerfetch {
    struct cr_roster *roster;
    void (*banned)(void *context, const struct cr_id *fingerprint);
    void *context;
    struct cr_pool *peer_pool, *server_pool;
    atomic_uint server_jobs;
    atomic_uint hedges; /* left, in units of 1 / HEDGE_EACH */
    atomic_uint_least64_t peer_objects, peer_bytes, hedged, wrong;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- hedges ----------------------------------------------------------------------------------- */

static void hedges_earn(struct cr_peerfetch *fetch)
{
    unsigned left = atomic_load(&fetch->hedges);
    while (left < HEDGES_MAX * HEDGE_EACH &&
           !atomic_compare_exchange_weak(&fetch->hedges, &left, left + 1))
        ;
}

static void hedge_spend(struct cr_peerfetch *fetch)
{
    unsigned left = atomic_load(&fetch->hedges);
    while (!atomic_compare_exchange_weak(&fetch->hedges, &left,
                                         left > HEDGE_EACH ? left - HEDGE_EACH : 0))
        ;
    atomic_fetch_add(&fetch->hedged, 1);
}

static unsigned hedge_delay(const struct cr_peerfetch *fetch, unsigned hedge_ms)
{
    return atomic_load(&fetch->hedges) >= HEDGE_EACH ? hedge_ms : HEDGE_PATIENCE * hedge_ms;
}

/* --- a peer ----------------------------------------------------------------------------------- */

static void peer_was_wrong(struct cr_race_job *job)
{
    struct cr_peerfetch *fetch = job->race->fetch;
    struct cr_id fingerprint;
    atomic_fetch_add(&fetch->wrong, 1);
    if (cr_peer_note_wrong(job->peer, now_ms(), &fingerprint) && fetch->banned != NULL)
        fetch->banned(fetch->context, &fingerprint);
}

static int peer_entry(void *context, uint32_t index, uint32_t status, const void *frame,
                      size_t frame_len)
{
    struct cr_race_job *job = context;
    struct cr_race *race = job->race;
    size_t len = 0;
    if (status == CR_BATCH_MISSING)
        cr_peer_note_missing(job->peer, &job->ids[index], now_ms());
    if (status == 0 && cr_object_open(race->kind, &job->ids[index], frame, frame_len, job->scratch,
                                      cr_kinds[race->kind].plain_max, &len, NULL) < 0) {
        peer_was_wrong(job);
        status = CR_BATCH_CORRUPTED;
    }
    pthread_mutex_lock(&race->mutex);
    struct cr_race_item *item = &race->items[job->items[index]];
    item->at_peer = false;
    if (status == 0 && cr_race_take(race, item, frame, frame_len)) {
        job->helped = true;
        hedges_earn(race->fetch);
        atomic_fetch_add(&race->fetch->peer_objects, 1);
        atomic_fetch_add(&race->fetch->peer_bytes, frame_len);
    }
    if (status != 0)
        pthread_cond_signal(&race->news);
    pthread_mutex_unlock(&race->mutex);
    return 0;
}

static void peer_job(void *argument)
{
    struct cr_race_job *job = argument;
    struct cr_race *race = job->race;
    pthread_mutex_lock(&race->mutex);
    bool wanted = !race->over;
    pthread_mutex_unlock(&race->mutex);
    int r = 0;
    if (wanted)
        r = cr_peer_ask(job->peer, race->kind, job->ids, job->count, peer_entry, job, NULL);
    if (r == -EBADMSG)
        peer_was_wrong(job);          /* not even a batch */
    struct cr_peer *peer = job->peer; /* the race may speak of it as long as items are at it */
    enum cr_peer_end end = job->helped ? CR_PEER_HELPED : CR_PEER_ANSWERED;
    pthread_mutex_lock(&race->mutex);
    for (uint32_t i = 0; i < job->count; i++)
        race->items[job->items[i]].at_peer = false;
    pthread_cond_signal(&race->news);
    cr_race_job_free(job);
    cr_race_leave(race);
    cr_peer_done(peer, r < 0 ? CR_PEER_FAILED : end, now_ms());
}

/* Give each of `count` peers its part of what may be there. */
static void peers_start(struct cr_race *race, struct cr_peer *const peers[], unsigned count)
{
    uint64_t now = now_ms();
    for (unsigned p = 0; p < count; p++) {
        size_t from = race->count * p / count, to = race->count * (p + 1) / count;
        struct cr_race_job *job = cr_race_job_new(race, to - from);
        if (job != NULL)
            job->scratch = malloc(cr_kinds[race->kind].plain_max);
        for (size_t i = from; i < to && job != NULL && job->scratch != NULL; i++)
            if (!cr_id_is_hole(&race->ids[i]) && !cr_peer_lacks(peers[p], &race->ids[i], now))
                cr_race_job_add(job, i);
        if (job == NULL || job->count == 0) {
            if (job != NULL)
                cr_race_job_free(job);
            cr_peer_done(peers[p], CR_PEER_ANSWERED, now);
            continue;
        }
        job->peer = peers[p];
        pthread_mutex_lock(&race->mutex);
        for (uint32_t i = 0; i < job->count; i++) {
            race->items[job->items[i]].at_peer = true;
            race->items[job->items[i]].part = (uint8_t)p;
        }
        race->references++;
        pthread_mutex_unlock(&race->mutex);
        cr_pool_submit(race->fetch->peer_pool, peer_job, job);
    }
}

/* --- the server ------------------------------------------------------------------------------- */

/* The server was asked later than a peer, and was faster. Under the mutex. */
static void late_note(struct cr_race *race, const struct cr_race_item *item)
{
    if (!item->at_peer || race->was_late[item->part])
        return;
    race->was_late[item->part] = true;
    cr_peer_note_late(race->peers[item->part], now_ms());
}

static int server_frame(void *context, size_t index, int result, const void *frame,
                        size_t frame_len, const struct cr_error *why)
{
    struct cr_race_job *job = context;
    struct cr_race *race = job->race;
    pthread_mutex_lock(&race->mutex);
    struct cr_race_item *item = &race->items[job->items[index]];
    if (result == 0 && cr_race_take(race, item, frame, frame_len))
        late_note(race, item);
    else if (result == 0 && item->frame == NULL)
        result = -ENOMEM;
    if (result < 0 && !item->done) {
        item->result = result;
        if (item->why == NULL && why != NULL && (item->why = malloc(sizeof(*why))) != NULL)
            *item->why = *why;
        pthread_cond_signal(&race->news);
    }
    int over = race->over ? -ECANCELED : 0;
    pthread_mutex_unlock(&race->mutex);
    return over;
}

/* Ask `inner` for one object or for chunks, through the sink of chunks. */
static int inner_ask(struct cr_store *inner, enum cr_kind kind, const struct cr_id *ids,
                     size_t count, cr_frame_sink *sink, void *context, struct cr_error *err)
{
    if (kind == CR_CHUNK)
        return inner->ops->chunks_get(inner, ids, count, sink, context, err);
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[kind].frame_max);
    int r = inner->ops->object_get(inner, kind, &ids[0], &frame, err);
    return r < 0 ? r : sink(context, 0, 0, frame.data, frame.len, NULL);
}

static void server_job(void *argument)
{
    struct cr_race_job *job = argument;
    struct cr_race *race = job->race;
    struct cr_error why = {0};
    pthread_mutex_lock(&race->mutex);
    bool wanted = !race->over;
    pthread_mutex_unlock(&race->mutex);
    int r = 0;
    if (wanted)
        r = inner_ask(race->inner, race->kind, job->ids, job->count, server_frame, job, &why);
    atomic_fetch_sub(&race->fetch->server_jobs, 1);
    pthread_mutex_lock(&race->mutex);
    if (r < 0) {
        race->failure = r;
        race->why = why;
    }
    for (uint32_t i = 0; i < job->count; i++) {
        struct cr_race_item *item = &race->items[job->items[i]];
        if (!item->done && item->frame == NULL && item->result == 0)
            item->result = r < 0 ? r : -EIO; /* it kept silent */
    }
    pthread_cond_signal(&race->news);
    cr_race_job_free(job);
    cr_race_leave(race);
}

/* Ask the server for what nobody is asked for and, past the delay, for all of it. Under the mutex.
 */
static int server_start(struct cr_race *race, bool late)
{
    struct cr_race_job *job = NULL;
    bool many = atomic_load(&race->fetch->server_jobs) >= SERVER_JOBS;
    for (size_t i = 0; i < race->count; i++) {
        struct cr_race_item *item = &race->items[i];
        if (item->done || item->frame != NULL || item->at_server ||
            (item->at_peer && (!late || many)))
            continue;
        if (job == NULL)
            job = cr_race_job_new(race, race->count);
        if (job == NULL)
            return -ENOMEM;
        item->at_server = true;
        if (item->at_peer)
            hedge_spend(race->fetch);
        cr_race_job_add(job, i);
    }
    if (job == NULL)
        return 0;
    race->references++;
    atomic_fetch_add(&race->fetch->server_jobs, 1);
    cr_pool_submit(race->fetch->server_pool, server_job, job);
    return 0;
}

/* --- the caller ------------------------------------------------------------------------------- */

/* Hand over what has come. Under the mutex, which is let go for each call of the sink. */
static int race_deliver(struct cr_race *race, cr_frame_sink *sink, void *context)
{
    int r = 0;
    for (size_t i = 0; i < race->count && r == 0; i++) {
        struct cr_race_item *item = &race->items[i];
        bool refused = item->result < 0 && !item->at_peer && race->failure == 0;
        if (item->done || (item->frame == NULL && !refused))
            continue;
        uint8_t *frame = TAKE_PTR(item->frame);
        size_t len = item->frame_len;
        struct cr_error *why = TAKE_PTR(item->why);
        item->done = true;
        race->left--;
        pthread_mutex_unlock(&race->mutex);
        r = sink(context, i, frame != NULL ? 0 : item->result, frame, frame != NULL ? len : 0, why);
        free(frame);
        free(why);
        pthread_mutex_lock(&race->mutex);
    }
    return r;
}

/* Nothing more can come for some item, because the server as a whole has failed. */
static bool is_lost(const struct cr_race *race)
{
    for (size_t i = 0; i < race->count && race->failure < 0; i++)
        if (!race->items[i].done && race->items[i].frame == NULL && !race->items[i].at_peer &&
            race->items[i].result < 0)
            return true;
    return false;
}

static bool has_news(const struct cr_race *race)
{
    for (size_t i = 0; i < race->count; i++) {
        const struct cr_race_item *item = &race->items[i];
        if (!item->done && (item->frame != NULL || (!item->at_peer && !item->at_server) ||
                            (!item->at_peer && item->result < 0)))
            return true;
    }
    return false;
}

static void race_wait(struct cr_race *race, uint64_t until_ms, bool late)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000 * 1000000)};
    if (has_news(race))
        return;
    if (late)
        pthread_cond_wait(&race->news, &race->mutex);
    else
        pthread_cond_timedwait(&race->news, &race->mutex, &until);
}

/* Under the mutex. */
static int race_run(struct cr_race *race, unsigned hedge_ms, cr_frame_sink *sink, void *context,
                    struct cr_error *err)
{
    uint64_t until_ms = now_ms() + hedge_delay(race->fetch, hedge_ms);
    bool late = false;
    for (;;) {
        int r = race_deliver(race, sink, context);
        if (r != 0 || race->left == 0)
            return r;
        if (is_lost(race)) {
            if (err != NULL)
                *err = race->why;
            return race->failure;
        }
        late = late || now_ms() >= until_ms;
        r = server_start(race, late);
        if (r < 0)
            return cr_error_errno(err, r, "cannot ask for objects");
        race_wait(race, until_ms, late);
    }
}

/* The first objects, as many as the peers that are there take; says how many. */
static int slice_get(struct cr_peerfetch *fetch, struct cr_store *inner, unsigned hedge_ms,
                     enum cr_kind kind, const struct cr_id *ids, size_t count, cr_frame_sink *sink,
                     void *context, size_t *ret_count, struct cr_error *err)
{
    struct cr_peer *peers[CR_PEERS_MAX];
    size_t parts = (count + PART_IDS - 1) / PART_IDS;
    unsigned found =
        cr_roster_pick(fetch->roster, parts < CR_PEERS_MAX ? (unsigned)parts : CR_PEERS_MAX,
                       hedge_ms < PATIENT_MS, now_ms(), peers);
    if (found > 0 && count > (size_t)found * CR_PEER_IDS_MAX)
        count = (size_t)found * CR_PEER_IDS_MAX;
    *ret_count = count;
    struct cr_race *race = found == 0 ? NULL : cr_race_new(fetch, inner, kind, ids, count);
    if (race == NULL) {
        while (found > 0)
            cr_peer_done(peers[--found], CR_PEER_ANSWERED, now_ms());
        return inner_ask(inner, kind, ids, count, sink, context, err);
    }
    race->peers = peers;
    peers_start(race, peers, found);
    pthread_mutex_lock(&race->mutex);
    int r = race_run(race, hedge_ms, sink, context, err);
    race->over = true;
    cr_race_leave(race);
    return r;
}

/* The caller's sink, for objects of a slice. */
struct shifted {
    cr_frame_sink *sink;
    void *context;
    size_t offset;
};

static int shifted_frame(void *context, size_t index, int result, const void *frame,
                         size_t frame_len, const struct cr_error *err)
{
    const struct shifted *shifted = context;
    return shifted->sink(shifted->context, shifted->offset + index, result, frame, frame_len, err);
}

int cr_peerfetch_get(struct cr_peerfetch *fetch, struct cr_store *inner, unsigned hedge_ms,
                     enum cr_kind kind, const struct cr_id *ids, size_t count, cr_frame_sink *sink,
                     void *context, struct cr_error *err)
{
    struct shifted shifted = {.sink = sink, .context = context};
    int r = 0;
    while (shifted.offset < count && r == 0) {
        size_t n = 0;
        r = slice_get(fetch, inner, hedge_ms, kind, ids + shifted.offset, count - shifted.offset,
                      shifted_frame, &shifted, &n, err);
        shifted.offset += n;
    }
    return r;
}

/* --- life ------------------------------------------------------------------------------------- */

int cr_peerfetch_new(struct cr_roster *roster,
                     void (*banned)(void *context, const struct cr_id *fingerprint), void *context,
                     struct cr_peerfetch **ret_fetch)
{
    struct cr_peerfetch *fetch = cr_calloc(1, sizeof(*fetch));
    if (fetch == NULL)
        return -ENOMEM;
    fetch->roster = roster;
    fetch->banned = banned;
    fetch->context = context;
    atomic_init(&fetch->hedges, HEDGES_MAX * HEDGE_EACH);
    int r = cr_pool_new(PEER_THREADS, QUEUE_MAX, &fetch->peer_pool);
    if (r == 0)
        r = cr_pool_new(SERVER_THREADS, QUEUE_MAX, &fetch->server_pool);
    if (r < 0) {
        cr_peerfetch_free(fetch);
        return r;
    }
    *ret_fetch = fetch;
    return 0;
}

void cr_peerfetch_free(struct cr_peerfetch *fetch)
{
    if (fetch == NULL)
        return;
    cr_pool_free(fetch->peer_pool);
    cr_pool_free(fetch->server_pool);
    free(fetch);
}

void cr_peerfetch_stat(const struct cr_peerfetch *fetch, struct cr_peerfetch_stat *ret_stat)
{
    *ret_stat = (struct cr_peerfetch_stat){
        .peer_objects = atomic_load(&fetch->peer_objects),
        .peer_bytes = atomic_load(&fetch->peer_bytes),
        .hedged = atomic_load(&fetch->hedged),
        .wrong = atomic_load(&fetch->wrong),
    };
}
