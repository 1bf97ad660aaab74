/* SPDX-License-Identifier: MIT */
/*
 * One desktop's life on one seat: from a name to a clean machine, and back to nothing.
 *
 *      carrel-blockd ──ready NAME@N──▶ overlay made ──▶ machine started ──▶ running
 *            │ died                        ▲                                │ guest rebooted
 *            └──▶ waiting, started again   └── machine ended, overlay gone ◀┘
 *
 *      running ── signal, guest off, crash ──▶ machine ended ▶ blockd stopped ▶ overlay gone
 */
#pragma once

#include "lib/base/error.h"
#include "lib/desktop/desktop.h"

struct seat_options;

/* What `carrel-agent run` was told; everything is borrowed. */
struct session_options {
    const char *server;
    const char *other_servers[CR_SERVERS_MAX - 1]; /* up to the first NULL */
    const char *image;                             /* NAME or NAME@N */
    const char *cache;
    const char *pki;                 /* NULL: none */
    const char *trust;               /* folder of signed metadata; NULL: none */
    const char *deltas;              /* "yes" or "no"; NULL: what carrel-blockd does by itself */
    const char *run_dir;             /* NULL: the default */
    const char *blockd;              /* the program */
    const char *keep;                /* --overlay-keep, NULL: the overlay is thrown away */
    const char *person;              /* "" = nobody in particular */
    const char *data_disk;           /* a file or a size; NULL: as the desktop file says */
    const struct seat_options *seat; /* NULL: no policy, no reports */
    const char *overlay_spill; /* where the overlay goes on when the cache is full; NULL: nowhere */
    struct cr_desktop desktop;
};

/*
 * Run a session to its end, reporting its states. SIGTERM, SIGINT and SIGHUP must be blocked in
 * every thread: the session takes them as the wish to stop. Returns 0 when the guest switched
 * itself off or a signal ended the session, otherwise -errno.
 */
int session_run(const struct session_options *options, struct cr_error *err);
