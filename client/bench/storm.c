/* SPDX-License-Identifier: MIT */
#include "client/bench/storm.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#define STACK_BYTES ((size_t)512 * 1024)

/* How often the servers are asked for their figures. */
#define ASK_S 1

struct room {
    struct storm storm;
    struct plan plan;
    struct identities identities;
    struct figures figures;
    struct seat *seats;
    pthread_t *threads;
    pthread_mutex_t gate; /* held until all threads are there */
};

static void room_cleanup(struct room *room)
{
    unsigned seats = room->seats != NULL ? room->storm.options->seats : 0;
    for (unsigned i = 0; i < seats; i++)
        seat_interrupt(&room->seats[i]);
    for (unsigned i = 0; i < seats; i++)
        seat_done(&room->seats[i]);
    free(room->seats);
    free(room->threads);
    figures_done(&room->figures);
    identities_done(&room->identities);
    proof_done(&room->storm.proof);
    plan_done(&room->plan);
    line_done(&room->storm.line);
    pthread_mutex_destroy(&room->gate);
}

/* Signals are waited for, not suffered: our folder of keys has to go at the end. */
static void signals_prepare(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGHUP);
    sigaddset(ret_set, SIGCHLD); /* the last seat sends it to say that it has ended */
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Each seat has a few connections. */
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- before ----------------------------------------------------------------------------------- */

/* The plan is made through the first server, as the first seat. */
static int plan_ask(struct room *room, struct cr_error *err)
{
    const struct options *options = room->storm.options;
    struct seat first;
    struct cr_ref ref;
    int r = cr_ref_parse(options->image, &ref, err);
    if (r < 0)
        return r;
    room->storm.plan = &room->plan;
    r = seat_init(&first, &room->storm, 0, identities_folder(&room->identities, 0), err);
    if (r == 0)
        r = plan_make(&room->plan, options->trace, first.server, &ref, err);
    seat_done(&first);
    return r;
}

static int room_prepare(struct room *room, struct cr_error *err)
{
    const struct options *options = room->storm.options;
    int r = identities_init(&room->identities, options->pki, options->seats, err);
    if (r == 0 && options->peers && !room->identities.each)
        return cr_error_set(err, -EINVAL,
                            "'--peers' needs a certificate for each seat, by which they know each "
                            "other: name a CA with its key, '--pki DIR'");
    if (r == 0)
        r = figures_begin(&room->figures, options->servers, options->server_count,
                          identities_folder(&room->identities, 0), err);
    if (r == 0)
        r = plan_ask(room, err);
    if (r < 0)
        return r;
    room->seats = cr_calloc(options->seats, sizeof(*room->seats));
    room->threads = cr_calloc(options->seats, sizeof(*room->threads));
    if (room->seats == NULL || room->threads == NULL ||
        proof_init(&room->storm.proof, &room->plan, options->verify, options->peers) < 0)
        return cr_error_errno(err, -ENOMEM, "make %u seats", options->seats);
    for (unsigned i = 0; r == 0 && i < options->seats; i++)
        r = seat_init(&room->seats[i], &room->storm, i, identities_folder(&room->identities, i),
                      err);
    figures_ask(&room->figures); /* what the preparation cost is not the storm's */
    room->figures.sum = (struct server_sample){0};
    return r;
}

/* --- the storm -------------------------------------------------------------------------------- */

struct start {
    struct room *room;
    struct seat *seat;
};

static void *seat_thread(void *argument)
{
    CLEANUP_FREE struct start *start = argument;
    struct room *room = start->room;
    pthread_mutex_lock(&room->gate);
    pthread_mutex_unlock(&room->gate);
    seat_run(start->seat);
    if (atomic_fetch_sub(&room->storm.running, 1) == 1)
        kill(getpid(), SIGCHLD);
    return NULL;
}

static int seat_start(struct room *room, unsigned number, const pthread_attr_t *attr)
{
    struct start *start = malloc(sizeof(*start));
    if (start == NULL)
        return -ENOMEM;
    *start = (struct start){.room = room, .seat = &room->seats[number]};
    int r = pthread_create(&room->threads[number], attr, seat_thread, start);
    if (r != 0)
        free(start);
    return -r;
}

static void stop(struct room *room)
{
    atomic_store(&room->storm.stop, true);
    for (unsigned i = 0; i < room->storm.options->seats; i++)
        seat_interrupt(&room->seats[i]);
}

/* Until the last seat has ended. Returns -ECANCELED when a signal ended them. */
static int watch(struct room *room, const sigset_t *signals)
{
    int r = 0;
    while (atomic_load(&room->storm.running) > 0) {
        int signal = sigtimedwait(signals, NULL, &(struct timespec){.tv_sec = ASK_S});
        if (signal > 0 && signal != SIGCHLD) {
            r = -ECANCELED;
            stop(room);
        } else if (signal < 0 && r == 0) {
            figures_ask(&room->figures);
        }
    }
    return r;
}

static int storm_let_loose(struct room *room, const sigset_t *signals, uint64_t *ret_elapsed_us,
                           struct cr_error *err)
{
    unsigned seats = room->storm.options->seats, started = 0;
    pthread_attr_t attr;
    int r = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_mutex_lock(&room->gate);
    atomic_store(&room->storm.running, seats);
    for (; r == 0 && started < seats; started += r == 0)
        r = seat_start(room, started, &attr);
    pthread_attr_destroy(&attr);
    if (r < 0) {
        cr_error_errno(err, r, "start seat %u of %u", started + 1, seats);
        atomic_fetch_sub(&room->storm.running, seats - started);
        stop(room);
    }
    room->storm.began_us = clock_us();
    pthread_mutex_unlock(&room->gate);
    int ended = watch(room, signals);
    for (unsigned i = 0; i < started; i++)
        pthread_join(room->threads[i], NULL);
    *ret_elapsed_us = clock_us() - room->storm.began_us;
    figures_ask(&room->figures);
    if (r == 0 && ended < 0)
        r = cr_error_set(err, ended, "ended by a signal before every seat had made its last read");
    return r;
}

/* What the first seat that failed says. */
static int seats_judge(const struct room *room, struct cr_error *err)
{
    unsigned failed = 0, first = 0;
    for (unsigned i = room->storm.options->seats; i-- > 0;)
        if (room->seats[i].result < 0)
            failed++, first = i;
    if (failed == 0)
        return 0;
    return cr_error_set(err, room->seats[first].result, "%u of %u seats failed; seat %u: %s",
                        failed, room->storm.options->seats, first + 1, room->seats[first].err.text);
}

int storm_run(const struct options *options, struct cr_error *err)
{
    CLEANUP(room_cleanup) struct room room = {.storm.options = options};
    sigset_t signals;
    uint64_t elapsed_us = 0;
    line_init(&room.storm.line, options->link_bits_s);
    pthread_mutex_init(&room.gate, NULL);
    signals_prepare(&signals);
    descriptors_raise();
    int r = room_prepare(&room, err);
    if (r == 0)
        r = storm_let_loose(&room, &signals, &elapsed_us, err);
    if (r < 0)
        return r;
    struct outcome outcome = {
        .storm = &room.storm,
        .figures = &room.figures,
        .identities = &room.identities,
        .seats = room.seats,
        .elapsed_us = elapsed_us,
    };
    r = report_print(&outcome, options->json);
    return r < 0 ? cr_error_errno(err, r, "print the outcome") : seats_judge(&room, err);
}
