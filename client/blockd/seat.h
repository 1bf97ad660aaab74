/* SPDX-License-Identifier: MIT */
/* What the plugin serves: one version, from the server and the cache folder. */
#pragma once

#include "client/blockd/boot.h"
#include "client/blockd/fill.h"
#include "client/blockd/peer.h"

struct seat_settings {
    const char *const *servers; /* URIs, server_count of them */
    unsigned server_count;
    const char *pki;   /* folder; NULL = none */
    const char *cache; /* folder */
    const char *trust; /* folder of signed metadata; NULL = the head of the image is believed */
    struct cr_ref image;
    unsigned patience_s;
    bool no_deltas;                                     /* as cr_seatdisk_options */
    bool no_hot;                                        /* nothing is fetched along the hot list */
    uint64_t fill_rate_bytes;                           /* as fill_options */
    uint64_t limit_bytes, reserve_bytes, scrub_bytes_s; /* as cr_seatdisk_options */
    unsigned boot_max_s, boot_quiet_s; /* as boot_options; a max of 0 = boots are not recorded */
    const char *peer_listen;           /* ADDR:PORT; NULL = no peers */
    uint64_t peer_upload_bytes;        /* as peer_options */
    void (*warn)(const char *sentence);
    void (*completed)(void *context); /* as cr_seatdisk_options */
};

struct seat {
    struct cr_store *_Atomic store;      /* the servers (lib/net/several.h) */
    struct cr_store *_Atomic trust;      /* the same, asked for signed metadata */
    struct cr_store *_Atomic background; /* the same, on connections that no read waits for */
    struct peer *_Atomic peer;           /* NULL = no peers */
    struct cr_seatdisk *disk;
    struct fill *fill; /* NULL = nothing is fetched ahead */
    struct boot *boot; /* NULL = it is not recorded */
};

/*
 * Open the version; waits for a server that is away as long as the patience says. Returns 0 or
 * -errno with a sentence; the seat wants seat_close in either case.
 */
int seat_open(struct seat *seat, const struct seat_settings *settings, struct cr_error *err);
void seat_close(struct seat *seat);

/* From any thread, also while seat_open waits: stop waiting for the server, for good. */
void seat_interrupt(struct seat *seat);
