/* SPDX-License-Identifier: MIT */
/*
 * A part of an NBD export shown as a read-only file, for tools that want one: qemu-storage-daemon
 * with FUSE, which needs /dev/fuse and fusermount3 but not root.
 */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct cr_view {
    char folder[96];
    char path[112]; /* the file */
    pid_t pid;
};

/*
 * Show `size_bytes` at `offset` of the export on `nbd_socket` as view->path. Close it in any case.
 * Returns 0 or -errno, with one clause in *err that says why it cannot be shown.
 */
int cr_view_open(struct cr_view *view, const char *nbd_socket, uint64_t offset, uint64_t size_bytes,
                 struct cr_error *err);

/* Unmounts and removes the file. Does nothing for a zeroed structure. */
void cr_view_close(struct cr_view *view);
#define CLEANUP_VIEW __attribute__((cleanup(cr_view_close)))
