/* SPDX-License-Identifier: MIT */
/*
 * The overlays of a cache folder.
 *
 * Each session owns a folder CACHE/overlays/XXXXXX and holds a lock on it while it lives. A folder
 * that nobody locks was left by an agent that was killed; the next start removes it. An overlay is
 * therefore never booted by anybody but the session that made it.
 */
#pragma once

#include "lib/base/error.h"

#include <limits.h>
#include <stdint.h>

struct overlay {
    int lock_fd;           /* -1 when there is no folder */
    char folder[PATH_MAX]; /* the session's own, with the overlay and the UEFI variables */
    char path[PATH_MAX];   /* the qcow2 file */
    const char *keep;      /* --overlay-keep, or NULL: where it goes in the end; borrowed */
    unsigned swept;        /* folders of killed sessions that were removed */
};

/*
 * Remove what killed sessions left below `cache` and make a folder for this one. With `keep` the
 * qcow2 file is to stand beside that name, as KEEP.part, until the session ends. Returns 0 or
 * -errno.
 */
int overlay_open(const char *cache, const char *keep, struct overlay *ret_overlay,
                 struct cr_error *err);

/* Make the qcow2 file anew, empty, `size_bytes` large, on `base` (a URI that QEMU understands). */
int overlay_create(struct overlay *overlay, const char *base, uint64_t size_bytes,
                   struct cr_error *err);

/*
 * The session is over: the qcow2 file moves to its keeping place if there is one (made durable),
 * and everything else is removed. Takes an overlay that was never opened. Returns 0 or -errno.
 */
int overlay_close(struct overlay *overlay, struct cr_error *err);

/*
 * nbd+unix:///EXPORT?socket=SOCKET, with what a URI would misread encoded, into `out`. Returns 0 or
 * -ENAMETOOLONG.
 */
int overlay_base_format(const char *export, const char *socket, char *out, size_t out_size);
