/* SPDX-License-Identifier: MIT */
/*
 * The parts of carrel-syncd and who calls whom.
 *
 *      main.c      options, signals, start and end
 *        │
 *      service.c   libmicrohttpd, a thread for each connection; who asks; a request's way
 *        │
 *      routes.c    the table: method and path -> what to do, and who may
 *        │  │
 *        │  uploads.c  what seats send: have, packs, segments, manifests, claim, commit
 *        │  reads.c    what owners read of their own, and their keys
 *        │
 *      owners.c    the store and the keys of each owner of private overlays
 *
 * Seats that send are few and send much, so a thread for each of them may wait for the disk.
 */
#pragma once

#include "lib/serve/visitor.h"
#include "lib/store/store.h"

#include <microhttpd.h>
#include <stdatomic.h>

struct owner;
struct owners;

/* What all threads share. Lives as long as the program. */
struct syncd {
    struct cr_store *images; /* where captures go; NULL = nowhere */
    struct owners *owners;   /* NULL = no private overlays */
    atomic_uint in_flight;   /* requests */
    atomic_bool draining;
    atomic_uint_least64_t received_bytes, packs, commits, branches, refusals;
};

/* One request; belongs to the thread of its connection. */
struct request {
    struct syncd *syncd;
    struct MHD_Connection *connection;
    const struct route *route;
    const char *path; /* whole; borrowed */
    const char *rest; /* of the path, behind the route's */
    struct cr_visitor visitor;
    struct cr_store *store; /* that the route works on; borrowed */
    struct owner *owner;    /* of it, to be given back; NULL = none */
    const char *holder;     /* who claims and commits */
    struct cr_buf body;

    unsigned refusal; /* HTTP status, 0 = none */
    struct cr_error err;
    struct cr_buf answer;
    const char *type; /* of the answer */
    bool answered;
    unsigned refused_pieces; /* of a body that came after the refusal */
};

/* Note that the request is refused, with a sentence. */
void request_refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failure whose sentence stands in request->err. */
void request_refuse_errno(struct request *request, int r);

/* A line on standard error. */
void log_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
