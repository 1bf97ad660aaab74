/* SPDX-License-Identifier: MIT */
/* The run folder: sockets, the lock and libvirt's state of the one session that it serves. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

/* libvirt puts QEMU's monitor below it, in a socket whose path the kernel limits. */
#define RUNDIR_BYTES_MAX 56U

struct rundir {
    int lock_fd; /* -1 when not open */
    char path[RUNDIR_BYTES_MAX + 1];
    char nbd_socket[CR_SOCKET_PATH_BYTES_MAX + 1];
    char blockd_pidfile[CR_SOCKET_PATH_BYTES_MAX + 1];
    char vnc_socket[CR_SOCKET_PATH_BYTES_MAX + 1];
    char control_socket[CR_SOCKET_PATH_BYTES_MAX + 1];
    char libvirt[CR_SOCKET_PATH_BYTES_MAX + 1]; /* root of the embedded driver */
};

/*
 * Make and lock the folder `path`; NULL = $XDG_RUNTIME_DIR/carrel, or /run/carrel for root. Returns
 * 0, -EBUSY when another agent uses it, or -errno.
 */
int rundir_open(const char *path, struct rundir *ret_run, struct cr_error *err);

/*
 * Connect to the control socket of the agent that runs a desktop in `path` (NULL as above). Returns
 * the descriptor, or -errno: -ENOENT when no agent runs there.
 */
int rundir_connect(const char *path, struct cr_error *err);

/* Unlock. The folder stays: libvirt's knowledge of QEMU in it makes the next start faster. */
void rundir_close(struct rundir *run);
