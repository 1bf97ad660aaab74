/* SPDX-License-Identifier: MIT */
/* What a request is, and the table that says who answers it. */
#pragma once

#include "lib/net/batch.h"
#include "lib/store/blobs.h"
#include "server/chunkd/server.h"

#include <microhttpd.h>

/* A batch and what was found for it. */
struct batch {
    struct cr_batch_request request;
    struct frame frames[CR_BATCH_IDS_MAX];
    int results[CR_BATCH_IDS_MAX];
};

/* One request. Belongs to the thread of its connection, or to a reader while it is laid aside. */
struct request {
    struct server *server;
    struct MHD_Connection *connection;
    const struct route *route;
    unsigned route_index;
    enum { REQUEST_COMING, REQUEST_AT_READER, REQUEST_READY, REQUEST_ANSWERED } state;

    /* What was asked. */
    bool head_only; /* HEAD: the answer has no body */
    enum cr_kind kind;
    struct cr_id id;
    struct cr_id client;             /* who asks, where the route wants to know */
    char name[CR_BLOB_NAME_MAX + 1]; /* of an image or a side object */
    struct cr_buf body;

    /* What was found: a refusal, or one of the others as the route says. */
    unsigned refusal; /* HTTP status, 0 = none */
    bool comes_later; /* what is not there is being made: ask again */
    struct cr_error err;
    struct frame frame;
    struct cr_buf text;
    struct batch *batch;

    uint64_t answer_bytes;
};

struct route {
    const char *name; /* in metrics */
    const char *path; /* ends with '/': what follows names the object */
    bool post;        /* POST; otherwise GET and HEAD */
    size_t body_max;  /* bytes that the body of a POST may have */
    bool plain;       /* also without TLS, on the address for metrics */
    const char *type; /* Content-Type of a text */
    enum cr_kind kind;
    enum cr_space space; /* of side objects */
    /* Look in memory. True when the answer (or refusal) is found; must not wait. */
    bool (*look)(struct request *request);
    /* Find the answer or refusal, in a reader's thread; may wait. NULL when `look` always does. */
    void (*read)(struct request *request);
    /* The answer as HTTP (reply.c). NULL = out of memory. */
    struct MHD_Response *(*reply)(struct request *request, unsigned *ret_status);
};

enum { ROUTE_NONE = 0, ROUTE_COUNT = METRICS_ROUTES };
extern const struct route routes[ROUTE_COUNT];

/* The index of the route of a path; ROUTE_NONE answers 404. *ret_rest = what follows the prefix. */
unsigned route_find(const char *path, bool plain_only, const char **ret_rest);

/* Read the part of the path that names an object; fills in a refusal when it names none. */
void route_object_parse(struct request *request, const char *rest);

/* Note that the request is refused, with a sentence. */
void request_refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
