/* SPDX-License-Identifier: MIT */
/* One pass of the collector, inside: gc.c leads, gc_live.c finds what is live, gc_repack.c writes
 * packs again, gc_dead.c condemns and removes. */
#pragma once

#include "lib/store/gc.h"
#include "lib/store/packstore.h"

/* A mark that was there when the pass began. */
struct gc_mark {
    enum cr_space space;
    struct cr_id id;
    uint64_t generation;
    int64_t marked_s;
};

/* What is known of a pack besides its list. */
struct gc_pack {
    uint8_t *live; /* a bit for each entry */
    uint32_t live_entries;
    uint64_t live_bytes, bytes; /* of frames */
    bool repacked;
};

struct gc_version {
    struct cr_ref ref;
    struct cr_id root;
};

struct gc_pass {
    struct packstore *ps;
    struct cr_blobs *blobs;
    const struct cr_gc_options *options;
    struct cr_gc_stat *stat;
    struct gc_mark *marks; /* sorted by space and id */
    size_t mark_count, mark_room;
    uint64_t generation;
    struct pack_generations generations;  /* as stored; their end is written when the pass ends */
    struct cr_id stored;                  /* hash of what is stored of them */
    uint64_t least_seen;                  /* of all leases; UINT64_MAX = nobody publishes */
    struct cr_idset live[CR_SPACE_COUNT]; /* manifests, segments, records; no packs */
    struct gc_version *versions;          /* of all heads */
    size_t version_count, version_room;
    struct cr_index *index; /* the packs as they are listed after the heads were read */
    struct gc_pack *packs;  /* by their numbers in `index` */
    uint64_t done, total;   /* for progress */
};

/* Tell how far it is; what the caller wants to end with. */
int gc_step(struct gc_pass *pass, struct cr_error *err);

/* The mark of a blob when the pass began, or NULL. */
const struct gc_mark *gc_mark_find(const struct gc_pass *pass, enum cr_space space,
                                   const struct cr_id *id);

/* Heads, then packs, then manifests and segments: fills versions, live, index and packs. */
int gc_live(struct gc_pass *pass, struct cr_error *err);

/* Write the live frames of packs that hold few of them again. */
int gc_repack(struct gc_pass *pass, struct cr_error *err);

/* Take marks from what is live. */
int gc_revive(struct gc_pass *pass, struct cr_error *err);
/* Condemn and remove what is dead. */
int gc_dead(struct gc_pass *pass, struct cr_error *err);
/* Remove deltas and hot lists of versions that are gone. */
int gc_sides(struct gc_pass *pass, struct cr_error *err);
