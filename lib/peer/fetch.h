/* SPDX-License-Identifier: MIT */
/*
 * Objects from peers, hedged to the server: the first right answer wins.
 *
 *      ids ──┬── peer A, peer B, peer C: a part each ──┐
 *            │                                         ├─▶ verified ─▶ sink
 *            └── the server: at once for what no peer ─┘
 *                is there or has, after `hedge_ms` for
 *                what no peer has answered
 *
 * What a peer sends is verified here, so wrong bytes only cost the time until the server answers.
 */
#pragma once

#include "lib/peer/roster.h"
#include "lib/store/store.h"

struct cr_peerfetch;

struct cr_peerfetch_stat {
    uint64_t peer_objects, peer_bytes; /* that came from peers first, and were right */
    uint64_t hedged;                   /* objects that the server was asked for after the delay */
    uint64_t wrong;                    /* frames of peers that did not verify */
};

/*
 * `roster` is borrowed. `banned` is told of a peer that was just banned; may be NULL. Returns 0 or
 * -errno.
 */
int cr_peerfetch_new(struct cr_roster *roster,
                     void (*banned)(void *context, const struct cr_id *fingerprint), void *context,
                     struct cr_peerfetch **ret_fetch);
/* Waits for requests under way: interrupt roster and stores first. Takes NULL. */
void cr_peerfetch_free(struct cr_peerfetch *fetch);

/*
 * As chunks_get of `inner` (CR_CHUNK), or one object of another kind. `inner` is the server's
 * store; it may still be asked after the return, until cr_peerfetch_free.
 */
int cr_peerfetch_get(struct cr_peerfetch *fetch, struct cr_store *inner, unsigned hedge_ms,
                     enum cr_kind kind, const struct cr_id *ids, size_t count, cr_frame_sink *sink,
                     void *context, struct cr_error *err);

void cr_peerfetch_stat(const struct cr_peerfetch *fetch, struct cr_peerfetch_stat *ret_stat);
