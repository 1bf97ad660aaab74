/* SPDX-License-Identifier: MIT */
/*
 * The machine of a build, and the disk that it works on:
 *
 *   store ── nbdkit + carrel plugin ──▶ version (read-only)
 *                                          ▲ backing
 *            qemu-storage-daemon ── layer 1 ◀── layer 2 ◀── ... (qcow2 files, one a step)
 *                                          │ NBD, the newest layer, writable
 *            carrel-build-guest ── libguestfs' appliance ── the guest's file systems
 *
 * After each step the disk is settled and a new layer put on top, so the layer below holds what
 * this step wrote and nothing else.
 */
#pragma once

#include "image-tools/build_folder.h"
#include "lib/base/error.h"
#include "lib/image/head.h"
#include "lib/store/store.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct build_machine {
    struct build_folder folder; /* of layers and logs */
    char sockets[96];           /* private folder; "" = not made */
    pid_t server, storage, guest;
    int control_fd;  /* qemu-storage-daemon's monitor; -1 = none */
    int talk_fd;     /* to carrel-build-guest; -1 = none */
    int messages_fd; /* what all three complain of; -1 = none */
    uint64_t disk_bytes;
    unsigned layers;
};

#define BUILD_MACHINE_INIT                                                                         \
    {                                                                                              \
        .folder = BUILD_FOLDER_INIT, .control_fd = -1, .talk_fd = -1, .messages_fd = -1            \
    }

struct build_machine_options {
    struct cr_store *store;
    const struct cr_ref *version; /* below the first layer */
    uint64_t disk_bytes;
    bool network;
    uint64_t memory_bytes; /* 0 = default */
};

/* Start all of it; the guest's file systems are mounted then. Stop it in any case. */
int build_machine_start(struct build_machine *machine, const struct build_machine_options *options,
                        struct cr_error *err);
void build_machine_stop(struct build_machine *machine);

/* Where logs and other private files may be put: "FOLDER/NAME". */
void build_machine_path(const struct build_machine *machine, const char *name,
                        char out[static PATH_MAX]);

/* Copy a local file into the image. */
int build_machine_put(struct build_machine *machine, const char *local, const char *remote,
                      unsigned mode, uint32_t uid, uint32_t gid, struct cr_error *err);

/*
 * Run a command in the image; its exit status. What it said is in the file "log" of the machine's
 * folder. -ETIMEDOUT when it takes longer than `minutes`: the machine is of no use then.
 */
int build_machine_run(struct build_machine *machine, const char *command, unsigned minutes,
                      int *ret_status, struct cr_error *err);

/*
 * The step is done: the path of the layer that holds what it wrote. Valid until the machine stops.
 */
int build_machine_layer(struct build_machine *machine, char ret_path[static PATH_MAX],
                        struct cr_error *err);
