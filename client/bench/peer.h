/* SPDX-License-Identifier: MIT */
/* --peers: a simulated seat among the others, with what a seat uses for it (lib/peer). */
#pragma once

#include "client/bench/seat.h"
#include "lib/peer/peers.h"
#include "lib/peer/upload.h"

struct peer_totals {
    struct cr_peers_stat asked;
    struct cr_upload_stat served;
};

/*
 * Put peers in front of the seat's store; `pki` is its folder of certificates, the server's URI has
 * it too. Nobody is spoken to yet. Returns 0 or -errno with a sentence.
 */
int peer_new(struct seat *seat, const char *server_uri, struct peer **ret_peer,
             struct cr_error *err);

/* The store with peers in front. Borrowed. */
struct cr_store *peer_store(struct peer *peer);

/* Serve others and ask them, from now on. Returns 0 or -errno with a sentence. */
int peer_start(struct peer *peer, struct cr_error *err);

/* From any thread: nobody is waited for any more. */
void peer_interrupt(struct peer *peer);

/* After the seat's server was interrupted. Takes NULL. */
void peer_free(struct peer *peer);

/* Add what it did. */
void peer_add(struct peer *peer, struct peer_totals *totals);
