/* SPDX-License-Identifier: MIT */
/*
 * Reading everything that a store holds and verifying it: every frame of every pack by its id,
 * every footer by its pack's name, segments, manifests, records of builds and heads. Safe beside
 * publishers and collectors. Where it stands is kept in CR_SPACE_STATE "scrub", so that one that
 * was stopped goes on.
 */
#pragma once

#include "lib/store/store.h"

struct cr_scrub_options {
    uint64_t bytes_per_s; /* read at most so much a second; 0 = as fast as it goes */
    bool restart;         /* from the beginning, not from where the last one stopped */
    /*
     * Write a damaged pack again from its good frames, and those that are damaged from another pack
     * or from `source`; what nobody has is then missing instead of damaged, so that importing the
     * disk again brings it back. Damaged segments, manifests and records come from `source`.
     */
    bool repair;
    struct cr_store *source; /* may be NULL */
    /* One call for each thing found damaged: "pack HEX: chunk HEX: ..." May be NULL. */
    cr_name_sink *damaged;
    /* As in cr_gc_options. */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    void *context; /* of both */
};

struct cr_scrub_stat {
    bool resumed;
    uint64_t packs, chunks, objects, records,
        heads; /* verified in this run; objects = segments, manifests */
    uint64_t bytes;
    uint64_t damaged;  /* chunks, footers, objects and heads */
    uint64_t repaired; /* of them */
    uint64_t lost;     /* chunks that no place had: now missing */
};

/* Returns 0 (also when damage was found), -ENOTSUP, what `progress` returned, or another -errno. */
int cr_scrub_run(struct cr_store *store, const struct cr_scrub_options *options,
                 struct cr_scrub_stat *ret_stat, struct cr_error *err);
