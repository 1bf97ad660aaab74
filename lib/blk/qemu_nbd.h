/* SPDX-License-Identifier: MIT */
/* A qemu-nbd of our own: read-only, on a unix socket in a private folder. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cr_qemu_nbd {
    char folder[96];  /* "" = not made */
    char socket[112]; /* path, short enough for a socket's address */
    char uri[160];    /* nbd+unix:///?socket=... */
    pid_t pid;        /* 0 = not running */
    int messages_fd;  /* its standard error, non-blocking; -1 = none */
};

#define CR_QEMU_NBD_INIT                                                                           \
    {                                                                                              \
        .messages_fd = -1                                                                          \
    }

/*
 * Serve `spec` (a path, or "json:..." which names its drivers) of `format` (NULL with a json spec).
 * The socket listens when this returns; whether QEMU could open the image shows at the first
 * connection. `allocation_depth` offers the context qemu:allocation-depth. Stop it in any case.
 */
int cr_qemu_nbd_start(struct cr_qemu_nbd *server, const char *spec, const char *format,
                      bool allocation_depth, struct cr_error *err);

/* Ends the server, removes socket and folder. */
void cr_qemu_nbd_stop(struct cr_qemu_nbd *server);

/* The first line of what it complained with since the last call; "" when nothing. */
void cr_qemu_nbd_complaint(struct cr_qemu_nbd *server, char *out, size_t out_size);
