/* SPDX-License-Identifier: MIT */
/* The disk of a build, opened in libguestfs' appliance. */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <guestfs.h>
#include <stdbool.h>
#include <stdint.h>

struct guest {
    guestfs_h *handle; /* owned; NULL before guest_start */
    char **mounts;     /* owned; mount point, device, ..., NULL */
};

struct guest_options {
    const char *socket; /* of an NBD server that serves the disk, writable */
    bool network;
    int memory_mib; /* 0 = libguestfs' own default */
};

/* Start the appliance, find the one Linux in the disk and mount it. Returns 0 or -errno. */
int guest_start(struct guest *guest, const struct guest_options *options, struct cr_error *err);

/* Ends the appliance. Takes a zeroed structure. */
void guest_stop(struct guest *guest);

/* Copy the local file to `remote`, whose folders are made where they are missing. */
int guest_put(struct guest *guest, const char *local, const char *remote, unsigned mode,
              uint32_t uid, uint32_t gid, struct cr_error *err);

/*
 * Run a command of the guest's shell with the guest's file system as its root. What it says is
 * appended to `log`, of which the end is kept. Returns 0 with the exit status, or -errno when it
 * could not be run.
 */
int guest_run(struct guest *guest, const char *command, struct cr_buf *log, int *ret_status,
              struct cr_error *err);

/*
 * End what still runs in the guest, discard free space, unmount, and have everything written:
 * afterwards the disk is whole and still. guest_mount goes on.
 */
int guest_settle(struct guest *guest, struct cr_error *err);
int guest_mount(struct guest *guest, struct cr_error *err);
