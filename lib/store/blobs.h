/* SPDX-License-Identifier: MIT */
/*
 * What packstore.c asks of the place underneath: named byte strings. A backend (a folder, memory,
 * RADOS) is one such table; everything else about a store is written once, above it.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"
#include "lib/store/store.h"

/* Where a blob lives. Each space has flat names. */
enum cr_space {
    CR_SPACE_PACKS,
    CR_SPACE_SEGMENTS,
    CR_SPACE_MANIFESTS,
    CR_SPACE_HEADS,
    CR_SPACE_COUNT
};

struct cr_blobs;

/* Every function returns 0 or -errno with a sentence; -ENOENT = no blob of that name. */
struct cr_blob_ops {
    void (*close)(struct cr_blobs *blobs);
    int (*size)(struct cr_blobs *blobs, enum cr_space space, const char *name, uint64_t *ret_bytes,
                struct cr_error *err);
    /* Exactly `len` bytes at `offset`; -ENODATA when the blob ends before. */
    int (*read)(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                size_t len, uint64_t offset, struct cr_error *err);
    int (*list)(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                struct cr_error *err);
    /*
     * Make a blob, over one of that name if there is one. It appears whole or not at all, its
     * content durable when it appears, its name by the next sync.
     */
    int (*put)(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
               size_t len, struct cr_error *err);
    /* Every blob that this or any other process has put before is durable when this returns. */
    int (*sync)(struct cr_blobs *blobs, struct cr_error *err);
    /* One holder at a time over all processes; -EBUSY names the holder. Ends with the process. */
    int (*lock)(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                struct cr_error *err);
    void (*unlock)(struct cr_blobs *blobs, struct cr_store_lock *lock);
    /* Compare-and-set as cr_store_ops.head_set; the caller holds the lock of this name. */
    int (*replace)(struct cr_blobs *blobs, enum cr_space space, const char *name,
                   const struct cr_id *expected, const void *data, size_t len,
                   struct cr_error *err);
};

struct cr_blobs {
    const struct cr_blob_ops *ops;
};

/* "packs", "segments", ... */
extern const char *const cr_space_names[CR_SPACE_COUNT];

/* A store on top of `blobs`, which it owns from here on, also when this fails. */
int cr_packstore_new(struct cr_blobs *blobs, struct cr_store **ret_store, struct cr_error *err);
