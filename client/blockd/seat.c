/* SPDX-License-Identifier: MIT */
#include "client/blockd/seat.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <fcntl.h>

/* The server's URI with the settings that stand beside it. */
static int uri_make(const struct seat_settings *settings, struct cr_buf *uri, struct cr_error *err)
{
    char patience[16];
    snprintf(patience, sizeof(patience), "%u", settings->patience_s);
    int r = cr_buf_append(uri, settings->server, strlen(settings->server));
    if (r == 0 && settings->pki != NULL)
        r = cr_server_uri_add(uri, "pki", settings->pki);
    if (r == 0)
        r = cr_server_uri_add(uri, "patience", patience);
    if (r == 0)
        r = cr_buf_append(uri, "", 1);
    return r < 0 ? cr_error_errno(err, r, "server '%.200s'", settings->server) : 0;
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
    r = uri_make(settings, &uri, err);
    if (r == 0)
        r = cr_https_open((const char *)uri.data, &store, err);
    if (r < 0)
        return r;
    seat->store = store;
    struct cr_seatdisk_options options = {.dir_fd = dir_fd, .warn = settings->warn};
    return cr_seatdisk_open(store, &settings->image, &options, &seat->disk, err);
}

void seat_close(struct seat *seat)
{
    cr_seatdisk_close(TAKE_PTR(seat->disk));
    struct cr_store *store = seat->store;
    seat->store = NULL;
    cr_store_close(store);
}

void seat_interrupt(struct seat *seat)
{
    struct cr_store *store = seat->store;
    if (store != NULL)
        cr_https_interrupt(store);
}
