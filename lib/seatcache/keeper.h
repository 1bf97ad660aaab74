/* SPDX-License-Identifier: MIT */
/*
 * Keeps the map of a version that is being filled: in memory, where a chunk is absent, present, or
 * present and durable; and on disk, where only durable chunks have a bit. One thread does, as long
 * as there is something to do:
 *
 *      fdatasync of the version's file ─▶ the bits of what was written before ─▶ the next slot ─▶
 * its fdatasync
 *
 * so that no bit is ever durable before its data. A chunk that turns out to be wrong loses its bit
 * at once, and in both slots.
 */
#pragma once

#include "lib/image/head.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"

struct cr_keeper;

struct cr_keeper_options {
    int disks_fd;                    /* of the map; borrowed for the call */
    const struct cr_chunkfile *file; /* locked by us; borrowed until stop */
    struct cr_id root;
    const struct cr_ref *ref; /* NAME@N, to be told by the map; borrowed for the call */
    unsigned sync_ms;         /* what was filled is durable about that long after; 0 = the usual */

    /* Told once, from the thread, when all chunks of the version are durable in the file; soon
     * after the start if they are already. May be NULL. */
    void (*completed)(void *context);
    void *context;

    /* Told once, in one sentence, when the file or the map cannot be made durable. May be NULL. */
    void (*warn)(const char *sentence);
};

/* Returns 0 or -errno with a sentence. A map that cannot be written is a warning only. */
int cr_keeper_start(const struct cr_keeper_options *options, struct cr_keeper **ret_keeper,
                    struct cr_error *err);

/* Make durable what is not, and end. Takes NULL. */
void cr_keeper_stop(struct cr_keeper *keeper);

/* All that follows is thread-safe. */

/* The right bytes of chunk `index` were just written to the file. */
void cr_keeper_wrote(struct cr_keeper *keeper, uint64_t index);
/* They were found there. */
void cr_keeper_found(struct cr_keeper *keeper, uint64_t index);
/* Other bytes were found there. True when the map said otherwise: they were lost. */
bool cr_keeper_lost(struct cr_keeper *keeper, uint64_t index);

/* The right bytes stand in the file, durable or not yet. */
bool cr_keeper_has(struct cr_keeper *keeper, uint64_t index);

/* The chunk was lost in this run and was not written since. */
bool cr_keeper_misses(struct cr_keeper *keeper, uint64_t index);

/* How many chunks of the version hold data, once that is known. */
void cr_keeper_set_data_chunks(struct cr_keeper *keeper, uint64_t data_chunks);
/* CR_MAP_UNKNOWN until then. */
uint64_t cr_keeper_data_chunks(struct cr_keeper *keeper);

uint64_t cr_keeper_present(struct cr_keeper *keeper);
bool cr_keeper_is_complete(struct cr_keeper *keeper);

/* Have all that was written by now made durable, and its map. Returns 0 or -EIO. */
int cr_keeper_sync(struct cr_keeper *keeper);
