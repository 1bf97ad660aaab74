/* SPDX-License-Identifier: MIT */
/* The versions that connections have open: each is opened once and shared. Thread-safe. */
#pragma once

#include "lib/blk/disk.h"
#include "lib/store/packcache.h"

#include <pthread.h>

struct nbd_export {
    struct nbd_export *next;
    struct cr_disk *disk;
    unsigned users;
};

struct exports {
    struct cr_store *store;
    struct cr_cache *cache;
    pthread_mutex_t mutex;
    struct nbd_export *first;
};

/* Open the store and make an empty cache of `cache_bytes`. Returns 0 or -errno with a sentence. */
int exports_open(struct exports *exports, const char *store_uri, uint64_t cache_bytes,
                 const struct cr_packcache_options *packs, struct cr_error *err);

/* No version may be in use any more. Fine on what was never opened (all zero). */
void exports_close(struct exports *exports);

/* The version `ref` (number 0 = the newest one now). Give it back with export_put. */
int export_get(struct exports *exports, const struct cr_ref *ref, struct nbd_export **ret_export,
               struct cr_error *err);
void export_put(struct exports *exports, struct nbd_export *export);
