/* SPDX-License-Identifier: MIT */
#include "client/cache/cache.h"
#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/net/uri_add.h"

#include <errno.h>

static void say(const char *sentence)
{
    fprintf(stderr, "carrel-cache: %s\n", sentence);
}

static int store_open(const struct cache_options *options, struct cr_store **ret_store,
                      struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX);
    char patience[24];
    if (options->server == NULL)
        return cr_error_set(err, -EINVAL, "no server; name it with --server URL");
    snprintf(patience, sizeof(patience), "%llu", (unsigned long long)options->patience_s);
    int r = cr_buf_append(&uri, options->server, strlen(options->server));
    if (r == 0 && options->pki != NULL)
        r = cr_server_uri_add(&uri, "pki", options->pki);
    if (r == 0)
        r = cr_server_uri_add(&uri, "patience", patience);
    if (r == 0)
        r = cr_buf_append(&uri, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "server '%.200s'", options->server);
    return cr_https_open((const char *)uri.data, ret_store, err);
}

int served_open(struct served *served, const struct cache_options *options, int dir_fd,
                const struct cr_ref *ref, const struct cr_version_info *known, struct cr_error *err)
{
    struct cr_seatdisk_options seat = {.dir_fd = dir_fd, .known = known, .warn = say};
    *served = (struct served){0};
    int r = store_open(options, &served->store, err);
    return r < 0 ? r : cr_seatdisk_open(served->store, ref, &seat, &served->disk, err);
}

void served_close(struct served *served)
{
    if (served->store != NULL)
        cr_https_interrupt(served->store); /* nobody waits for an answer any more */
    cr_seatdisk_close(TAKE_PTR(served->disk));
    cr_store_close(TAKE_PTR(served->store));
}
