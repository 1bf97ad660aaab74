/* SPDX-License-Identifier: MIT */
#include "client/bench/peer.h"

#include "lib/base/mem.h"

#include <errno.h>

/* As blockd: the first reads shall not miss the peers that are there already. */
#define FIRST_ANSWER_MS 300U

struct peer {
    struct seat *seat;
    struct cr_server_uri server;
    struct cr_peers *peers;
    struct cr_store *store;
    struct cr_upload *upload;
};

/* --- what lib/peer asks ----------------------------------------------------------------------- */

static void describe(void *context, struct cr_announcement *announcement)
{
    struct peer *peer = context;
    const struct cr_version_info *info = &peer->seat->storm->plan->info;
    announcement->port = cr_upload_port(peer->upload);
    announcement->chunks = info->data_bytes / CR_CHUNK_BYTES;
    announcement->present = seat_present(peer->seat);
}

static void learned(void *context, const uint8_t key[static CR_TICKET_KEY_BYTES], uint64_t now_s)
{
    struct peer *peer = context;
    cr_upload_learn(peer->upload, key, now_s);
}

static int chunk_give(void *context, const struct cr_id *id, uint8_t *plain, size_t *ret_len)
{
    struct peer *peer = context;
    return seat_give_chunk(peer->seat, id, plain, ret_len);
}

static int segment_give(void *context, const struct cr_id *id, struct cr_buf *frame)
{
    struct peer *peer = context;
    return seat_give_segment(peer->seat, id, frame);
}

/* --- life ------------------------------------------------------------------------------------- */

int peer_new(struct seat *seat, const char *server_uri, struct peer **ret_peer,
             struct cr_error *err)
{
    struct peer *peer = cr_calloc(1, sizeof(*peer));
    if (peer == NULL)
        return cr_error_errno(err, -ENOMEM, "make a seat");
    const struct cr_peers_options options = {.servers = &peer->server,
                                             .server_count = 1,
                                             .context = peer,
                                             .describe = describe,
                                             .learned = learned};
    peer->seat = seat;
    int r = cr_server_uri_parse(server_uri, &peer->server, err);
    if (r == 0 && !peer->server.tls)
        r = cr_error_set(err, -EINVAL,
                         "'--peers' needs a server that asks for certificates, https://HOST:PORT");
    if (r == 0)
        r = cr_peers_new(&options, &peer->peers, err);
    if (r == 0 && cr_peers_store(peer->peers, seat->store, CR_HEDGE_DEMAND_MS, &peer->store) < 0)
        r = cr_error_errno(err, -ENOMEM, "make a seat");
    if (r < 0) {
        peer_free(peer);
        return r;
    }
    *ret_peer = peer;
    return 0;
}

struct cr_store *peer_store(struct peer *peer)
{
    return peer->store;
}

int peer_start(struct peer *peer, struct cr_error *err)
{
    const struct cr_upload_options upload = {
        .listen = "*:0",
        .pki = peer->server.pki,
        .root = peer->seat->storm->plan->info.root,
        .source = {.context = peer, .chunk = chunk_give, .segment = segment_give},
    };
    int r = cr_upload_start(&upload, &peer->upload, err);
    if (r < 0)
        return r;
    cr_upload_allow(peer->upload, true);
    r = cr_peers_start(peer->peers, &upload.root, err);
    if (r == 0)
        cr_peers_wait(peer->peers, FIRST_ANSWER_MS);
    return r;
}

void peer_interrupt(struct peer *peer)
{
    cr_peers_interrupt(peer->peers);
}

void peer_free(struct peer *peer)
{
    if (peer == NULL)
        return;
    if (peer->peers != NULL)
        cr_peers_quit(peer->peers);
    cr_upload_stop(peer->upload);
    cr_store_close(peer->store);
    cr_peers_free(peer->peers);
    free(peer);
}

void peer_add(struct peer *peer, struct peer_totals *totals)
{
    struct cr_peers_stat asked;
    struct cr_upload_stat served = {0};
    cr_peers_stat(peer->peers, &asked);
    if (peer->upload != NULL)
        cr_upload_stat(peer->upload, &served);
    totals->asked.fetched.peer_objects += asked.fetched.peer_objects;
    totals->asked.fetched.peer_bytes += asked.fetched.peer_bytes;
    totals->asked.fetched.hedged += asked.fetched.hedged;
    totals->asked.fetched.wrong += asked.fetched.wrong;
    totals->asked.banned += asked.banned;
    totals->served.objects += served.objects;
    totals->served.bytes += served.bytes;
    totals->served.refused += served.refused;
}
