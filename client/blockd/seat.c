/* SPDX-License-Identifier: MIT */
#include "client/blockd/seat.h"

#include "client/blockd/seat_trust.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <fcntl.h>

/* The server's URI with the settings that stand beside it. */
static int uri_make(const struct seat_settings *settings, unsigned patience_s, struct cr_buf *uri,
                    struct cr_error *err)
{
    char patience[16];
    snprintf(patience, sizeof(patience), "%u", patience_s);
    int r = cr_buf_append(uri, settings->server, strlen(settings->server));
    if (r == 0 && settings->pki != NULL)
        r = cr_server_uri_add(uri, "pki", settings->pki);
    if (r == 0)
        r = cr_server_uri_add(uri, "patience", patience);
    if (r == 0)
        r = cr_buf_append(uri, "", 1);
    return r < 0 ? cr_error_errno(err, r, "server '%.200s'", settings->server) : 0;
}

/* A seat that has verified its version before starts without a server after this long. */
#define TRUST_PATIENCE_S 10U

/* Find the version in signed metadata, brought up to date as far as the server lets us. */
static int trust_ask(struct seat *seat, const struct seat_settings *settings,
                     struct cr_version_info *ret_info, struct cr_ref *ret_ref, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX);
    struct cr_store *store = NULL;
    unsigned patience_s =
        settings->patience_s < TRUST_PATIENCE_S ? settings->patience_s : TRUST_PATIENCE_S;
    int r = uri_make(settings, patience_s, &uri, err);
    if (r == 0)
        r = cr_https_open((const char *)uri.data, &store, err);
    if (r < 0)
        return r;
    seat->trust = store;
    return seat_trust_resolve(settings, store, ret_info, ret_ref, err);
}

int seat_open(struct seat *seat, const struct seat_settings *settings, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX);
    CLEANUP_CLOSE int dir_fd = -1;
    struct cr_store *store = NULL;
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
    };
    struct cr_version_info info;
    struct cr_ref ref = settings->image;
    if (settings->trust != NULL) {
        r = trust_ask(seat, settings, &info, &ref, err);
        options.known = &info;
    }
    if (r == 0)
        r = uri_make(settings, settings->patience_s, &uri, err);
    if (r == 0)
        r = cr_https_open((const char *)uri.data, &store, err);
    if (r < 0)
        return r;
    seat->store = store;
    return cr_seatdisk_open(store, &ref, &options, &seat->disk, err);
}

void seat_close(struct seat *seat)
{
    seat_interrupt(seat); /* nobody waits for an answer any more */
    cr_seatdisk_close(TAKE_PTR(seat->disk));
    struct cr_store *store = seat->store;
    seat->store = NULL;
    cr_store_close(store);
    store = seat->trust;
    seat->trust = NULL;
    cr_store_close(store);
}

void seat_interrupt(struct seat *seat)
{
    struct cr_store *store = seat->store;
    if (store != NULL)
        cr_https_interrupt(store);
    store = seat->trust;
    if (store != NULL)
        cr_https_interrupt(store);
}
