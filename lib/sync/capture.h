/* SPDX-License-Identifier: MIT */
/*
 * A golden image made on a lab PC: what an overlay holds becomes a version at the server.
 *
 *      overlay ── block status of its own layer ──▶ whole chunks ──▶ those that differ ──▶ upstore
 *      claim, once ──▶ OVERLAY.capture ──▶ send ──▶ commit ──▶ OVERLAY.capture
 *
 * Stopped at any point, the same call goes on where it was. The overlay must not change meanwhile.
 */
#pragma once

#include "lib/base/work.h"
#include "lib/sync/upstore.h"

struct cr_capture {
    const char *overlay;     /* path of a qcow2 file on a version */
    const char *server;      /* URI of carrel-chunkd, which the version is read from */
    const char *sync_server; /* URI of carrel-syncd */
    const char *name;        /* the image that gets the new version */
    struct cr_ref base;      /* NAME@N, for an overlay that does not say it; else name "" */
    const char *message;     /* may be NULL */
    unsigned threads;        /* 1 .. CR_WORK_THREADS_MAX */
    cr_work_stop *stop;      /* may be NULL */
};

struct cr_capture_result {
    struct cr_commit_answer version;
    struct cr_ref base;
    uint64_t overlay_bytes; /* that the overlay holds */
    struct cr_upstore_stat sent;
};

/* Returns 0, -EINVAL (an overlay of nothing), -EACCES (the certificate does not allow it) ... */
int cr_capture_run(const struct cr_capture *capture, struct cr_capture_result *ret_result,
                   struct cr_error *err);
