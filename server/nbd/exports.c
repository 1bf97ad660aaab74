/* SPDX-License-Identifier: MIT */
#include "server/nbd/exports.h"

#include "lib/base/mem.h"

#include <errno.h>

int exports_open(struct exports *exports, const char *store_uri, uint64_t cache_bytes,
                 const struct cr_packcache_options *packs, struct cr_error *err)
{
    int r = cr_cache_new(cache_bytes, &exports->cache);
    if (r < 0)
        return cr_error_errno(err, r, "cannot make the cache");
    r = cr_store_open_cached(store_uri, packs, &exports->store, NULL, err);
    if (r < 0)
        return r;
    pthread_mutex_init(&exports->mutex, NULL);
    return 0;
}

void exports_close(struct exports *exports)
{
    if (exports->store != NULL)
        pthread_mutex_destroy(&exports->mutex);
    cr_store_close(TAKE_PTR(exports->store));
    cr_cache_free(TAKE_PTR(exports->cache));
}

static struct nbd_export *find(const struct exports *exports, const struct cr_ref *ref)
{
    struct nbd_export *export = exports->first;
    for (; export != NULL; export = export->next) {
        const struct cr_ref *have = cr_version_ref(cr_disk_version(export->disk));
        if (have->number == ref->number && strcmp(have->name, ref->name) == 0)
            break;
    }
    return export;
}

/* Open the version that `ref` names; another one may have done so before. The mutex is held. */
static int find_or_open(struct exports *exports, const struct cr_ref *ref,
                        struct nbd_export **ret_export, struct cr_error *err)
{
    CLEANUP(cr_disk_cleanup) struct cr_disk *disk = NULL;
    struct nbd_export *export = ref->number != 0 ? find(exports, ref) : NULL;
    if (export == NULL) {
        int r = cr_disk_open(exports->store, ref, exports->cache, &disk, err);
        if (r < 0)
            return r;
        export = find(exports, cr_version_ref(cr_disk_version(disk)));
    }
    if (export == NULL) {
        export = cr_calloc(1, sizeof(*export));
        if (export == NULL)
            return cr_error_errno(err, -ENOMEM, "cannot open '%s'", ref->name);
        export->disk = TAKE_PTR(disk);
        export->next = exports->first;
        exports->first = export;
    }
    export->users++;
    *ret_export = export;
    return 0;
}

int export_get(struct exports *exports, const struct cr_ref *ref, struct nbd_export **ret_export,
               struct cr_error *err)
{
    pthread_mutex_lock(&exports->mutex);
    int r = find_or_open(exports, ref, ret_export, err);
    pthread_mutex_unlock(&exports->mutex);
    return r;
}

void export_put(struct exports *exports, struct nbd_export *export)
{
    if (export == NULL)
        return;
    pthread_mutex_lock(&exports->mutex);
    if (--export->users == 0) {
        struct nbd_export **link = &exports->first;
        while (*link != export)
            link = &(*link)->next;
        *link = export->next;
        cr_disk_close(export->disk);
        free(export);
    }
    pthread_mutex_unlock(&exports->mutex);
}
