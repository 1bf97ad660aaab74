/* SPDX-License-Identifier: MIT */
/* Listening sockets. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

#define CR_LISTENER_TEXT 80

struct cr_listener {
    int fd;
    char address[CR_LISTENER_TEXT]; /* "127.0.0.1:8443", "[::]:8443": what was bound */
    bool loopback;
};

/*
 * Bind "ADDR:PORT" ("*" or nothing = all addresses, IPv6 in brackets, port 0 = a free one) and
 * listen. Returns 0, -EINVAL (not an address), -EADDRINUSE, or another -errno.
 */
int cr_listener_open(const char *text, struct cr_listener *ret_listener, struct cr_error *err);

/* Close it; a listener that is closed already is left alone. */
void cr_listener_close(struct cr_listener *listener);
