/* SPDX-License-Identifier: MIT */
/* HTTP: libmicrohttpd with a thread for each connection. */
#pragma once

#include "server/syncd/syncd.h"

struct service;

struct service_options {
    unsigned connections;             /* at most */
    const struct cr_tls_files *files; /* NULL = plain HTTP, where everybody is `plain` */
    struct cr_visitor plain;
};

/* Serve what comes in at the listening socket, which belongs to the service from here on. */
int service_new(struct syncd *syncd, int listen_fd, const struct service_options *options,
                struct service **ret_service, struct cr_error *err);

/* No new connections from here on. */
void service_quiesce(struct service *service);

/* Close all connections and end the threads. Takes NULL. */
void service_free(struct service *service);
