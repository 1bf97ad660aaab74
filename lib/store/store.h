/* SPDX-License-Identifier: MIT */
/*
 * A store: the place that keeps packs, segments, manifests and heads.
 *
 *      carrel   chunkd   nbdkit plugin   blockd
 *         \        |         |          /
 *          cr_store_* (this file: verified reads, refs)      publish.h   version.h
 *                        |
 *              struct cr_store_ops  (one table a backend)
 *               /                          \
 *         packstore.c                     https.c (lib/net)
 *   index, packs, on struct cr_blob_ops     a server seen from outside
 *      /        |        \
 *   dir.c     mem.c     rados (lib/rados)
 *
 * Callers see ids and frames, never places. All functions may be called from several threads at
 * once.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/head.h"
#include "lib/image/manifest.h"
#include "lib/image/object.h"
#include "lib/image/pack.h"

struct cr_store;
struct cr_store_lock;

/*
 * Receives the frame of the `index`-th id that was asked for. `result` is 0, or negative with the
 * reason in `err` and no frame. The frame is not yet verified and is borrowed for the call. Calls
 * of one request come one at a time, in any order. A non-zero return ends the request with that
 * value; of these CR_FRAME_REFUSED says that the frame does not open to the chunk, so that a store
 * which has it from several sources can ask another one and goes on.
 */
typedef int cr_frame_sink(void *context, size_t index, int result, const void *frame,
                          size_t frame_len, const struct cr_error *err);

#define CR_FRAME_REFUSED 1

typedef int cr_name_sink(void *context, const char *name);

/* The head of image `name` may have changed; NULL = any may have. Called from a thread of the
 * store's own; must not call back into the store. */
typedef void cr_store_changed(void *context, const char *name);

/* Where a thing lives. Each space has flat names. */
enum cr_space {
    CR_SPACE_PACKS,
    CR_SPACE_SEGMENTS,
    CR_SPACE_MANIFESTS,
    CR_SPACE_HEADS,
    CR_SPACE_DELTAS,  /* how to make a version from another one: OLDROOT-NEWROOT and parts
                         (lib/delta) */
    CR_SPACE_RECORDS, /* recipe and log of a build, named by their SHA-256 */
    CR_SPACE_TRUST,   /* metadata of The Update Framework: "1.root.json", "timestamp.json" ... */
    CR_SPACE_STATE,   /* of collector and scrub */
    CR_SPACE_HOT,     /* ROOT: the order in which a boot touches a version; ROOT.boots: recorded
                         boots (lib/hotlist) */
    CR_SPACE_COUNT
};

struct cr_store_stat {
    uint64_t images, versions;
    uint64_t packs, chunks, pack_bytes;
    uint64_t segments, segment_bytes;
    uint64_t manifests, manifest_bytes;
    uint64_t head_bytes;
};

/*
 * What a backend can do. Entries that write are NULL when it only reads, and so may be `stat`,
 * `side_list`, `watch` and those after them.
 * Every function returns 0 or -errno with a sentence; -ENOENT = the object is not there.
 */
struct cr_store_ops {
    void (*close)(struct cr_store *store);

    /* Hand the stored frame of each of `count` ids to `sink`. */
    int (*chunks_get)(struct cr_store *store, const struct cr_id *ids, size_t count,
                      cr_frame_sink *sink, void *context, struct cr_error *err);
    /* The frame of a segment or manifest, appended to `frame`. */
    int (*object_get)(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                      struct cr_buf *frame, struct cr_error *err);
    /* The head's bytes, appended to `head`. */
    int (*head_get)(struct cr_store *store, const char *name, struct cr_buf *head,
                    struct cr_error *err);
    int (*heads_list)(struct cr_store *store, cr_name_sink *sink, void *context,
                      struct cr_error *err);

    /* Which of the ids are stored already (and durable, or will be by the next sync). */
    int (*chunks_have)(struct cr_store *store, const struct cr_id *ids, size_t count, bool *have,
                       struct cr_error *err);
    /* The only writer of an image; -EBUSY with a sentence that says who writes. Ends with the
     * process. */
    int (*image_lock)(struct cr_store *store, const char *name, struct cr_store_lock **ret_lock,
                      struct cr_error *err);
    void (*image_unlock)(struct cr_store *store, struct cr_store_lock *lock);
    /*
     * The holder of a lock will refer to objects that it has not written: those of a version of
     * another image, which may be removed any moment. What a collector has condemned of them is
     * revived. Returns 0, 1 when nothing at all is condemned (no need to ask for more), or -ENOENT
     * when one was just collected.
     */
    int (*keep)(struct cr_store *store, enum cr_kind kind, const struct cr_id *ids, size_t count,
                struct cr_error *err);
    /* Store a finished pack under its name. */
    int (*pack_put)(struct cr_store *store, const struct cr_pack *pack, const struct cr_id *name,
                    struct cr_error *err);
    /* Store a segment's or manifest's frame; `ret_new` = it was not there before. */
    int (*object_put)(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                      const void *frame, size_t frame_len, bool *ret_new, struct cr_error *err);
    /* Everything put before is durable when this returns. */
    int (*sync)(struct cr_store *store, struct cr_error *err);
    /*
     * Make the head of `name` hold `data`, durably, if its bytes now hash to `*expected` (NULL: if
     * there is none). -EAGAIN when they do not.
     */
    int (*head_set)(struct cr_store *store, const char *name, const struct cr_id *expected,
                    const void *data, size_t len, struct cr_error *err);
    int (*stat)(struct cr_store *store, struct cr_store_stat *ret_stat, struct cr_error *err);
    /*
     * Side objects: whole blobs of CR_SPACE_DELTAS, _RECORDS, _TRUST and _HOT, and those of
     * CR_SPACE_STATE whose names begin with "sync.", at most CR_SIDE_BYTES_MAX each, whose names
     * consist of letters, digits, '.', '_' and '-'. Whoever reads one verifies it by its own rules.
     * side_get appends to `out`; side_put is durable by the next sync; side_replace is a
     * compare-and-set as head_set.
     */
    int (*side_get)(struct cr_store *store, enum cr_space space, const char *name,
                    struct cr_buf *out, struct cr_error *err);
    int (*side_list)(struct cr_store *store, enum cr_space space, cr_name_sink *sink, void *context,
                     struct cr_error *err);
    int (*side_put)(struct cr_store *store, enum cr_space space, const char *name, const void *data,
                    size_t len, struct cr_error *err);
    int (*side_replace)(struct cr_store *store, enum cr_space space, const char *name,
                        const struct cr_id *expected, const void *data, size_t len,
                        struct cr_error *err);
    int (*side_remove)(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_error *err);
    /*
     * Call `changed` whenever a head changes, until the store is closed; one watcher a store. NULL
     * or -ENOTSUP where the backend cannot tell: then ask each time. `watching` is false while news
     * may be missed (the connection is lost): what was kept must be asked for again.
     */
    int (*watch)(struct cr_store *store, cr_store_changed *changed, void *context,
                 struct cr_error *err);
    bool (*watching)(struct cr_store *store);
    /* Names and reasons of packs whose footer cannot be read, one call each ("PACK: reason"). */
    int (*damaged_list)(struct cr_store *store, cr_name_sink *sink, void *context,
                        struct cr_error *err);
};

/* Backends embed this as their first member. */
struct cr_store {
    const struct cr_store_ops *ops;
    char uri[CR_URI_BYTES_MAX]; /* as a person wrote it, for messages */
};

/*
 * Open the store that `uri` names: "dir:PATH" or a plain path, "mem:" (empty, for tests),
 * "https://HOST:PORT[?pki=DIR]". Schemes are a table in registry.c; -ENOTSUP for others.
 */
int cr_store_open(const char *uri, struct cr_store **ret_store, struct cr_error *err);

/* Make an empty store at `uri`; -EEXIST when something else is there already. */
int cr_store_init(const char *uri, struct cr_error *err);

/* Takes NULL. */
void cr_store_close(struct cr_store *store);
void cr_store_cleanup(struct cr_store **store);

/*
 * Read and verify a segment or manifest; its plain bytes are appended to `plain`. -EBADMSG when it
 * is corrupted, -ENOENT when it is missing, each with a sentence that names it.
 */
int cr_store_object_read(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                         struct cr_buf *plain, struct cr_error *err);

/*
 * Read and verify one chunk that must have exactly `len` plain bytes, into `plain`. -EBADMSG,
 * -ENOENT as above. The reserved id reads as zeros.
 */
int cr_store_chunk_read(struct cr_store *store, const struct cr_id *id, void *plain, size_t len,
                        struct cr_error *err);

/* Read and parse the head of an image. `ret_hash` (may be NULL) is what head_set expects. */
int cr_store_head_read(struct cr_store *store, const char *name, struct cr_head *ret_head,
                       struct cr_id *ret_hash, struct cr_error *err);

/* -EROFS with a sentence when the backend only reads. */
int cr_store_writable(const struct cr_store *store, struct cr_error *err);
