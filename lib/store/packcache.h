/* SPDX-License-Identifier: MIT */
/*
 * A cache of packs between the store and the place underneath, for servers whose store is far away:
 *
 *      packstore.c ── reads of packs ── packcache.c ── memory ── a local folder ── struct cr_blobs
 *                      everything else ────────────────────────────────────────────▶
 *
 * The first touch of a pack reads only the range that is wanted. A pack that is touched in a second
 * burst (packtouch.h), or many times in one, is read whole, once however many ask for it, and kept.
 * A client that pulls a whole disk touches each pack in one burst: such packs have a quarter of the
 * memory and no place in the folder, so they do not push out what machines boot from.
 *
 * Nothing kept is believed: a pack's footer is checked when it comes in, each frame when it is
 * handed out for the first time. What fails is dropped and read from the store again.
 */
#pragma once

#include "lib/store/blobs.h"

/* Memory as the kind of store asks for it: 256 MiB over Ceph, none over a folder, whose packs the
 * kernel keeps in memory anyway. */
#define CR_PACKCACHE_USUAL UINT64_MAX

/* With neither memory nor folder the cache only counts. */
struct cr_packcache_options {
    uint64_t memory_bytes; /* 0 = none */
    const char *folder;    /* NULL = none; borrowed for the call */
    uint64_t folder_bytes;
};

struct cr_packcache;

/* Counts since the start. */
struct cr_packcache_stat {
    /* What the place underneath was asked for: reads (also of sizes and lists), and their bytes. */
    uint64_t reads[CR_SPACE_COUNT], read_bytes[CR_SPACE_COUNT];
    uint64_t hits;                /* reads of packs answered from memory */
    uint64_t waits;               /* of them, after waiting for the load of another reader */
    uint64_t loads;               /* packs read whole from the store */
    uint64_t folder_loads;        /* and from the folder */
    uint64_t damaged;             /* packs dropped because they did not verify */
    uint64_t evictions;           /* packs dropped from memory to make room */
    uint64_t memory_bytes, packs; /* now */
    uint64_t folder_bytes;
};

/*
 * A cache over `inner`, which it owns from here on, also when this fails. `ret_cache` is the same
 * object as *ret_blobs and ends with it. Returns 0, -ENOMEM, or as cr_packdisk_open.
 */
int cr_packcache_new(struct cr_blobs *inner, const struct cr_packcache_options *options,
                     struct cr_blobs **ret_blobs, struct cr_packcache **ret_cache,
                     struct cr_error *err);

void cr_packcache_stat(struct cr_packcache *cache, struct cr_packcache_stat *ret_stat);

/*
 * Open a store with a pack cache in it. `ret_cache` (may be NULL) ends with the store. It is NULL
 * for a server over HTTPS, which shows no packs; -ENOTSUP when `options` ask for any there.
 */
int cr_store_open_cached(const char *uri, const struct cr_packcache_options *options,
                         struct cr_store **ret_store, struct cr_packcache **ret_cache,
                         struct cr_error *err);
