/* SPDX-License-Identifier: MIT */
/*
 * One store in Ceph, open: what the files of this folder share.
 *
 *   rados.c     the scheme: init, open, the table of functions
 *   cluster.c   connecting, and Ceph's errors as sentences
 *   read.c      size, read, many reads at once, list
 *   write.c     put (in the background), sync, remove, compare-and-set
 *   mark.c      condemning blobs
 *   lock.c      leases: locks of the cluster, their renewal, fences
 *   watch.c     being told of new heads
 *
 * Where each thing lies is told in FORMAT.md, "The objects of the rados backend".
 */
#pragma once

#include "lib/rados/api.h"
#include "lib/rados/uri.h"
#include "lib/store/blobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The extended attributes of objects. */
#define CR_RADOS_SUM        "carrel.sha256" /* of the content, 64 digits; heads, state, side blobs */
#define CR_RADOS_FENCE      "carrel.fence"  /* who may set this head: a lock's cookie, or empty */
#define CR_RADOS_GENERATION "carrel.mark"   /* condemned in this generation, decimal */
#define CR_RADOS_MARKED     "carrel.marked" /* and when, seconds since 1970, decimal */
#define CR_RADOS_SEEN       "carrel.seen"   /* of a lock's object: "COOKIE GENERATION" */

#define CR_RADOS_LOCK       "carrel" /* the name of the lock on a lock's object */
#define CR_RADOS_MARKER     "carrel-store"

/* Writes under way before `put` waits. */
#define CR_RADOS_WRITING_MAX (32 * CR_MIB)
/* Reads under way in one read_many. */
#define CR_RADOS_READING_MAX 64U
/* Objects over which the list of marks is spread. */
#define CR_RADOS_MARK_LISTS 16U

struct cr_rados {
    struct cr_blobs base;
    const struct cr_rados_api *api;
    struct cr_rados_uri uri;
    rados_t cluster;
    rados_ioctx_t spaces[CR_SPACE_COUNT]; /* the pool and namespace of each */
    rados_ioctx_t root;                   /* marker, lists of marks; in the meta pool */
    rados_ioctx_t locks;

    pthread_mutex_t mutex; /* over all that follows */
    pthread_cond_t change; /* something below became less, or the keeper shall look */

    /* Writes in the background. */
    size_t writing_bytes;
    size_t writing;
    int failed; /* the first that failed; stays */
    struct cr_error failure;

    /* Locks that this store holds, and the thread that keeps them and the watch. */
    struct cr_store_lock *held;
    pthread_t keeper;
    bool keeper_runs, keeper_ends;

    /* The watch. */
    cr_store_changed *changed;
    void *changed_context;
    uint64_t watch_handle;
    bool watch_is_set, watch_is_lost;
};

static inline struct cr_rados *cr_rados_of(struct cr_blobs *blobs)
{
    return (struct cr_rados *)blobs;
}

/* Connect to the store that "rados:REST" names, which must be there. */
int cr_rados_open(const char *rest, struct cr_rados **ret_rados, struct cr_error *err);
/* Connect as `uri` says; no store needs to be there yet. */
int cr_rados_connect(const struct cr_rados_uri *uri, struct cr_rados **ret_rados,
                     struct cr_error *err);
/* Waits for what is under way. Takes NULL. */
void cr_rados_disconnect(struct cr_rados *rados);

/* Open the namespace NAMESPACE.FOLDER of a pool, or NAMESPACE for an empty `folder`. */
int cr_rados_namespace(struct cr_rados *rados, const char *pool, const char *folder,
                       rados_ioctx_t *ret_io, struct cr_error *err);

/* The pool in which `io` is. */
const char *cr_rados_pool(const struct cr_rados *rados, rados_ioctx_t io);

/*
 * A sentence for what Ceph returned for "FOLDER/NAME" in the pool of `io`, doing `what`
 * ("reading"). Hands `code` back.
 */
int cr_rados_error(const struct cr_rados *rados, int code, const char *what, rados_ioctx_t io,
                   const char *folder, const char *name, struct cr_error *err);
/* The same for a blob. */
int cr_rados_blob_error(const struct cr_rados *rados, int code, const char *what,
                        enum cr_space space, const char *name, struct cr_error *err);

/* read.c */
int cr_rados_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                  uint64_t *ret_bytes, struct cr_error *err);
int cr_rados_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                  size_t len, uint64_t offset, struct cr_error *err);
void cr_rados_read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                        size_t count);
void cr_rados_size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                        size_t count);
int cr_rados_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                  struct cr_error *err);
/* The names of all objects of one namespace; what -ENOENT means is the sink's to say. */
int cr_rados_names(struct cr_rados *rados, rados_ioctx_t io, const char *folder, cr_name_sink *sink,
                   void *context, struct cr_error *err);
/*
 * An extended attribute as text of fewer than `size` bytes; "" when there is none. -ENOENT = no
 * object, without a sentence.
 */
int cr_rados_attribute(struct cr_rados *rados, rados_ioctx_t io, const char *object,
                       const char *name, char *out, size_t size);

/* write.c */
int cr_rados_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
                 size_t len, struct cr_error *err);
int cr_rados_sync(struct cr_blobs *blobs, struct cr_error *err);
int cr_rados_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    struct cr_error *err);
int cr_rados_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                     const struct cr_id *expected, const void *data, size_t len,
                     struct cr_error *err);
/* Run a write operation and release it; -ENOMEM when `op` is NULL. */
int cr_rados_operate(struct cr_rados *rados, rados_write_op_t op, rados_ioctx_t io,
                     const char *object);

/* mark.c */
int cr_rados_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err);
int cr_rados_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    struct cr_error *err);
int cr_rados_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context, struct cr_error *err);
int cr_rados_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                           uint64_t generation, struct cr_error *err);

/* lock.c */
#define CR_RADOS_COOKIE_BYTES 160U
int cr_rados_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                  struct cr_error *err);
int cr_rados_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                       struct cr_error *err);
void cr_rados_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock);
int cr_rados_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context,
                    struct cr_error *err);
/* The cookie of our lock of `name`; false when we hold none, or have lost it. */
bool cr_rados_cookie(struct cr_rados *rados, const char *name,
                     char out[static CR_RADOS_COOKIE_BYTES]);
/* 0; -ESTALE when we have had the collector's lock and lost it. */
int cr_rados_collector_check(struct cr_rados *rados, struct cr_error *err);

/* keeper.c: the thread that renews locks and the watch, started when the first is there. */
int cr_rados_keeper_start(struct cr_rados *rados, struct cr_error *err);
void cr_rados_keeper_stop(struct cr_rados *rados);
/* Renew what is due of the locks. Called by the keeper without the mutex. */
void cr_rados_locks_renew(struct cr_rados *rados);

/* watch.c */
int cr_rados_watch(struct cr_blobs *blobs, cr_store_changed *changed, void *context,
                   struct cr_error *err);
bool cr_rados_watching(struct cr_blobs *blobs);
void cr_rados_watch_stop(struct cr_rados *rados);
/* Watch again when the watch was lost. Called by the keeper without the mutex. */
void cr_rados_watch_mend(struct cr_rados *rados);
/* Tell all watchers that the head of `name` changed; those that do not answer are not waited for
 * longer than a second. */
void cr_rados_tell(struct cr_rados *rados, const char *name);
