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

struct peer;

struct seat {
    struct storm *storm;
    struct cr_store *server, *store; /* server = all of them; store = that behind the line */
    struct peer *peer;               /* NULL = it knows no others */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t news;
    unsigned long *have; /* a bit for each chunk of the plan */
    unsigned long *busy; /* likewise: somebody fetches it */
    bool has_segments, ended;
    uint64_t fetched; /* chunks */

    /* For who has joined the seat's thread. */
    uint64_t done_us; /* from the start to the last read; 0 = not reached */
    int result;       /* what ended it early */
    struct cr_error err;
};

/* Prepare seat `number` with the certificate in folder `pki` (NULL = none). Wants seat_done in
 * either case. */
int seat_init(struct seat *seat, struct storm *storm, unsigned number, const char *pki,
              struct cr_error *err);
void seat_done(struct seat *seat);

/* From start to the last read; the outcome is in `result` and `err`. */
void seat_run(struct seat *seat);

/* From any thread: it ends soon. */
void seat_interrupt(struct seat *seat);

/* What it is to others: the chunks that it has; a chunk, which it fetches when it lacks it; a
 * segment, which it waits for. 0, -ENOENT or another -errno. Thread-safe. */
uint64_t seat_present(struct seat *seat);
int seat_give_chunk(struct seat *seat, const struct cr_id *id, uint8_t *plain, size_t *ret_len);
int seat_give_segment(struct seat *seat, const struct cr_id *id, struct cr_buf *frame);

/* Monotonic. */
uint64_t clock_us(void);
