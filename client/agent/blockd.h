/* SPDX-License-Identifier: MIT */
/*
 * The child process carrel-blockd, which serves a version as an NBD disk on a unix socket.
 *
 * It is started here and watched through descriptors that the session polls. It dies with the
 * agent: the kernel kills it when the thread that started it is gone.
 */
#pragma once

#include "client/agent/lines.h"
#include "lib/base/error.h"
#include "lib/image/head.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BLOCKD_LINE_BYTES LINE_BYTES

/* How to start it; every string is borrowed and outlives the child. */
struct blockd_options {
    const char *program; /* a path, or a name that PATH is searched for */
    const char *server;
    const char *const *other_servers; /* CR_SERVERS_MAX - 1 places, up to the first NULL */
    const char *cache;
    const char *pki;       /* NULL: none */
    const char *trust;     /* NULL: none */
    const char *deltas;    /* "yes", "no", or NULL: as it does by itself */
    const char *fill_rate; /* bytes a second; NULL: as it does by itself */
    const char *socket;
    const char *pidfile;
    const char *stats; /* the figures that it writes when it ends */
};

struct blockd {
    pid_t pid; /* -1 when none runs */
    int pidfd; /* readable when it has ended */
    bool ready;
    struct lines out, log;
    char last_words[BLOCKD_LINE_BYTES]; /* the last line on its stderr */
    bool held;                          /* it was not passed on yet */
    char version[CR_REF_TEXT];          /* NAME@N, from its ready line */
    uint64_t size_bytes;                /* of the disk */
    char root[CR_ID_HEX];               /* of the version; "" = it did not say */
    char complete[BLOCKD_LINE_BYTES];   /* the version's flat file below the cache; "" = not yet */
};

void blockd_init(struct blockd *blockd);

/*
 * Start it for `image`, NAME or NAME@N. The socket and figures of a predecessor are removed first.
 * Its version and size are kept from an earlier start, until it says otherwise.
 */
int blockd_start(struct blockd *blockd, const struct blockd_options *options, const char *image,
                 struct cr_error *err);

/*
 * Take in what its pipes hold. *ret_ready turns true once, when the line `ready NAME@N BYTES
 * [ROOT]` came. The line `complete PATH`, which may come before it, is kept in `complete`: every
 * byte of the version is in that file, PATH being relative to the cache folder. Lines on its stderr
 * are passed on, the last one after blockd_flush. Returns 0 or -EPROTO for a ready line that makes
 * no sense.
 */
int blockd_read(struct blockd *blockd, bool *ret_ready, struct cr_error *err);

/* Pass on the line that is held back; to be called when a moment has passed without its end. */
void blockd_flush(struct blockd *blockd);

/* It has ended: collect it. `reason`, of BLOCKD_LINE_BYTES, says how, with its last words. */
void blockd_reap(struct blockd *blockd, char *reason);

/* Stop it (SIGTERM, then SIGKILL) and remove its socket. Nothing happens when none runs. */
void blockd_stop(struct blockd *blockd, const struct blockd_options *options);

/* Stop the one that a killed agent left behind, if there is one. True when there was. */
bool blockd_clear_leftover(const struct blockd_options *options);
