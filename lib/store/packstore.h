/* SPDX-License-Identifier: MIT */
/* The store on top of blobs, inside: what its files, the collector and the scrub share. */
#pragma once

#include "lib/store/blobs.h"
#include "lib/store/index.h"

#include <pthread.h>

struct pack_damage {
    struct cr_id name;
    int code; /* -EBADMSG, or -EIO: the next look may find it well */
    struct cr_error why;
};

struct pack_damages {
    struct pack_damage *list;
    size_t count;
};

struct packstore {
    struct cr_store base;
    struct cr_blobs *blobs;
    pthread_rwlock_t lock;         /* over index and damaged */
    pthread_mutex_t refresh_mutex; /* one refresh at a time */
    struct cr_index *index;
    struct pack_damages damaged;  /* what the last refresh found */
    struct pack_damages newfound; /* of the refresh under way; belongs to refresh_mutex */
};

static inline struct packstore *packstore_of(struct cr_store *store)
{
    return (struct packstore *)store;
}

/* Append a whole blob of at most out->max bytes in all. */
int packstore_blob_get(struct packstore *ps, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err);

/* --- packside.c: as in cr_store_ops -------------------------------------------------------------
 */

int packstore_side_get(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err);
int packstore_side_list(struct cr_store *store, enum cr_space space, cr_name_sink *sink,
                        void *context, struct cr_error *err);
int packstore_side_put(struct cr_store *store, enum cr_space space, const char *name,
                       const void *data, size_t len, struct cr_error *err);
int packstore_side_replace(struct cr_store *store, enum cr_space space, const char *name,
                           const struct cr_id *expected, const void *data, size_t len,
                           struct cr_error *err);
int packstore_side_remove(struct cr_store *store, enum cr_space space, const char *name,
                          struct cr_error *err);
