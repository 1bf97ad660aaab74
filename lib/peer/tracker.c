/* SPDX-License-Identifier: MIT */
#include "lib/peer/tracker.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <pthread.h>

#define BUCKETS        1024U
#define SHARES         8192U /* counters of announcements by seat; seats may share one */
#define SHUN_MS        3600000U
#define SWEEP_MS       30000U
#define NEXT_MS        30000U /* to the next announcement */
#define NEXT_MS_HUNGRY 5000U  /* the same for a seat that could use more peers */

/* What a seat feeds: a copy is 6 units, so that a third of one is a whole number. */
#define COPY_UNITS 6U
#define LOAD_MAX   (3 * COPY_UNITS)

struct seat {
    struct cr_tracker_seat who;
    uint64_t order; /* of arrival in the group */
    uint64_t heard_ms;
    uint64_t shunned_until_ms;
    uint16_t port;
    uint64_t present;
    bool complete;
    unsigned layer; /* 0 asks the server, or nobody */
    unsigned load;  /* units that it feeds */
    unsigned peer_count, reporter_count;
    struct seat *peers[CR_PEERS_MAX];
    struct cr_id reporters[CR_PEERS_MAX];
};

/* The seats of one version and subnet. */
struct group {
    struct group *next; /* in its bucket */
    struct cr_id root;
    uint8_t subnet[16];
    uint64_t arrivals;
    size_t count, room;
    struct seat **seats; /* owned, each too */
};

struct cr_tracker {
    struct cr_tracker_options options;
    pthread_mutex_t mutex;
    struct group *buckets[BUCKETS];
    uint16_t shares[SHARES];
    uint64_t seats, announcements, reports, swept_ms;
};

/* --- groups ----------------------------------------------------------------------------------- */

static bool is_mapped(const uint8_t address[static 16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static void subnet_of(const struct cr_tracker *tracker, const uint8_t address[static 16],
                      uint8_t out[static 16])
{
    unsigned bits =
        is_mapped(address) ? 96 + tracker->options.subnet_bits_4 : tracker->options.subnet_bits_6;
    memcpy(out, address, 16);
    for (unsigned bit = bits; bit < 128; bit++)
        out[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
}

static struct group **bucket_of(struct cr_tracker *tracker, const struct cr_id *root)
{
    return &tracker->buckets[cr_id_hash(root) % BUCKETS];
}

static struct group *group_find(struct cr_tracker *tracker, const struct cr_id *root,
                                const uint8_t address[static 16], bool make)
{
    uint8_t subnet[16];
    struct group **bucket = bucket_of(tracker, root), *group = *bucket;
    subnet_of(tracker, address, subnet);
    while (group != NULL &&
           (!cr_id_equal(&group->root, root) || memcmp(group->subnet, subnet, 16) != 0))
        group = group->next;
    if (group != NULL || !make)
        return group;
    group = cr_calloc(1, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->root = *root;
    memcpy(group->subnet, subnet, sizeof(subnet));
    group->next = *bucket;
    return *bucket = group;
}

static struct seat *seat_find(const struct group *group, const struct cr_id *fingerprint)
{
    for (size_t i = 0; i < group->count; i++)
        if (cr_id_equal(&group->seats[i]->who.fingerprint, fingerprint))
            return group->seats[i];
    return NULL;
}

static uint16_t *share_of(struct cr_tracker *tracker, const struct cr_id *fingerprint)
{
    return &tracker->shares[cr_id_hash(fingerprint) % SHARES];
}

static int seat_add(struct cr_tracker *tracker, struct group *group,
                    const struct cr_tracker_seat *who, struct seat **ret_seat)
{
    uint16_t *share = share_of(tracker, &who->fingerprint);
    if (tracker->seats >= CR_TRACKER_SEATS_MAX || *share >= CR_TRACKER_SHARE_MAX)
        return -ENOSPC;
    if (group->count == group->room) {
        size_t room = group->room == 0 ? 8 : 2 * group->room;
        struct seat **seats = realloc(group->seats, room * sizeof(seats[0]));
        if (seats == NULL)
            return -ENOMEM;
        group->seats = seats;
        group->room = room;
    }
    struct seat *seat = cr_calloc(1, sizeof(*seat));
    if (seat == NULL)
        return -ENOMEM;
    seat->who = *who;
    seat->order = group->arrivals++;
    group->seats[group->count++] = seat;
    tracker->seats++;
    (*share)++;
    *ret_seat = seat;
    return 0;
}

/* --- who asks whom ---------------------------------------------------------------------------- */

static bool is_here(const struct seat *seat, uint64_t now_ms)
{
    return now_ms - seat->heard_ms < CR_TRACKER_FORGET_MS;
}

/* What `seat` costs each of its peers. A complete seat asks for nothing any more. */
static unsigned cost_of(const struct seat *seat)
{
    return seat->complete || seat->peer_count == 0 ? 0 : COPY_UNITS / seat->peer_count;
}

/* Loads follow from who asks whom. Groups are rooms: counting anew is cheap and never drifts. */
static void loads_count(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        group->seats[i]->load = 0;
    for (size_t i = 0; i < group->count; i++)
        for (unsigned k = 0; k < group->seats[i]->peer_count; k++)
            group->seats[i]->peers[k]->load += cost_of(group->seats[i]);
}

static void peer_drop(struct seat *seat, unsigned k)
{
    seat->peers[k] = seat->peers[--seat->peer_count];
}

/* Forget who has gone. Somebody who is shunned is remembered for as long as that lasts. */
static void group_sweep(struct cr_tracker *tracker, struct group *group, uint64_t now_ms)
{
    for (size_t i = 0; i < group->count; i++) {
        struct seat *seat = group->seats[i];
        for (unsigned k = seat->peer_count; k-- > 0;)
            if (!is_here(seat->peers[k], now_ms))
                peer_drop(seat, k);
    }
    size_t kept = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct seat *seat = group->seats[i];
        if (is_here(seat, now_ms) || seat->shunned_until_ms > now_ms) {
            group->seats[kept++] = seat;
            continue;
        }
        (*share_of(tracker, &seat->who.fingerprint))--;
        tracker->seats--;
        free(seat);
    }
    group->count = kept;
}

/* Groups that nobody speaks to any more. */
static void tracker_sweep(struct cr_tracker *tracker, uint64_t now_ms)
{
    if (now_ms - tracker->swept_ms < SWEEP_MS)
        return;
    tracker->swept_ms = now_ms;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct group **at = &tracker->buckets[i]; *at != NULL;) {
            struct group *group = *at;
            group_sweep(tracker, group, now_ms);
            if (group->count > 0) {
                at = &group->next;
                continue;
            }
            *at = group->next;
            free(group->seats);
            free(group);
        }
    }
}

static bool is_among(const struct cr_id *id, const struct cr_id *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (cr_id_equal(id, &list[i]))
            return true;
    return false;
}

static bool has_peer(const struct seat *seat, const struct seat *peer)
{
    for (unsigned k = 0; k < seat->peer_count; k++)
        if (seat->peers[k] == peer)
            return true;
    return false;
}

/* Could `seat` ask `peer`, whatever that one has to do already? */
static bool may_ask(const struct seat *seat, const struct seat *peer,
                    const struct cr_announcement *said, uint64_t now_ms)
{
    return peer != seat && peer->port != 0 && is_here(peer, now_ms) &&
           peer->shunned_until_ms <= now_ms && (peer->complete || peer->order < seat->order) &&
           !is_among(&peer->who.fingerprint, said->avoid, said->avoid_count);
}

/* Complete seats stand beside the server. */
static unsigned layer_of(const struct seat *peer)
{
    return peer->complete ? 0 : peer->layer;
}

static bool is_better(const struct seat *a, const struct seat *b)
{
    if (b == NULL || layer_of(a) != layer_of(b))
        return b == NULL || layer_of(a) < layer_of(b);
    if (a->load != b->load)
        return a->load < b->load;
    return a->present != b->present ? a->present > b->present : a->order < b->order;
}

/*
 * The best peer that has room for one more. All that a seat is told at once are of one layer, the
 * highest with room, and later ones never of a lower one: the tree stays flat.
 */
static struct seat *peer_choose(struct group *group, const struct seat *seat, unsigned layer_max,
                                const struct cr_announcement *said, uint64_t now_ms)
{
    struct seat *best = NULL;
    for (size_t i = 0; i < group->count; i++) {
        struct seat *peer = group->seats[i];
        if (may_ask(seat, peer, said, now_ms) && !has_peer(seat, peer) && peer->load < LOAD_MAX &&
            layer_of(peer) <= layer_max && is_better(peer, best))
            best = peer;
    }
    return best;
}

static void peers_choose(struct group *group, struct seat *seat, const struct cr_announcement *said,
                         uint64_t now_ms)
{
    for (unsigned k = seat->peer_count; k-- > 0;)
        if (!may_ask(seat, seat->peers[k], said, now_ms))
            peer_drop(seat, k);
    unsigned layer_max = seat->peer_count > 0 ? seat->layer - 1 : UINT32_MAX;
    loads_count(group);
    while (!seat->complete && seat->peer_count < CR_PEERS_MAX) {
        struct seat *peer = peer_choose(group, seat, layer_max, said, now_ms);
        if (peer == NULL)
            break;
        layer_max = layer_of(peer);
        seat->peers[seat->peer_count++] = peer;
    }
    seat->layer = 0;
    for (unsigned k = 0; k < seat->peer_count; k++)
        if (layer_of(seat->peers[k]) >= seat->layer)
            seat->layer = layer_of(seat->peers[k]) + 1;
    loads_count(group);
}

/* --- what is said ----------------------------------------------------------------------------- */

static void answer_fill(const struct seat *seat, struct cr_peer_answer *answer)
{
    answer->count = seat->peer_count;
    answer->next_ms = seat->complete || seat->peer_count == CR_PEERS_MAX ? NEXT_MS : NEXT_MS_HUNGRY;
    for (unsigned k = 0; k < seat->peer_count; k++) {
        const struct seat *peer = seat->peers[k];
        struct cr_peer_place *place = &answer->peers[k];
        memcpy(place->address, peer->who.address, sizeof(place->address));
        place->port = peer->port;
        place->present = peer->present;
        place->fingerprint = peer->who.fingerprint;
    }
}

static int announce(struct cr_tracker *tracker, const struct cr_tracker_seat *who,
                    const struct cr_announcement *said, uint64_t now_ms,
                    struct cr_peer_answer *answer)
{
    tracker_sweep(tracker, now_ms);
    struct group *group = group_find(tracker, &said->root, who->address, true);
    if (group == NULL)
        return -ENOMEM;
    group_sweep(tracker, group, now_ms);
    struct seat *seat = seat_find(group, &who->fingerprint);
    int r = seat == NULL ? seat_add(tracker, group, who, &seat) : 0;
    if (r < 0)
        return r;
    tracker->announcements++;
    memcpy(seat->who.address, who->address, sizeof(who->address));
    seat->heard_ms = now_ms;
    seat->port = said->port;
    seat->present = said->present;
    seat->complete = cr_announcement_complete(said);
    peers_choose(group, seat, said, now_ms);
    answer_fill(seat, answer);
    return 0;
}

int cr_tracker_announce(struct cr_tracker *tracker, const struct cr_tracker_seat *seat,
                        const struct cr_announcement *announcement, uint64_t now_ms,
                        struct cr_peer_answer *answer)
{
    pthread_mutex_lock(&tracker->mutex);
    int r = announce(tracker, seat, announcement, now_ms, answer);
    pthread_mutex_unlock(&tracker->mutex);
    return r;
}

static int report_take(struct cr_tracker *tracker, const struct cr_tracker_seat *reporter,
                       const struct cr_peer_report *report, uint64_t now_ms)
{
    struct group *group = group_find(tracker, &report->root, reporter->address, false);
    const struct seat *from = group == NULL ? NULL : seat_find(group, &reporter->fingerprint);
    struct seat *about = group == NULL ? NULL : seat_find(group, &report->fingerprint);
    tracker->reports++;
    if (from == NULL || about == NULL || from == about)
        return -ENOENT;
    if (is_among(&reporter->fingerprint, about->reporters, about->reporter_count))
        return 0;
    about->reporters[about->reporter_count++] = reporter->fingerprint;
    if (about->reporter_count == CR_PEERS_MAX) {
        about->shunned_until_ms = now_ms + SHUN_MS;
        about->reporter_count = 0;
    }
    return 0;
}

int cr_tracker_report(struct cr_tracker *tracker, const struct cr_tracker_seat *reporter,
                      const struct cr_peer_report *report, uint64_t now_ms)
{
    pthread_mutex_lock(&tracker->mutex);
    int r = report_take(tracker, reporter, report, now_ms);
    pthread_mutex_unlock(&tracker->mutex);
    return r;
}

/* --- life ------------------------------------------------------------------------------------- */

int cr_tracker_new(const struct cr_tracker_options *options, struct cr_tracker **ret_tracker)
{
    struct cr_tracker *tracker = cr_calloc(1, sizeof(*tracker));
    if (tracker == NULL)
        return -ENOMEM;
    tracker->options = *options;
    pthread_mutex_init(&tracker->mutex, NULL);
    *ret_tracker = tracker;
    return 0;
}

void cr_tracker_free(struct cr_tracker *tracker)
{
    if (tracker == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (tracker->buckets[i] != NULL) {
            struct group *group = tracker->buckets[i];
            tracker->buckets[i] = group->next;
            for (size_t k = 0; k < group->count; k++)
                free(group->seats[k]);
            free(group->seats);
            free(group);
        }
    }
    pthread_mutex_destroy(&tracker->mutex);
    free(tracker);
}

void cr_tracker_stat(struct cr_tracker *tracker, uint64_t now_ms, struct cr_tracker_stat *ret_stat)
{
    pthread_mutex_lock(&tracker->mutex);
    tracker_sweep(tracker, now_ms);
    *ret_stat = (struct cr_tracker_stat){
        .seats = tracker->seats,
        .announcements = tracker->announcements,
        .reports = tracker->reports,
    };
    pthread_mutex_unlock(&tracker->mutex);
}
