/* SPDX-License-Identifier: MIT */
/*
 * The peers that a seat may ask, and what it has learned of each: who is at work for us, who does
 * not answer, who lacks which chunk, who has sent wrong bytes. Decides whom to ask next. The clock
 * is the caller's (monotonic, ms, above 0); thread-safe.
 *
 *      answers in time ........ asked again, the least busy first
 *      fails .................. rests: 0.5 s, then twice as long each time, up to a minute
 *      late twice ............. likewise for those who are in a hurry
 *      wrong bytes, 3 times ... banned for an hour, and reported
 */
#pragma once

#include "lib/net/batch.h"
#include "lib/peer/announce.h"

struct cr_roster;
struct cr_peer; /* counted: who was given one returns it with cr_peer_done */

/* How a peer is reached. cr_peerlink_ops (link.h) is the real one. */
struct cr_peer_ops {
    int (*open)(void *context, const struct cr_peer_place *place, void **ret_link,
                struct cr_error *err);
    void (*close)(void *link);
    /*
     * Ask once for `count` objects; `sink` as of a batch reader. `ticket` has CR_PEER_TICKET_BYTES.
     * Returns 0, -EBADMSG when the answer was broken, another -errno when there was none, or what
     * the sink returned.
     */
    int (*ask)(void *link, const uint8_t *ticket, enum cr_kind kind, const struct cr_id *ids,
               uint32_t count, cr_batch_sink *sink, void *context, struct cr_error *err);
    /* From any thread: what is under way ends soon, and nothing begins. */
    void (*interrupt)(void *link);
};

int cr_roster_new(const struct cr_peer_ops *ops, void *context, struct cr_roster **ret_roster);
/* No peer may be in anyone's hands. Takes NULL. */
void cr_roster_free(struct cr_roster *roster);
void cr_roster_interrupt(struct cr_roster *roster);

/* What the tracker said: new peers come, old ones get new tickets, those not named go. */
void cr_roster_update(struct cr_roster *roster, const struct cr_peer_answer *answer,
                      uint64_t now_ms);

/*
 * Up to `max` different peers that may be asked now, the least busy first; each is busy with one
 * more request until cr_peer_done. In a hurry, none that was late. Returns how many.
 */
unsigned cr_roster_pick(struct cr_roster *roster, unsigned max, bool hurry, uint64_t now_ms,
                        struct cr_peer *out[]);

/* Peers that the tracker shall not name now: those that rest after a failure, and banned ones. */
unsigned cr_roster_avoid(struct cr_roster *roster, uint64_t now_ms,
                         struct cr_id out[static CR_PEERS_MAX]);

/* As ops.ask, with the ticket of now. */
int cr_peer_ask(struct cr_peer *peer, enum cr_kind kind, const struct cr_id *ids, uint32_t count,
                cr_batch_sink *sink, void *context, struct cr_error *err);

/* It has no such object, or had none a short while ago. */
void cr_peer_note_missing(struct cr_peer *peer, const struct cr_id *id, uint64_t now_ms);
bool cr_peer_lacks(struct cr_peer *peer, const struct cr_id *id, uint64_t now_ms);

/* It has sent wrong bytes. True, with who it is, when it is banned for it, now. */
bool cr_peer_note_wrong(struct cr_peer *peer, uint64_t now_ms, struct cr_id *ret_fingerprint);

/* Somebody else was asked later, and has answered first. */
void cr_peer_note_late(struct cr_peer *peer, uint64_t now_ms);

/* The request that it was picked for is over: did it bring something that was still wanted? */
enum cr_peer_end { CR_PEER_HELPED, CR_PEER_ANSWERED, CR_PEER_FAILED };
void cr_peer_done(struct cr_peer *peer, enum cr_peer_end end, uint64_t now_ms);
