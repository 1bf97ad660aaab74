/* SPDX-License-Identifier: MIT */
#include "lib/base/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct work {
    cr_work_fn *piece;
    cr_work_stop *stop;
    void *context;
    uint64_t count;
    _Atomic uint64_t next;
    atomic_int result; /* the first error, 0 so far */
    struct cr_error *err;
};

struct worker {
    struct work *work;
    unsigned number;
    pthread_t thread;
};

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct work *work = worker->work;
    uint64_t index;
    while (atomic_load(&work->result) == 0 &&
           (index = atomic_fetch_add(&work->next, 1)) < work->count) {
        struct cr_error err = {0};
        int r = work->stop != NULL ? work->stop(&err) : 0;
        if (r == 0)
            r = work->piece(work->context, worker->number, index, &err);
        int none = 0;
        if (r != 0 && atomic_compare_exchange_strong(&work->result, &none, r) && work->err != NULL)
            *work->err = err; /* only one thread gets here; read after the join */
    }
    return NULL;
}

int cr_work_run(unsigned threads, uint64_t count, cr_work_fn *piece, void *context,
                cr_work_stop *stop, struct cr_error *err)
{
    struct work work = {
        .piece = piece, .context = context, .stop = stop, .count = count, .err = err};
    struct worker workers[CR_WORK_THREADS_MAX];
    unsigned started = 0;
    if (threads > CR_WORK_THREADS_MAX)
        threads = CR_WORK_THREADS_MAX;
    if (threads > count)
        threads = count > 0 ? (unsigned)count : 1;

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals go to the main thread */
    int r = 0;
    while (started < threads && r == 0) {
        workers[started] = (struct worker){.work = &work, .number = started};
        r = -pthread_create(&workers[started].thread, NULL, worker_run, &workers[started]);
        if (r == 0)
            started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started == 0)
        return cr_error_errno(err, r, "cannot start a thread");
    for (unsigned i = 0; i < started; i++) /* fewer than wanted do as well */
        pthread_join(workers[i].thread, NULL);
    return atomic_load(&work.result);
}
