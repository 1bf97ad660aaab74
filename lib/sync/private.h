/* SPDX-License-Identifier: MIT */
/*
 * A kept overlay, sent to its owner's private store and brought back, at this seat or another one.
 *
 *      push: overlay ── chunks that differ from the version below ── sealed ──▶ upstore ──▶ commit
 *      pull: header, maps, chunks, opened ──▶ a new overlay on the same version ──▶ claim
 *
 * Who pulls is in charge from then on: what another seat pushes later becomes a branch. The keys
 * come from the server at each call and are not kept.
 */
#pragma once

#include "lib/base/work.h"
#include "lib/sync/upstore.h"

struct cr_private {
    const char *overlay;     /* path of the qcow2 file; of pull: to be made */
    const char *server;      /* URI of carrel-chunkd, which the version below is read from */
    const char *sync_server; /* URI of carrel-syncd */
    const char *name;        /* of the overlay, as its owner calls it */
    struct cr_ref base;  /* of push: NAME@N, for an overlay that does not say it; else name "" */
    const char *backing; /* of pull: what the overlay calls the image below; NULL: an NBD URI */
    bool branch;         /* of pull: what was pushed by a seat that was not in charge */
    unsigned threads;    /* 1 .. CR_WORK_THREADS_MAX */
    cr_work_stop *stop;  /* may be NULL */
};

struct cr_private_result {
    uint64_t number; /* of the version of the overlay */
    bool branch;     /* it stands beside those of who is in charge */
    struct cr_ref base;
    uint64_t chunks;             /* of the overlay that differ from the version below */
    struct cr_upstore_stat sent; /* of push */
};

int cr_private_push(const struct cr_private *what, struct cr_private_result *ret_result,
                    struct cr_error *err);

/* -ENOENT: there is no such overlay; -ESTALE: the version below is gone, or is not the one that the
 * overlay was made on; -EBADMSG: what is stored does not open. */
int cr_private_pull(const struct cr_private *what, struct cr_private_result *ret_result,
                    struct cr_error *err);
