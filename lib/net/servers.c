/* SPDX-License-Identifier: MIT */
#include "lib/net/servers.h"

#include "lib/net/patience.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PROBE_MS_USUAL 5000U

static bool is_away(int result)
{
    return result == -EAGAIN || result == -ETIMEDOUT || result == -EHOSTUNREACH;
}

/* --- who is there ----------------------------------------------------------------------------- */

/* Called with the mutex held. Whoever is the last one gets more time. */
static void silences_set(struct servers *servers)
{
    unsigned there = 0;
    for (unsigned i = 0; i < servers->count; i++)
        there += !atomic_load(&servers->items[i].left);
    for (unsigned i = 0; i < servers->count && servers->count > 1; i++) {
        const struct cr_several_server *server = &servers->items[i].server;
        unsigned others = there - !atomic_load(&servers->items[i].left);
        server->set_silence(server->store,
                            others > 0 ? CR_SEVERAL_SILENCE_MS : CR_SEVERAL_SILENCE_ALONE_MS);
    }
}

static void left_set(struct servers *servers, unsigned number, bool left)
{
    struct servers_one *one = &servers->items[number];
    if (atomic_load(&one->left) == left)
        return;
    pthread_mutex_lock(&servers->mutex);
    if (atomic_exchange(&one->left, left) != left) {
        atomic_fetch_add(&one->lefts, left);
        one->probe_at_ms = cr_clock_ms() + servers->options.probe_ms / 5;
        silences_set(servers);
        pthread_cond_broadcast(&servers->woken);
    }
    pthread_mutex_unlock(&servers->mutex);
}

/* A server that was not measured stands behind those that were. */
static uint64_t latency(const struct servers *servers, unsigned number)
{
    uint64_t us = atomic_load(&servers->items[number].latency_us);
    return us == 0 ? UINT64_MAX / 2 : us;
}

static bool is_better(const struct servers *servers, unsigned a, unsigned b)
{
    bool a_left = atomic_load(&servers->items[a].left),
         b_left = atomic_load(&servers->items[b].left);
    return a_left != b_left ? b_left : latency(servers, a) < latency(servers, b);
}

/* The numbers of all servers, the best first. The present one stays unless another is a good deal
 * quicker: each change costs new connections. */
static void order_make(struct servers *servers, unsigned order[static CR_SERVERS_MAX])
{
    for (unsigned i = 0; i < servers->count; i++) {
        unsigned at = i;
        for (; at > 0 && is_better(servers, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    unsigned used = atomic_load(&servers->used), best = order[0];
    bool stays = !atomic_load(&servers->items[used].left) &&
                 latency(servers, best) > latency(servers, used) / 4 * 3;
    if (!stays) {
        atomic_store(&servers->used, best);
        return;
    }
    unsigned at = 0;
    while (order[at] != used)
        at++;
    memmove(&order[1], &order[0], at * sizeof(order[0]));
    order[0] = used;
}

/* --- probes ----------------------------------------------------------------------------------- */

static struct timespec timespec_of(uint64_t at_ms)
{
    return (struct timespec){.tv_sec = (time_t)(at_ms / 1000),
                             .tv_nsec = (long)(at_ms % 1000) * 1000000};
}

static void probe(struct servers *servers, unsigned number)
{
    struct servers_one *one = &servers->items[number];
    uint64_t us = 0, before = atomic_load(&one->latency_us);
    int r = one->server.probe(one->server.store, &us, NULL);
    if (r == 0)
        atomic_store(&one->latency_us, before == 0 ? us + 1 : (7 * before + 3 * us) / 10 + 1);
    if (r != -ECANCELED)
        left_set(servers, number, r < 0);
    pthread_mutex_lock(&servers->mutex);
    one->probe_at_ms =
        cr_clock_ms() + servers->options.probe_ms / (atomic_load(&one->left) ? 5 : 1);
    pthread_mutex_unlock(&servers->mutex);
}

/* The server whose turn it is, or the time of the next turn. */
static bool turn_find(struct servers *servers, unsigned *ret_number, uint64_t *ret_at_ms)
{
    *ret_at_ms = UINT64_MAX;
    for (unsigned i = 0; i < servers->count; i++) {
        if (servers->items[i].probe_at_ms < *ret_at_ms) {
            *ret_at_ms = servers->items[i].probe_at_ms;
            *ret_number = i;
        }
    }
    return *ret_at_ms <= cr_clock_ms();
}

static void *probe_all(void *context)
{
    struct servers *servers = context;
    pthread_mutex_lock(&servers->mutex);
    while (!atomic_load(&servers->interrupted)) {
        unsigned number = 0;
        uint64_t at_ms = 0;
        if (turn_find(servers, &number, &at_ms)) {
            pthread_mutex_unlock(&servers->mutex);
            probe(servers, number);
            pthread_mutex_lock(&servers->mutex);
        } else {
            struct timespec until = timespec_of(at_ms);
            pthread_cond_timedwait(&servers->woken, &servers->mutex, &until);
        }
    }
    pthread_mutex_unlock(&servers->mutex);
    return NULL;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Wait for another attempt, at the latest until a server is back. Returns as cr_http_wait. */
static int wait_a_bit(struct servers *servers, struct cr_patience *patience, struct cr_error *err)
{
    uint64_t now_ms = cr_clock_ms();
    uint64_t ms = cr_patience_next(patience, now_ms, (uint64_t)servers->options.patience_s * 1000);
    if (ms == 0)
        return cr_error_prefix(err, -ETIMEDOUT, "gave up after %u s", servers->options.patience_s);
    struct timespec until = timespec_of(now_ms + ms);
    bool is_back = false;
    int r = 0;
    pthread_mutex_lock(&servers->mutex);
    while (!atomic_load(&servers->interrupted) && r == 0 && !is_back) {
        r = pthread_cond_timedwait(&servers->woken, &servers->mutex, &until);
        for (unsigned i = 0; i < servers->count && servers->count > 1; i++)
            is_back = is_back || !atomic_load(&servers->items[i].left);
    }
    pthread_mutex_unlock(&servers->mutex);
    atomic_fetch_add(&servers->retries, 1);
    return atomic_load(&servers->interrupted)
               ? cr_error_set(err, -ECANCELED, "server '%s': given up on request",
                              servers->items[0].server.name)
               : 0;
}

/* What a round of tries has come to. */
struct round {
    bool away;   /* one did not answer */
    int refusal; /* what others said; 0 = nothing */
    struct cr_error away_why, why;
};

/* One try at each server. Returns 0, -ECANCELED, or -EAGAIN with *round. */
static int round_run(struct servers *servers, servers_try *try_one, void *context,
                     struct round *round)
{
    unsigned order[CR_SERVERS_MAX];
    order_make(servers, order);
    for (unsigned i = 0; i < servers->count; i++) {
        struct servers_one *one = &servers->items[order[i]];
        struct cr_error said = {0};
        int r = try_one(&one->server, order[i], context, &said);
        if (r == -ECANCELED) {
            round->why = said;
            return r;
        }
        left_set(servers, order[i], is_away(r));
        if (r == 0)
            return 0;
        if (is_away(r)) {
            round->away = true;
            round->away_why = said;
            continue;
        }
        atomic_fetch_add(&one->refused, 1);
        if (round->refusal == 0 || round->refusal == -ENOENT) {
            round->refusal = r;
            round->why = said;
        }
    }
    return -EAGAIN;
}

int servers_ask(struct servers *servers, servers_try *try_one, void *context, bool optional,
                struct cr_error *err)
{
    struct cr_patience patience = {0};
    for (;;) {
        struct round round = {0};
        int r = round_run(servers, try_one, context, &round);
        if (r == 0)
            return 0;
        bool ends = r == -ECANCELED || !round.away || (optional && round.refusal == -ENOENT);
        if (err != NULL)
            *err = ends ? round.why : round.away_why;
        if (ends)
            return r == -ECANCELED ? r : round.refusal;
        r = wait_a_bit(servers, &patience, err);
        if (r < 0)
            return r;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int servers_init(struct servers *servers, const struct cr_several_server *items, unsigned count,
                 const struct cr_several_options *options)
{
    servers->count = count;
    servers->options = *options;
    if (servers->options.probe_ms == 0)
        servers->options.probe_ms = PROBE_MS_USUAL;
    for (unsigned i = 0; i < count; i++)
        servers->items[i].server = items[i];
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&servers->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&servers->mutex, NULL);
    silences_set(servers);
    int r = count > 1 ? -pthread_create(&servers->prober, NULL, probe_all, servers) : 0;
    servers->probed = r == 0 && count > 1;
    return r;
}

void servers_interrupt(struct servers *servers)
{
    pthread_mutex_lock(&servers->mutex);
    atomic_store(&servers->interrupted, true);
    pthread_cond_broadcast(&servers->woken);
    pthread_mutex_unlock(&servers->mutex);
    for (unsigned i = 0; i < servers->count; i++)
        servers->items[i].server.interrupt(servers->items[i].server.store);
}

void servers_done(struct servers *servers)
{
    servers_interrupt(servers);
    if (servers->probed)
        pthread_join(servers->prober, NULL);
    for (unsigned i = 0; i < servers->count; i++)
        cr_store_close(servers->items[i].server.store);
    pthread_cond_destroy(&servers->woken);
    pthread_mutex_destroy(&servers->mutex);
}
