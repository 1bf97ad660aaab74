/* SPDX-License-Identifier: MIT */
/* The one thread of an open store: renews locks, and watches again when the watch was lost. */
#include "lib/rados/cluster.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static void wait_ms(struct cr_rados *rados, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&rados->change, &rados->mutex, &until);
}

static void *keeper(void *argument)
{
    struct cr_rados *rados = argument;
    int64_t tick = (int64_t)rados->uri.lease_s * 1000 / 6;
    if (tick > 1000)
        tick = 1000;
    pthread_mutex_lock(&rados->mutex);
    while (!rados->keeper_ends) {
        pthread_mutex_unlock(&rados->mutex);
        cr_rados_locks_renew(rados);
        cr_rados_watch_mend(rados);
        pthread_mutex_lock(&rados->mutex);
        if (!rados->keeper_ends)
            wait_ms(rados, tick);
    }
    pthread_mutex_unlock(&rados->mutex);
    return NULL;
}

int cr_rados_keeper_start(struct cr_rados *rados, struct cr_error *err)
{
    int r = 0;
    pthread_mutex_lock(&rados->mutex);
    if (!rados->keeper_runs) {
        sigset_t all, before;
        sigfillset(&all); /* signals are the program's business */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&rados->keeper, NULL, keeper, rados);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        rados->keeper_runs = r == 0;
    }
    pthread_mutex_unlock(&rados->mutex);
    return r < 0 ? cr_error_errno(err, r, "starting a thread for pool '%s'", rados->uri.pool) : 0;
}

void cr_rados_keeper_stop(struct cr_rados *rados)
{
    pthread_mutex_lock(&rados->mutex);
    bool runs = rados->keeper_runs;
    rados->keeper_runs = false;
    rados->keeper_ends = true;
    pthread_cond_broadcast(&rados->change);
    pthread_mutex_unlock(&rados->mutex);
    if (runs)
        pthread_join(rados->keeper, NULL);
}
