/* SPDX-License-Identifier: MIT */
#include "client/blockd/seat.h"

#include "client/blockd/seat_trust.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/several.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

/* A server's URI with the settings that stand beside it, for the caller to free. */
static int uri_make(const struct seat_settings *settings, const char *server, char **ret_uri,
                    struct cr_error *err)
{
    struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX);
    int r = cr_buf_append(&uri, server, strlen(server));
    if (r == 0 && settings->pki != NULL)
        r = cr_server_uri_add(&uri, "pki", settings->pki);
    if (r == 0)
        r = cr_buf_append(&uri, "", 1);
    if (r < 0)
        cr_buf_done(&uri);
    *ret_uri = (char *)uri.data;
    return r < 0 ? cr_error_errno(err, r, "server '%.200s'", server) : 0;
}

static int uris_make(const struct seat_settings *settings, char *uris[static CR_SERVERS_MAX],
                     struct cr_error *err)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < settings->server_count; i++)
        r = uri_make(settings, settings->servers[i], &uris[i], err);
    return r;
}

static void uris_free(char *uris[static CR_SERVERS_MAX])
{
    for (unsigned i = 0; i < CR_SERVERS_MAX; i++)
        free(uris[i]);
}

/* A store on the servers, with connections of its own. */
static int store_open(const struct seat_settings *settings, unsigned patience_s,
                      struct cr_store *_Atomic *ret_store, struct cr_error *err)
{
    const struct cr_several_options options = {.patience_s = patience_s};
    char *uris[CR_SERVERS_MAX] = {NULL};
    struct cr_store *store = NULL;
    int r = uris_make(settings, uris, err);
    if (r == 0)
        r = cr_several_open((const char *const *)uris, settings->server_count, &options, &store,
                            err);
    if (r == 0)
        *ret_store = store;
    uris_free(uris);
    return r;
}

/* A seat that has verified its version before starts without a server after this long. */
#define TRUST_PATIENCE_S 10U

/* Find the version in signed metadata, brought up to date as far as the server lets us. */
static int trust_ask(struct seat *seat, const struct seat_settings *settings,
                     struct cr_version_info *ret_info, struct cr_ref *ret_ref, struct cr_error *err)
{
    unsigned patience_s =
        settings->patience_s < TRUST_PATIENCE_S ? settings->patience_s : TRUST_PATIENCE_S;
    int r = store_open(settings, patience_s, &seat->trust, err);
    return r < 0 ? r : seat_trust_resolve(settings, seat->trust, ret_info, ret_ref, err);
}

static uint64_t background_received(void *context)
{
    struct seat *seat = context;
    struct cr_https_stat stat;
    struct cr_peers_stat peers;
    struct cr_upload_stat upload;
    cr_several_total(seat->background, &stat);
    peer_stat(seat->peer, &peers, &upload);
    return stat.bytes_received + peers.fetched.peer_bytes;
}

/* Other seats stand in front of the server. */
static int peer_make(struct seat *seat, const struct seat_settings *settings, struct cr_error *err)
{
    char *uris[CR_SERVERS_MAX] = {NULL};
    struct peer *peer = NULL;
    const struct peer_options options = {
        .server = seat->store,
        .background = seat->background,
        .server_uris = (const char *const *)uris,
        .server_count = settings->server_count,
        .listen = settings->peer_listen,
        .upload_bytes = settings->peer_upload_bytes,
        .warn = settings->warn,
    };
    int r = uris_make(settings, uris, err);
    if (r == 0)
        r = peer_new(&options, &peer, err);
    if (r == 0)
        seat->peer = peer;
    uris_free(uris);
    return r;
}

/* What goes on beside the reads. */
static int helpers_start(struct seat *seat, const struct seat_settings *settings,
                         struct cr_error *err)
{
    const struct boot_options boot = {.server = seat->background,
                                      .disk = seat->disk,
                                      .max_s = settings->boot_max_s,
                                      .quiet_s = settings->boot_quiet_s};
    const struct fill_options fill = {.server = seat->background,
                                      .disk = seat->disk,
                                      .no_hot = settings->no_hot,
                                      .rate_bytes = settings->fill_rate_bytes,
                                      .received = background_received,
                                      .context = seat};
    int r = settings->boot_max_s == 0 ? 0 : boot_start(&boot, &seat->boot);
    if (r == 0 && (!settings->no_hot || settings->fill_rate_bytes > 0))
        r = fill_start(&fill, &seat->fill);
    return r < 0 ? cr_error_errno(err, r, "cannot start a thread") : 0;
}

int seat_open(struct seat *seat, const struct seat_settings *settings, struct cr_error *err)
{
    CLEANUP_CLOSE int dir_fd = -1;
    int r = cr_dir_make(AT_FDCWD, settings->cache, 0700);
    if (r == 0) {
        dir_fd = open(settings->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir_fd < 0 ? -errno : 0;
    }
    if (r < 0)
        return cr_error_errno(err, r, "cannot use the cache folder '%s'", settings->cache);
    struct cr_seatdisk_options options = {
        .dir_fd = dir_fd,
        .warn = settings->warn,
        .no_deltas = settings->no_deltas,
        .completed = settings->completed,
        .limit_bytes = settings->limit_bytes,
        .reserve_bytes = settings->reserve_bytes,
        .scrub_bytes_s = settings->scrub_bytes_s,
    };
    struct cr_version_info info;
    struct cr_ref ref = settings->image;
    if (settings->trust != NULL) {
        r = trust_ask(seat, settings, &info, &ref, err);
        options.known = &info;
    }
    if (r == 0)
        r = store_open(settings, settings->patience_s, &seat->store, err);
    if (r == 0)
        r = store_open(settings, settings->patience_s, &seat->background, err);
    if (r == 0 && settings->peer_listen != NULL)
        r = peer_make(seat, settings, err);
    if (r < 0)
        return r;
    struct peer *peer = seat->peer;
    options.background = peer != NULL ? peer_background(peer) : seat->background;
    r = cr_seatdisk_open(peer != NULL ? peer_demand(peer) : seat->store, &ref, &options,
                         &seat->disk, err);
    if (r == 0 && peer != NULL)
        r = peer_start(peer, seat->disk, err);
    return r < 0 ? r : helpers_start(seat, settings, err);
}

/* The stores, in any order. */
static struct cr_store *_Atomic *store_at(struct seat *seat, unsigned i)
{
    struct cr_store *_Atomic *const stores[] = {&seat->store, &seat->trust, &seat->background};
    return i < CR_ARRAY_LEN(stores) ? stores[i] : NULL;
}

void seat_close(struct seat *seat)
{
    seat_interrupt(seat); /* nobody waits for an answer any more */
    fill_stop(TAKE_PTR(seat->fill));
    boot_stop(TAKE_PTR(seat->boot));
    struct peer *peer = atomic_exchange(&seat->peer, NULL);
    peer_stop(peer);
    cr_seatdisk_close(seat->disk); /* which may still tell that it is complete */
    seat->disk = NULL;
    peer_free(peer);
    struct cr_store *_Atomic *at;
    for (unsigned i = 0; (at = store_at(seat, i)) != NULL; i++)
        cr_store_close(atomic_exchange(at, NULL));
}

void seat_interrupt(struct seat *seat)
{
    struct cr_store *_Atomic *at;
    for (unsigned i = 0; (at = store_at(seat, i)) != NULL; i++) {
        struct cr_store *store = atomic_load(at);
        if (store != NULL)
            cr_several_interrupt(store);
    }
    struct peer *peer = atomic_load(&seat->peer);
    if (peer != NULL)
        peer_interrupt(peer);
}
