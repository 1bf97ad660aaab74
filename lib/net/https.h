/* SPDX-License-Identifier: MIT */
/*
 * The store behind a server, seen from outside (PROTOCOL.md): read-only, thread-safe. Opening it
 * sends nothing; a server that is away is waited for as long as the URI's `patience` says, so that
 * a guest only pauses while its server restarts. Certificates that do not fit are never waited for.
 */
#pragma once

#include "lib/store/store.h"

struct cr_https_stat {
    uint64_t requests;       /* sent, with those that failed */
    uint64_t retries;        /* of them, sent again because the server did not answer */
    uint64_t bytes_received; /* headers and bodies of answers, before TLS */
    uint64_t chunks;         /* frames of chunks received */
};

/* Make "https:" and, for this machine itself, "http:" known to cr_store_open. Before any thread. */
void cr_https_register(void);

/*
 * Open "https://HOST:PORT[?pki=DIR&patience=SECONDS&stall=SECONDS]" (lib/net/uri.h). Returns 0,
 * -EINVAL for a URI that is none, or as cr_certs_check.
 */
int cr_https_open(const char *uri, struct cr_store **ret_store, struct cr_error *err);

/* The counters of a store that cr_https_open made; -EINVAL for another store. */
int cr_https_stat(struct cr_store *store, struct cr_https_stat *ret_stat);

/* As cr_http_set_silence. */
void cr_https_set_silence(struct cr_store *store, unsigned ms);

/* Ask once whether the server is there and goes on serving, and measure how long that takes.
 * Returns 0 or as cr_http_do; -EINVAL for another store. */
int cr_https_probe(struct cr_store *store, uint64_t *ret_us, struct cr_error *err);

/*
 * POST `len` > 0 bytes to `path` ("/v1/...") until the server answers; its answer is appended to
 * `out`, at most as much as that takes. Returns 0, or as cr_http_do and cr_http_wait; -EINVAL for a
 * store that cr_https_open has not made.
 */
int cr_https_post(struct cr_store *store, const char *path, const void *body, size_t len,
                  struct cr_buf *out, struct cr_error *err);

/*
 * From any thread: whatever waits for the server ends soon with -ECANCELED, now and later. So that
 * a program can stop while its server is away. A store of another kind is left alone.
 */
void cr_https_interrupt(struct cr_store *store);
