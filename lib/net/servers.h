/* SPDX-License-Identifier: MIT */
/* Inside of several: which servers are there, which is the best, and asking one after the other. */
#pragma once

#include "lib/net/several.h"

#include <pthread.h>
#include <stdatomic.h>

struct servers {
    unsigned count;
    struct servers_one {
        struct cr_several_server server;
        atomic_bool left;
        atomic_uint_least64_t latency_us; /* 0 = not measured yet */
        atomic_uint_least64_t lefts, refused;
        uint64_t probe_at_ms; /* under the mutex */
    } items[CR_SERVERS_MAX];
    struct cr_several_options options;
    atomic_uint used; /* the best one */
    atomic_bool interrupted;
    atomic_uint_least64_t retries; /* rounds that were begun anew */
    pthread_t prober;
    bool probed;           /* the thread runs */
    pthread_mutex_t mutex; /* over probe_at_ms; waits sleep on it */
    pthread_cond_t woken;  /* a server was left or is back, or interrupted */
};

/* Takes the stores over, also when it fails. Returns 0 or -errno; servers_done in either case. */
int servers_init(struct servers *servers, const struct cr_several_server *items, unsigned count,
                 const struct cr_several_options *options);
void servers_done(struct servers *servers);

/*
 * One try at one server. Returns 0; -EAGAIN or -ETIMEDOUT when the server is away; -ECANCELED; or
 * what it said that it does not have or cannot do, and another one may.
 */
typedef int servers_try(const struct cr_several_server *server, unsigned number, void *context,
                        struct cr_error *err);

/*
 * Try the servers from the best on until one gives 0. When all have been tried and one was away,
 * wait and begin anew until the patience has run out; `optional` = not when another one has said
 * that there is none (-ENOENT). Returns 0, -ETIMEDOUT, -ECANCELED, or what was said.
 */
int servers_ask(struct servers *servers, servers_try *try_one, void *context, bool optional,
                struct cr_error *err);

/* From any thread: end soon, now and later. */
void servers_interrupt(struct servers *servers);
