/* SPDX-License-Identifier: MIT */
/*
 * What packstore.c asks of the place underneath: named byte strings. A backend (a folder, memory,
 * RADOS) is one such table; everything else about a store is written once, above it.
 *
 * Three mechanisms make collecting safe beside publishers (the proof is in gc.h):
 *  - a lock of an image is its writer's lease: the collector sees who publishes, and which
 *    generation of marks each of them has seen;
 *  - a mark says "condemned in generation G" beside a blob; put takes it away in the same step;
 *  - remove_marked removes a blob only while that very mark still stands.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"
#include "lib/store/store.h"

struct cr_blobs;

/* One read of many; `result` is set by the call. */
struct cr_blob_read {
    const char *name;
    void *data;
    size_t len;
    uint64_t offset;
    int result; /* as cr_blob_ops.read returns it */
    struct cr_error err;
};

/* The size of one blob of many; `bytes` and `result` are set by the call. */
struct cr_blob_size {
    const char *name;
    uint64_t bytes;
    int result; /* as cr_blob_ops.size returns it */
    struct cr_error err;
};

/* A condemned blob. */
struct cr_mark {
    enum cr_space space;
    const char *name;    /* borrowed for the call */
    uint64_t generation; /* of the collection that condemned it, from 1 */
    int64_t marked_s;    /* when, seconds since 1970 by the collector's clock */
};
typedef int cr_mark_sink(void *context, const struct cr_mark *mark);

/* `name` is being written by somebody who has seen all marks up to generation `seen`. */
typedef int cr_lease_sink(void *context, const char *name, uint64_t seen);

/* A lock name that no image has: the collector's. */
#define CR_LOCK_COLLECTOR ".collector"

/*
 * Every function returns 0 or -errno with a sentence; -ENOENT = no blob of that name. All may be
 * called from several threads at once. Those marked "optional" may be NULL.
 */
struct cr_blob_ops {
    void (*close)(struct cr_blobs *blobs);
    int (*size)(struct cr_blobs *blobs, enum cr_space space, const char *name, uint64_t *ret_bytes,
                struct cr_error *err);
    /* Exactly `len` bytes at `offset`; -ENODATA when the blob ends before. */
    int (*read)(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                size_t len, uint64_t offset, struct cr_error *err);
    /*
     * Optional: many reads at once, all under way together where the backend can. Each has its own
     * result; returns when all are done. cr_blobs_read_many calls `read` in turn where it is NULL.
     */
    void (*read_many)(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                      size_t count);
    /* Optional: the same for `size`, and cr_blobs_size_many. */
    void (*size_many)(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                      size_t count);
    int (*list)(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                struct cr_error *err);
    /*
     * Make a blob, over one of that name if there is one, and take away its mark in the same step.
     * It appears whole or not at all, its content durable when it appears, its name by the next
     * sync. A backend may still be writing when this returns (it has copied the bytes then): an
     * error that comes later is returned by the next sync.
     */
    int (*put)(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
               size_t len, struct cr_error *err);
    /* Remove it, marked or not. */
    int (*remove)(struct cr_blobs *blobs, enum cr_space space, const char *name,
                  struct cr_error *err);
    /* Every blob that this or any other process has put before is durable when this returns. */
    int (*sync)(struct cr_blobs *blobs, struct cr_error *err);

    /*
     * One holder at a time over all processes; -EBUSY names the holder. Ends with the process, or
     * some time after it lost its connection: then `replace` of that name fails. The lease has seen
     * generation 0 until lock_seen says otherwise.
     */
    int (*lock)(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                struct cr_error *err);
    int (*lock_seen)(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                     struct cr_error *err);
    void (*unlock)(struct cr_blobs *blobs, struct cr_store_lock *lock);
    /*
     * Every lock that is held (the caller's own too). Whoever is not told of here and still
     * believes to hold a lock (a process that was suspended for minutes) can replace nothing any
     * more.
     */
    int (*leases)(struct cr_blobs *blobs, cr_lease_sink *sink, void *context, struct cr_error *err);
    /*
     * Make the blob hold `data`, durably, if its bytes now hash to `*expected` (NULL: if there is
     * none); -EAGAIN when they do not. In CR_SPACE_HEADS the caller holds the lock of this name,
     * and -ESTALE = it was lost meanwhile.
     */
    int (*replace)(struct cr_blobs *blobs, enum cr_space space, const char *name,
                   const struct cr_id *expected, const void *data, size_t len,
                   struct cr_error *err);

    /* Condemn an existing blob, or condemn it anew. */
    int (*mark)(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err);
    /* Take the mark away; 0 also when there is none. */
    int (*unmark)(struct cr_blobs *blobs, enum cr_space space, const char *name,
                  struct cr_error *err);
    int (*marks)(struct cr_blobs *blobs, cr_mark_sink *sink, void *context, struct cr_error *err);
    /* Remove blob and mark if it is still marked with `generation`; -EAGAIN when it is not. */
    int (*remove_marked)(struct cr_blobs *blobs, enum cr_space space, const char *name,
                         uint64_t generation, struct cr_error *err);

    /* Optional, as cr_store_ops.watch. */
    int (*watch)(struct cr_blobs *blobs, cr_store_changed *changed, void *context,
                 struct cr_error *err);
    bool (*watching)(struct cr_blobs *blobs);
};

struct cr_blobs {
    const struct cr_blob_ops *ops;
};

/* Longest name of a blob: "OLDROOT-NEWROOT.part" and the like. */
#define CR_BLOB_NAME_MAX 159U

/* "packs", "segments", ... */
extern const char *const cr_space_names[CR_SPACE_COUNT];

/* Each has its result when these return. */
void cr_blobs_read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                        size_t count);
void cr_blobs_size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                        size_t count);

/* A store on top of `blobs`, which it owns from here on, also when this fails. */
int cr_packstore_new(struct cr_blobs *blobs, struct cr_store **ret_store, struct cr_error *err);
