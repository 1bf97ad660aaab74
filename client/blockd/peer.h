/* SPDX-License-Identifier: MIT */
/* A seat among other seats (lib/peer): asks them before the server, and serves them. */
#pragma once

#include "lib/peer/peers.h"
#include "lib/peer/upload.h"
#include "lib/seatcache/seatdisk.h"

struct peer;

struct peer_options {
    struct cr_store *server, *background; /* borrowed until peer_free */
    const char *const *server_uris;       /* with certificates; the first for its way to it */
    unsigned server_count;
    const char *listen;    /* ADDR:PORT */
    uint64_t upload_bytes; /* a second; 0 = as many as there are */
    void (*warn)(const char *sentence);
};

/* Make the stores of below; nobody is spoken to yet. Returns 0 or -errno with a sentence. */
int peer_new(const struct peer_options *options, struct peer **ret_peer, struct cr_error *err);

/* The stores with peers in front of them, for a disk. Borrowed. */
struct cr_store *peer_demand(struct peer *peer);
struct cr_store *peer_background(struct peer *peer);

/* Serve `disk` to others and ask them, from now on. Returns 0 or -errno with a sentence. */
int peer_start(struct peer *peer, struct cr_seatdisk *disk, struct cr_error *err);

/* From any thread: wait for no peer any more. */
void peer_interrupt(struct peer *peer);

/* Interrupt everything first. Before the disk is closed; then after it. Both take NULL. */
void peer_stop(struct peer *peer);
void peer_free(struct peer *peer);

/* Zeros for NULL. */
void peer_stat(struct peer *peer, struct cr_peers_stat *ret_peers,
               struct cr_upload_stat *ret_upload);
