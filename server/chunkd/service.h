/* SPDX-License-Identifier: MIT */
/* Threads that talk HTTP to clients: one libmicrohttpd daemon each, fed with accepted connections.
 */
#pragma once

#include "server/chunkd/tls.h"

struct service;

struct service_options {
    unsigned threads;
    unsigned connections;             /* of all threads together, at most */
    const struct cr_tls_files *files; /* NULL = plain HTTP */
    bool plain_routes_only;           /* /metrics and /healthz */
};

/* Start the threads. `server` is borrowed. Returns 0 or -errno with a sentence. */
int service_new(struct server *server, const struct service_options *options,
                struct service **ret_service, struct cr_error *err);

/*
 * Accept what waits at the listening socket and hand it to the thread with the fewest connections.
 * Returns 0, or -EMFILE and the like when the system is short of something: try again a bit later.
 */
int service_accept(struct service *service, int listen_fd);

/* Close all connections and end the threads. No request may be under way. Takes NULL. */
void service_free(struct service *service);
