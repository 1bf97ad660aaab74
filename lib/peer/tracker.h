/* SPDX-License-Identifier: MIT */
/*
 * Who holds what: the seats that announced themselves lately, in groups of one version and one
 * subnet, and which three of them a seat is told to ask. Owns no socket and no clock; thread-safe.
 *
 * Seats of a room that start together shall cost the server one copy, not one each. So a group is a
 * tree: the first seat asks the server, the next ones ask seats of the layer above, and whoever is
 * asked for a chunk that it lacks fetches it first (upload.h). A seat only ever asks seats that
 * came before it, or that are complete, so nobody waits in a circle.
 *
 *      server ── 1 seat ── 3 seats ── 9 seats ── 27 seats ...     each feeds at most three copies
 */
#pragma once

#include "lib/peer/announce.h"

struct cr_tracker;

struct cr_tracker_options {
    unsigned subnet_bits_4, subnet_bits_6; /* of an address; 24 and 64 are usual */
};

/* Returns 0 or -ENOMEM. */
int cr_tracker_new(const struct cr_tracker_options *options, struct cr_tracker **ret_tracker);
/* Takes NULL. */
void cr_tracker_free(struct cr_tracker *tracker);

/* Who speaks, as the connection shows it. */
struct cr_tracker_seat {
    struct cr_id fingerprint;
    uint8_t address[16]; /* IPv6, or mapped IPv4 */
};

/* An announcement is forgotten when it was not repeated for so long. */
#define CR_TRACKER_FORGET_MS 90000U

/*
 * Take an announcement and choose peers for its seat: those that it was told before as long as they
 * are there, others when it avoids them. Fills `answer`'s count, peers (without tickets) and
 * next_ms. Returns 0, -ENOMEM, or -ENOSPC: too many announcements, by this seat or in all.
 */
int cr_tracker_announce(struct cr_tracker *tracker, const struct cr_tracker_seat *seat,
                        const struct cr_announcement *announcement, uint64_t now_ms,
                        struct cr_peer_answer *answer);

/*
 * A seat reports one of its group. Reported by three different ones, a seat is told to nobody for
 * an hour. Returns 0, or -ENOENT when reporter or reported are not known.
 */
int cr_tracker_report(struct cr_tracker *tracker, const struct cr_tracker_seat *reporter,
                      const struct cr_peer_report *report, uint64_t now_ms);

struct cr_tracker_stat {
    uint64_t seats; /* announced now; a seat counts once a version */
    uint64_t announcements, reports;
};
void cr_tracker_stat(struct cr_tracker *tracker, uint64_t now_ms, struct cr_tracker_stat *ret_stat);
