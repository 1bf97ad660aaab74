/* SPDX-License-Identifier: MIT */
/*
 * Inside of fetch: one call of cr_peerfetch_get while peers and the server work for it. What is
 * read or changed of a race and its items is so under its mutex; a job belongs to who runs it.
 */
#pragma once

#include "lib/peer/fetch.h"

#include <pthread.h>

/* One object of a race. */
struct cr_race_item {
    bool done;      /* the sink has had it */
    bool at_peer;   /* a peer was asked and has not answered */
    bool at_server; /* so was the server, some time */
    uint8_t part;   /* which of the peers it is at */
    int result;     /* of the server: negative = it has it not */
    uint8_t *frame; /* arrived; owned */
    size_t frame_len;
    struct cr_error *why; /* of `result`; owned, may be NULL */
};

/* A call of cr_peerfetch_get, shared with the jobs that work for it. */
struct cr_race {
    struct cr_peerfetch *fetch;
    struct cr_store *inner;
    enum cr_kind kind;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    unsigned references; /* the caller, and each job */
    bool over;           /* the caller has what it wants */
    size_t count, left;  /* items, and those that are not done */
    int failure;         /* of the server as a whole */
    struct cr_error why;
    struct cr_peer *const *peers; /* the caller's; good for parts that are at a peer */
    bool was_late[CR_PEERS_MAX];
    struct cr_id *ids;
    struct cr_race_item items[];
};

/* Some items of a race, for a peer or the server. */
struct cr_race_job {
    struct cr_race *race;
    struct cr_peer *peer; /* NULL: the server */
    uint8_t *scratch;     /* plain bytes while they are verified */
    uint32_t count;
    bool helped;
    struct cr_id *ids;
    uint32_t items[];
};

/* A race with a copy of the ids, and one reference; NULL without memory. */
struct cr_race *cr_race_new(struct cr_peerfetch *fetch, struct cr_store *inner, enum cr_kind kind,
                            const struct cr_id *ids, size_t count);

/* Under the mutex, which is let go: give a reference back. */
void cr_race_leave(struct cr_race *race);

/* A frame for an item, copied; under the mutex. False when nobody wants it any more, and without
 * memory for it: then it has not come. */
bool cr_race_take(struct cr_race *race, struct cr_race_item *item, const void *frame,
                  size_t frame_len);

/* A job for up to `room` items; NULL without memory. It holds no reference. */
struct cr_race_job *cr_race_job_new(struct cr_race *race, size_t room);
void cr_race_job_free(struct cr_race_job *job);
void cr_race_job_add(struct cr_race_job *job, size_t item);
