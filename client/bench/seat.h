/* SPDX-License-Identifier: MIT */
/*
 * One simulated seat: a thread that makes the reads of the plan one after the other, as a guest
 * does through blockd, with connections of its own. It keeps no bytes, only which chunks it has;
 * what is missing of a read, at most 2 MiB, it asks for in one request.
 */
#pragma once

#include "client/bench/line.h"
#include "client/bench/proof.h"

/* What all seats have in common; borrowed. */
struct storm {
    const struct options *options;
    const struct plan *plan;
    struct proof proof;
    struct line line;
    uint64_t began_us; /* monotonic; when they were let loose */
    atomic_bool stop;
    atomic_uint running;
};

struct seat {
    struct storm *storm;
    struct cr_store *server, *store; /* store = the server behind the line */
    unsigned long *have;             /* a bit for each chunk of the plan */
    uint8_t *scratch;

    uint64_t done_us; /* from the start to the last read; 0 = not reached */
    uint64_t fetched; /* chunks */
    int result;       /* what ended it early */
    struct cr_error err;
};

/* Prepare a seat that asks `server`, with the certificate in folder `pki` (NULL = none). Wants
 * seat_done in either case. */
int seat_init(struct seat *seat, struct storm *storm, const char *server, const char *pki,
              struct cr_error *err);
void seat_done(struct seat *seat);

/* From start to the last read; the outcome is in `result` and `err`. */
void seat_run(struct seat *seat);

/* From any thread: it ends soon. */
void seat_interrupt(struct seat *seat);

/* Monotonic. */
uint64_t clock_us(void);
