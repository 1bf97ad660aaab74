/* SPDX-License-Identifier: MIT */
/*
 * Requests to one server: a pool of connections (libcurl), what its failures mean, and patience
 * with a server that is away. The `https` store (https.c) is made of these.
 *
 *      request ──▶ cr_http_do ──▶ 0, or a failure that repeating would not cure
 *         ▲            │ -EAGAIN
 *         └─ cr_http_wait (0.1 s, 0.2 s ... 2 s, until the patience has run out)
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"
#include "lib/net/patience.h"
#include "lib/net/uri.h"

#include <stdbool.h>
#include <stddef.h>

struct cr_http;

struct cr_http_stat {
    uint64_t requests;       /* sent, with those that failed */
    uint64_t retries;        /* of them, sent again because the server did not answer */
    uint64_t bytes_received; /* headers and bodies, before TLS */
};

/* Takes the bytes of an answer with status 200 as they come; non-zero ends the request with it. */
typedef int cr_http_sink(void *context, const void *data, size_t len, struct cr_error *err);

struct cr_http_request {
    const char *path;   /* "/v1/..." */
    const char *header; /* one more line of headers, or NULL */
    const void *body;   /* borrowed; NULL = GET, otherwise POST */
    size_t body_len;
    bool put; /* PUT instead of POST */
    cr_http_sink *sink;
    void *context;
};

/*
 * Prepare requests to the server of `uri`; nothing is sent yet, but the certificates are looked at.
 * Returns 0, -ENOMEM, or as cr_certs_check.
 */
int cr_http_new(const struct cr_server_uri *uri, struct cr_http **ret_http, struct cr_error *err);

/*
 * The same for a machine that is no server of the site but shows this public key (`pin`:
 * cr_certs_fingerprint) in TLS 1.3; neither its name nor its CA matter then. It is given up sooner.
 */
int cr_http_new_pinned(const struct cr_server_uri *uri, const struct cr_id *pin,
                       struct cr_http **ret_http, struct cr_error *err);

/* No request may be under way. Takes NULL. */
void cr_http_free(struct cr_http *http);

/*
 * From now on a request of which no byte comes for `ms` milliseconds, from its first moment on,
 * fails with -EAGAIN, also one that is under way; 0 = only when it stalls for as long as the URI
 * says. Thread-safe.
 */
void cr_http_set_silence(struct cr_http *http, unsigned ms);

/* "https://HOST:PORT". Borrowed. */
const char *cr_http_server(const struct cr_http *http);

/*
 * Send a request once and hand the answer to its sink. Returns 0; -EAGAIN when the same request may
 * well succeed later (no connection, cut off, status 502, 503, 504); -ENOENT (404), -EBADMSG (500:
 * the server says that the object is corrupted), -EACCES (401, 403), -EKEYREJECTED or -EKEYEXPIRED
 * (the certificate of either side), -ESTALE (409), -ENOSPC (507), -EPROTO (any other answer), what
 * the sink returned, -ECANCELED after cr_http_interrupt. The sentence names the server and, for
 * certificates, the way out. Thread-safe.
 */
int cr_http_do(struct cr_http *http, const struct cr_http_request *request, struct cr_error *err);

/*
 * After -EAGAIN: wait a little, then return 0 for another attempt. When the patience has run out,
 * returns -ETIMEDOUT and says so in front of the sentence in `err`, unless there was none at all;
 * -ECANCELED after cr_http_interrupt.
 */
int cr_http_wait(struct cr_http *http, struct cr_patience *patience, struct cr_error *err);

/* From any thread: every request and wait ends soon with -ECANCELED, now and later. */
void cr_http_interrupt(struct cr_http *http);

void cr_http_stat(const struct cr_http *http, struct cr_http_stat *ret_stat);
