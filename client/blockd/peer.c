/* SPDX-License-Identifier: MIT */
#include "client/blockd/peer.h"

#include "lib/base/mem.h"
#include "lib/peer/wireless.h"
#include "lib/seatcache/share.h"

#include <errno.h>
#include <stdatomic.h>

/* The first reads shall not miss the peers that are there already. */
#define FIRST_ANSWER_MS 300U

struct peer {
    struct cr_server_uri servers[CR_SERVERS_MAX];
    char listen[CR_HOST_BYTES_MAX + 16];
    uint64_t upload_bytes;
    struct cr_peers *peers;
    struct cr_store *demand, *background;
    struct cr_seatdisk *disk;
    struct cr_seatshare *share;
    struct cr_upload *upload;
};

/* --- what lib/peer asks ----------------------------------------------------------------------- */

static void describe(void *context, struct cr_announcement *announcement)
{
    struct peer *peer = context;
    struct cr_seatdisk_stat stat;
    bool wireless = cr_route_is_wireless(&peer->servers[0], CR_SYS_NET);
    cr_upload_allow(peer->upload, !wireless);
    cr_seatdisk_stat(peer->disk, &stat);
    announcement->port = wireless ? 0 : cr_upload_port(peer->upload);
    announcement->chunks = stat.data_chunks;
    announcement->present =
        stat.present_chunks < stat.data_chunks ? stat.present_chunks : stat.data_chunks;
}

static void learned(void *context, const uint8_t key[static CR_TICKET_KEY_BYTES], uint64_t now_s)
{
    struct peer *peer = context;
    cr_upload_learn(peer->upload, key, now_s);
}

static int chunk_give(void *context, const struct cr_id *id, uint8_t *plain, size_t *ret_len)
{
    struct peer *peer = context;
    return cr_seatshare_chunk(peer->share, id, plain, ret_len);
}

static int segment_give(void *context, const struct cr_id *id, struct cr_buf *frame)
{
    struct peer *peer = context;
    return cr_seatshare_segment(peer->share, id, frame);
}

/* --- life ------------------------------------------------------------------------------------- */

int peer_new(const struct peer_options *options, struct peer **ret_peer, struct cr_error *err)
{
    struct peer *peer = cr_calloc(1, sizeof(*peer));
    if (peer == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot speak to peers");
    const struct cr_peers_options peers = {
        .servers = peer->servers,
        .server_count = options->server_count,
        .context = peer,
        .describe = describe,
        .learned = learned,
        .warn = options->warn,
    };
    peer->upload_bytes = options->upload_bytes;
    snprintf(peer->listen, sizeof(peer->listen), "%s", options->listen);
    int r = 0;
    bool has_certs = true;
    for (unsigned i = 0; i < options->server_count && r == 0; i++) {
        r = cr_server_uri_parse(options->server_uris[i], &peer->servers[i], err);
        has_certs = has_certs && peer->servers[i].tls && peer->servers[i].pki[0] != '\0';
    }
    if (r == 0 && !has_certs)
        r = cr_error_set(err, -EINVAL,
                         "peers know each other by their certificates: name a server with https:// "
                         "and give '--pki DIR'");
    if (r == 0)
        r = cr_peers_new(&peers, &peer->peers, err);
    if (r == 0 &&
        (cr_peers_store(peer->peers, options->server, CR_HEDGE_DEMAND_MS, &peer->demand) < 0 ||
         cr_peers_store(peer->peers, options->background, CR_HEDGE_BACKGROUND_MS,
                        &peer->background) < 0))
        r = cr_error_errno(err, -ENOMEM, "cannot speak to peers");
    if (r < 0) {
        peer_free(peer);
        return r;
    }
    *ret_peer = peer;
    return 0;
}

int peer_start(struct peer *peer, struct cr_seatdisk *disk, struct cr_error *err)
{
    const struct cr_upload_options upload = {
        .listen = peer->listen,
        .pki = peer->servers[0].pki,
        .root = cr_version_info(cr_seatdisk_version(disk))->root,
        .source = {.context = peer, .chunk = chunk_give, .segment = segment_give},
        .bytes_a_second = peer->upload_bytes,
    };
    peer->disk = disk;
    int r = cr_seatshare_new(disk, &peer->share);
    if (r < 0)
        return cr_error_errno(err, r, "cannot serve peers");
    r = cr_upload_start(&upload, &peer->upload, err);
    if (r == 0)
        r = cr_peers_start(peer->peers, &upload.root, err);
    if (r == 0)
        cr_peers_wait(peer->peers, FIRST_ANSWER_MS);
    return r;
}

struct cr_store *peer_demand(struct peer *peer)
{
    return peer->demand;
}

struct cr_store *peer_background(struct peer *peer)
{
    return peer->background;
}

void peer_interrupt(struct peer *peer)
{
    cr_peers_interrupt(peer->peers);
}

void peer_stop(struct peer *peer)
{
    if (peer == NULL)
        return;
    cr_peers_quit(peer->peers);
    cr_upload_stop(TAKE_PTR(peer->upload));
    cr_seatshare_free(TAKE_PTR(peer->share));
}

void peer_free(struct peer *peer)
{
    if (peer == NULL)
        return;
    cr_store_close(peer->demand);
    cr_store_close(peer->background);
    cr_peers_free(peer->peers);
    free(peer);
}

void peer_stat(struct peer *peer, struct cr_peers_stat *ret_peers,
               struct cr_upload_stat *ret_upload)
{
    *ret_peers = (struct cr_peers_stat){0};
    *ret_upload = (struct cr_upload_stat){0};
    if (peer == NULL)
        return;
    cr_peers_stat(peer->peers, ret_peers);
    if (peer->upload != NULL)
        cr_upload_stat(peer->upload, ret_upload);
}
