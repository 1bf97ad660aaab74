/* SPDX-License-Identifier: MIT */
/*
 * One store in front of several servers that hold the same:
 *
 *      cr_several ─┬─ https store, server A   12 ms, the best: all requests go there
 *                  ├─ https store, server B   30 ms
 *                  └─ https store, server C   left: it was silent
 *
 * A server that is silent for CR_SEVERAL_SILENCE_MS, refuses connections or says that it is going
 * down is left, and what was asked of it is asked of the next one. What one server does not have,
 * or has wrong, is asked of the next one too. A thread asks all of them how they are: it measures
 * how quick each answers (a moving average), takes a server back that answers again, and a better
 * one than the present. When none is there, requests wait with patience.
 */
#pragma once

#include "lib/net/https.h"
#include "lib/net/uri.h"
#include "lib/store/store.h"

#define CR_SEVERAL_SILENCE_MS 1500U
/* While all others are left, nothing is gained by leaving this one, too, soon. */
#define CR_SEVERAL_SILENCE_ALONE_MS 5000U

/* One of the servers, and what its kind of store can do. */
struct cr_several_server {
    struct cr_store *store; /* fails at once with -EAGAIN or -ETIMEDOUT while it is away */
    char name[CR_SERVER_TEXT];
    int (*probe)(struct cr_store *store, uint64_t *ret_us, struct cr_error *err);
    void (*set_silence)(struct cr_store *store, unsigned ms);
    void (*interrupt)(struct cr_store *store);
    int (*post)(struct cr_store *store, const char *path, const void *body, size_t len,
                struct cr_buf *out, struct cr_error *err);
};

struct cr_several_options {
    unsigned patience_s;
    unsigned probe_ms; /* between two probes of a server that is there; 0 = 5,000. Of one that was
                          left a fifth of that */
};

struct cr_several_stat {
    const char *name; /* "https://HOST:PORT"; borrowed */
    bool is_used, is_left;
    uint64_t latency_us; /* 0 = not measured yet */
    uint64_t lefts;      /* how often it was left */
    uint64_t refused;    /* objects that it did not have, or had wrong */
};

/*
 * Open the `count` servers (1 to CR_SERVERS_MAX) of these URIs (lib/net/uri.h), whose patience does
 * not count. Nothing is sent but probes, and those only when there is more than one. Errors as
 * cr_https_open.
 */
int cr_several_open(const char *const *uris, unsigned count,
                    const struct cr_several_options *options, struct cr_store **ret_store,
                    struct cr_error *err);

/* The same of servers of any kind, whose stores are taken over, also when this fails. */
int cr_several_new(const struct cr_several_server *servers, unsigned count,
                   const struct cr_several_options *options, struct cr_store **ret_store,
                   struct cr_error *err);

/* As cr_https_interrupt; a store that is not several is left alone. */
void cr_several_interrupt(struct cr_store *store);

/* As cr_https_post, to the best server that takes it. */
int cr_several_post(struct cr_store *store, const char *path, const void *body, size_t len,
                    struct cr_buf *out, struct cr_error *err);

/* Its servers: their number (0 for a store that is not several), and the figures of one. */
unsigned cr_several_count(struct cr_store *store);
/* Of those that are https stores; all zero for another one. */
void cr_several_https_stat(struct cr_store *store, unsigned index, struct cr_https_stat *ret_stat);
/* The same of all together. */
void cr_several_total(struct cr_store *store, struct cr_https_stat *ret_stat);
void cr_several_stat(struct cr_store *store, unsigned index, struct cr_several_stat *ret_stat);
