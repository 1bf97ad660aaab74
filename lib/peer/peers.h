/* SPDX-License-Identifier: MIT */
/*
 * A seat among its peers: it announces itself to the server, learns whom it may ask, and is a store
 * in front of the server's that asks them first. Start here.
 *
 *      seatdisk ─▶ store of cr_peers_store ─▶ fetch.h ──┬─▶ link.h ─▶ upload.h of another seat
 *                                                       └─▶ the server's store
 *      thread: announce ─▶ tracker of the server ─▶ roster.h
 */
#pragma once

#include "lib/net/uri.h"
#include "lib/peer/fetch.h"

struct cr_peers;

struct cr_peers_options {
    /* Whose trackers are asked, 1 to CR_SERVERS_MAX, all with the certificates of the first: seats
     * of one subnet may prefer different ones. */
    const struct cr_server_uri *servers;
    unsigned server_count;
    void *context; /* of the calls below, from a thread of ours */
    /* What the next announcement says of us: port, present, chunks. */
    void (*describe)(void *context, struct cr_announcement *announcement);
    /* A key of tickets that others may show us, and the server's clock. May be NULL. */
    void (*learned)(void *context, const uint8_t key[static CR_TICKET_KEY_BYTES], uint64_t now_s);
    /* One sentence: a peer was banned. May be NULL. */
    void (*warn)(const char *sentence);
};

/* A seat without peers, until it is started. The options are copied. Returns 0 or -errno with a
 * sentence. */
int cr_peers_new(const struct cr_peers_options *options, struct cr_peers **ret_peers,
                 struct cr_error *err);

/* Begin to announce that the version `root` is read. Returns 0 or -errno with a sentence. */
int cr_peers_start(struct cr_peers *peers, const struct cr_id *root, struct cr_error *err);

/* Wait until the server has answered an announcement or failed to, at most `ms`. */
void cr_peers_wait(struct cr_peers *peers, unsigned ms);

/* From any thread: whatever waits for peers ends soon; the server's store is the caller's. */
void cr_peers_interrupt(struct cr_peers *peers);

/* Interrupt, and announce no more: nothing of the options is called from here on. */
void cr_peers_quit(struct cr_peers *peers);

/* After its stores were closed, and the server's interrupted. Takes NULL. */
void cr_peers_free(struct cr_peers *peers);

/*
 * A store that asks peers for chunks and segments and hedges to `inner`, borrowed, after
 * `hedge_ms`; all else goes to `inner`. Returns 0 or -ENOMEM.
 */
#define CR_HEDGE_DEMAND_MS     50U
#define CR_HEDGE_BACKGROUND_MS 500U
int cr_peers_store(struct cr_peers *peers, struct cr_store *inner, unsigned hedge_ms,
                   struct cr_store **ret_store);

struct cr_peers_stat {
    struct cr_peerfetch_stat fetched;
    uint64_t announcements, banned, reported;
};
void cr_peers_stat(struct cr_peers *peers, struct cr_peers_stat *ret_stat);
