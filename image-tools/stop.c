/* SPDX-License-Identifier: MIT */
#include "image-tools/stop.h"

#include "image-tools/cli.h"
#include "lib/net/https.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_bool requested;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over the two below */
static const char *temporary;
static struct cr_store *store;
static sigset_t signals;

/* All signals come to this thread, so it may do what a signal handler must not. */
static void *wait_for_signals(void *argument)
{
    int number;
    (void)argument;
    while (sigwait(&signals, &number) == 0) {
        pthread_mutex_lock(&mutex);
        if (atomic_exchange(&requested, true)) {
            if (temporary != NULL)
                unlink(temporary);
            _exit(EXIT_INTERRUPTED);
        }
        if (store != NULL)
            cr_https_interrupt(store);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

int stop_install(void)
{
    pthread_t thread = 0;
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, told like others */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* not under nohup */
        sigaddset(&signals, SIGHUP);
    int r = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (r == 0)
        r = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (r == 0)
        pthread_detach(thread);
    return -r;
}

bool stop_requested(void)
{
    return atomic_load_explicit(&requested, memory_order_relaxed);
}

int stop_check(struct cr_error *err)
{
    if (!stop_requested())
        return 0;
    return cr_error_set(err, -ECANCELED, "interrupted; nothing was changed");
}

void stop_set_temporary(const char *path)
{
    pthread_mutex_lock(&mutex);
    temporary = path;
    pthread_mutex_unlock(&mutex);
}

void stop_set_store(struct cr_store *to_interrupt)
{
    pthread_mutex_lock(&mutex);
    store = to_interrupt;
    pthread_mutex_unlock(&mutex);
}
