/* SPDX-License-Identifier: MIT */
/* What the plugin serves: one version, from the server and the cache folder. */
#pragma once

#include "lib/seatcache/seatdisk.h"

struct seat_settings {
    const char *server; /* URI */
    const char *pki;    /* folder; NULL = none */
    const char *cache;  /* folder */
    const char *trust;  /* folder of signed metadata; NULL = the head of the image is believed */
    struct cr_ref image;
    unsigned patience_s;
    bool no_deltas; /* as cr_seatdisk_options */
    void (*warn)(const char *sentence);
};

struct seat {
    struct cr_store *_Atomic store;
    struct cr_store *_Atomic trust; /* the same server, asked for signed metadata */
    struct cr_seatdisk *disk;
};

/*
 * Open the version; waits for a server that is away as long as the patience says. Returns 0 or
 * -errno with a sentence; the seat wants seat_close in either case.
 */
int seat_open(struct seat *seat, const struct seat_settings *settings, struct cr_error *err);
void seat_close(struct seat *seat);

/* From any thread, also while seat_open waits: stop waiting for the server, for good. */
void seat_interrupt(struct seat *seat);
