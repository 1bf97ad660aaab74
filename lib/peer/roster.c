/* SPDX-License-Identifier: MIT */
#include "lib/peer/roster.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <pthread.h>

#define BUSY_MAX     4U   /* requests to one peer at a time */
#define REST_MS_MIN  500U /* after a failure */
#define REST_MS_MAX  60000U
#define LATE_MAX     2U /* in a row */
#define WRONG_MAX    3U
#define BAN_MS       3600000U
#define BANS_MAX     64U   /* remembered; the oldest are forgotten first */
#define MISSING_MS   3000U /* a peer that fills may have it then */
#define MISSING_SLOT 2048U /* ids remembered; newer ones push out older ones */

struct missing {
    uint64_t hash, since_ms;
};

struct cr_peer {
    struct cr_roster *roster;
    struct cr_peer_place place;
    void *link;
    unsigned references, busy, failures, late, wrong;
    bool named; /* by the tracker's last answer */
    uint64_t rests_until_ms, late_until_ms;
    struct missing missing[MISSING_SLOT];
};

struct ban {
    struct cr_id fingerprint;
    uint64_t until_ms;
};

struct cr_roster {
    const struct cr_peer_ops *ops;
    void *context;
    pthread_mutex_t mutex; /* guards all of it, peers included */
    bool interrupted;
    unsigned count;
    struct cr_peer *peers[CR_PEERS_MAX];
    struct ban bans[BANS_MAX];
    unsigned next_ban;
};

/* --- bans ------------------------------------------------------------------------------------- */

static bool is_banned(const struct cr_roster *roster, const struct cr_id *fingerprint,
                      uint64_t now_ms)
{
    for (unsigned i = 0; i < BANS_MAX; i++)
        if (roster->bans[i].until_ms > now_ms &&
            cr_id_equal(&roster->bans[i].fingerprint, fingerprint))
            return true;
    return false;
}

bool cr_peer_note_wrong(struct cr_peer *peer, uint64_t now_ms, struct cr_id *ret_fingerprint)
{
    struct cr_roster *roster = peer->roster;
    pthread_mutex_lock(&roster->mutex);
    bool banned = ++peer->wrong == WRONG_MAX;
    if (banned)
        roster->bans[roster->next_ban++ % BANS_MAX] =
            (struct ban){peer->place.fingerprint, now_ms + BAN_MS};
    *ret_fingerprint = peer->place.fingerprint;
    pthread_mutex_unlock(&roster->mutex);
    return banned;
}

/* --- who is there ----------------------------------------------------------------------------- */

/* Under the mutex; the link is closed by the last one. Returns a link to close, or NULL. */
static void *peer_drop(struct cr_peer *peer)
{
    if (--peer->references > 0)
        return NULL;
    void *link = peer->link;
    free(peer);
    return link;
}

static bool is_same_place(const struct cr_peer_place *a, const struct cr_peer_place *b)
{
    return cr_id_equal(&a->fingerprint, &b->fingerprint) && a->port == b->port &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static struct cr_peer *peer_find(const struct cr_roster *roster, const struct cr_peer_place *place)
{
    for (unsigned i = 0; i < roster->count; i++)
        if (is_same_place(&roster->peers[i]->place, place))
            return roster->peers[i];
    return NULL;
}

static void peer_add(struct cr_roster *roster, const struct cr_peer_place *place)
{
    struct cr_error err;
    struct cr_peer *peer = cr_calloc(1, sizeof(*peer));
    if (peer == NULL)
        return; /* there are servers */
    peer->roster = roster;
    peer->place = *place;
    peer->references = 1;
    peer->named = true;
    if (roster->ops->open(roster->context, place, &peer->link, &err) < 0)
        free(peer);
    else
        roster->peers[roster->count++] = peer;
}

void cr_roster_update(struct cr_roster *roster, const struct cr_peer_answer *answer,
                      uint64_t now_ms)
{
    void *links[CR_PEERS_MAX];
    unsigned link_count = 0;
    pthread_mutex_lock(&roster->mutex);
    for (unsigned i = 0; i < roster->count; i++)
        roster->peers[i]->named = false;
    for (unsigned i = 0; i < answer->count; i++) {
        struct cr_peer *known = peer_find(roster, &answer->peers[i]);
        if (known != NULL) {
            memcpy(known->place.ticket, answer->peers[i].ticket, sizeof(known->place.ticket));
            known->named = !is_banned(roster, &known->place.fingerprint, now_ms);
        }
    }
    for (unsigned i = roster->count; i-- > 0;) {
        if (roster->peers[i]->named)
            continue;
        if (roster->peers[i]->references > 1) /* what it still sends is not waited for */
            roster->ops->interrupt(roster->peers[i]->link);
        void *link = peer_drop(roster->peers[i]);
        if (link != NULL)
            links[link_count++] = link;
        roster->peers[i] = roster->peers[--roster->count];
    }
    for (unsigned i = 0; i < answer->count && !roster->interrupted; i++)
        if (roster->count < CR_PEERS_MAX && peer_find(roster, &answer->peers[i]) == NULL &&
            !is_banned(roster, &answer->peers[i].fingerprint, now_ms))
            peer_add(roster, &answer->peers[i]);
    pthread_mutex_unlock(&roster->mutex);
    while (link_count > 0)
        roster->ops->close(links[--link_count]);
}

unsigned cr_roster_avoid(struct cr_roster *roster, uint64_t now_ms,
                         struct cr_id out[static CR_PEERS_MAX])
{
    unsigned count = 0;
    pthread_mutex_lock(&roster->mutex);
    for (unsigned i = 0; i < roster->count; i++)
        if (roster->peers[i]->failures > 0 && roster->peers[i]->rests_until_ms > now_ms)
            out[count++] = roster->peers[i]->place.fingerprint;
    for (unsigned i = 0; i < BANS_MAX && count < CR_PEERS_MAX; i++) {
        const struct ban *ban = &roster->bans[(roster->next_ban + BANS_MAX - 1 - i) % BANS_MAX];
        if (ban->until_ms > now_ms)
            out[count++] = ban->fingerprint;
    }
    pthread_mutex_unlock(&roster->mutex);
    return count;
}

/* --- whom to ask ------------------------------------------------------------------------------ */

static bool may_be_asked(const struct cr_roster *roster, const struct cr_peer *peer, bool hurry,
                         uint64_t now_ms)
{
    return peer->busy < BUSY_MAX && peer->rests_until_ms <= now_ms &&
           (!hurry || peer->late_until_ms <= now_ms) &&
           !is_banned(roster, &peer->place.fingerprint, now_ms);
}

unsigned cr_roster_pick(struct cr_roster *roster, unsigned max, bool hurry, uint64_t now_ms,
                        struct cr_peer *out[])
{
    unsigned count = 0;
    pthread_mutex_lock(&roster->mutex);
    while (count < max && !roster->interrupted) {
        struct cr_peer *best = NULL;
        for (unsigned i = 0; i < roster->count; i++) {
            struct cr_peer *peer = roster->peers[i];
            bool taken = false;
            for (unsigned k = 0; k < count; k++)
                taken = taken || out[k] == peer;
            if (!taken && may_be_asked(roster, peer, hurry, now_ms) &&
                (best == NULL || peer->busy < best->busy))
                best = peer;
        }
        if (best == NULL)
            break;
        best->references++;
        out[count++] = best;
    }
    for (unsigned k = 0; k < count; k++)
        out[k]->busy++;
    pthread_mutex_unlock(&roster->mutex);
    return count;
}

static uint64_t rest_ms(unsigned times)
{
    uint64_t ms = REST_MS_MIN;
    for (unsigned i = 1; i < times && ms < REST_MS_MAX; i++)
        ms *= 2;
    return ms < REST_MS_MAX ? ms : REST_MS_MAX;
}

void cr_peer_note_late(struct cr_peer *peer, uint64_t now_ms)
{
    pthread_mutex_lock(&peer->roster->mutex);
    if (++peer->late >= LATE_MAX)
        peer->late_until_ms = now_ms + rest_ms(peer->late - LATE_MAX + 1);
    pthread_mutex_unlock(&peer->roster->mutex);
}

void cr_peer_done(struct cr_peer *peer, enum cr_peer_end end, uint64_t now_ms)
{
    struct cr_roster *roster = peer->roster;
    pthread_mutex_lock(&roster->mutex);
    peer->busy--;
    if (end == CR_PEER_FAILED)
        peer->rests_until_ms = now_ms + rest_ms(++peer->failures);
    else
        peer->failures = 0;
    if (end == CR_PEER_HELPED)
        peer->late = 0, peer->late_until_ms = 0;
    void *link = peer_drop(peer);
    pthread_mutex_unlock(&roster->mutex);
    if (link != NULL)
        roster->ops->close(link);
}

/* --- what it lacks ---------------------------------------------------------------------------- */

static struct missing *missing_slot(struct cr_peer *peer, const struct cr_id *id)
{
    return &peer->missing[cr_id_hash(id) % MISSING_SLOT];
}

void cr_peer_note_missing(struct cr_peer *peer, const struct cr_id *id, uint64_t now_ms)
{
    pthread_mutex_lock(&peer->roster->mutex);
    *missing_slot(peer, id) = (struct missing){cr_id_hash(id), now_ms};
    pthread_mutex_unlock(&peer->roster->mutex);
}

bool cr_peer_lacks(struct cr_peer *peer, const struct cr_id *id, uint64_t now_ms)
{
    pthread_mutex_lock(&peer->roster->mutex);
    const struct missing *slot = missing_slot(peer, id);
    bool lacks =
        slot->hash == cr_id_hash(id) && slot->since_ms > 0 && now_ms - slot->since_ms < MISSING_MS;
    pthread_mutex_unlock(&peer->roster->mutex);
    return lacks;
}

/* --- life ------------------------------------------------------------------------------------- */

int cr_roster_new(const struct cr_peer_ops *ops, void *context, struct cr_roster **ret_roster)
{
    struct cr_roster *roster = cr_calloc(1, sizeof(*roster));
    if (roster == NULL)
        return -ENOMEM;
    roster->ops = ops;
    roster->context = context;
    pthread_mutex_init(&roster->mutex, NULL);
    *ret_roster = roster;
    return 0;
}

void cr_roster_free(struct cr_roster *roster)
{
    if (roster == NULL)
        return;
    for (unsigned i = 0; i < roster->count; i++) {
        void *link = peer_drop(roster->peers[i]);
        if (link != NULL)
            roster->ops->close(link);
    }
    pthread_mutex_destroy(&roster->mutex);
    free(roster);
}

void cr_roster_interrupt(struct cr_roster *roster)
{
    pthread_mutex_lock(&roster->mutex);
    roster->interrupted = true;
    for (unsigned i = 0; i < roster->count; i++)
        roster->ops->interrupt(roster->peers[i]->link);
    pthread_mutex_unlock(&roster->mutex);
}

int cr_peer_ask(struct cr_peer *peer, enum cr_kind kind, const struct cr_id *ids, uint32_t count,
                cr_batch_sink *sink, void *context, struct cr_error *err)
{
    uint8_t ticket[CR_PEER_TICKET_BYTES];
    pthread_mutex_lock(&peer->roster->mutex);
    memcpy(ticket, peer->place.ticket, sizeof(ticket));
    pthread_mutex_unlock(&peer->roster->mutex);
    return peer->roster->ops->ask(peer->link, ticket, kind, ids, count, sink, context, err);
}
