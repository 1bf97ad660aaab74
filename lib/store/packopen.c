/* SPDX-License-Identifier: MIT */
/* Opening a store with a pack cache between it and the place underneath. */
#include "lib/store/packcache.h"
#include "lib/store/packstore.h"

#include <errno.h>

#define USUAL_BYTES (256 * CR_MIB)

int cr_store_open_cached(const char *uri, const struct cr_packcache_options *options,
                         struct cr_store **ret_store, struct cr_packcache **ret_cache,
                         struct cr_error *err)
{
    struct cr_packcache_options asked = *options;
    struct cr_packcache *cache = NULL;
    struct cr_store *store = NULL;
    bool usual = asked.memory_bytes == CR_PACKCACHE_USUAL;
    if (usual)
        asked.memory_bytes = strncmp(uri, "rados:", 6) == 0 ? USUAL_BYTES : 0;
    int r = cr_store_open(uri, &store, err);
    if (r < 0)
        return r;
    if (packstore_is(store)) {
        /* Nobody has read anything yet. The cache closes what it cannot be put over. */
        struct packstore *ps = packstore_of(store);
        struct cr_blobs *inner = ps->blobs;
        r = cr_packcache_new(inner, &asked, &ps->blobs, &cache, err);
        if (r < 0)
            ps->blobs = NULL;
    } else if (asked.folder != NULL || asked.memory_bytes > 0) {
        r = cr_error_set(err, -ENOTSUP,
                         "store '%s' shows no packs that could be kept: leave out the pack cache, "
                         "or name a folder or a Ceph pool as the store",
                         uri);
    }
    if (r < 0) {
        cr_store_close(store);
        return r;
    }
    *ret_store = store;
    if (ret_cache != NULL)
        *ret_cache = cache;
    return 0;
}
