/* SPDX-License-Identifier: MIT */
/*
 * Inside of seatdisk: one stretch of a read, from the claim of its chunks until they are served.
 *
 * Who fetches: a thread claims a chunk by its bit in `busy`, under the mutex, and keeps the claim
 * until the chunk is served. A thread that finds a chunk claimed first deals with those that it
 * has claimed itself, and lets go of each when it is served; only then it waits: there is no circle
 * of waiting.
 */
#pragma once

#include "lib/blk/cache.h"
#include "lib/blk/lookup.h"
#include "lib/seatcache/keeper.h"
#include "lib/seatcache/room.h"
#include "lib/seatcache/scrub.h"
#include "lib/seatcache/seatdisk.h"
#include "lib/seatcache/tally.h"
#include "lib/seatcache/update.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

struct cr_seatdisk {
    struct cr_store *objects;    /* the store, with segments and manifests kept */
    struct cr_store *background; /* borrowed; what is not waited for is fetched here */
    struct cr_version *version;
    int objects_fd;
    struct cr_chunkfile file;
    struct cr_keeper *keeper; /* of the file's map */
    struct cr_tally tally;
    struct cr_room room;
    struct cr_scrub *scrub;   /* may be NULL */
    uint64_t cloned;          /* chunks that the file began with */
    struct cr_cache *recent;  /* verified chunks of which a part was read: the rest often follows */
    struct cr_update *update; /* chunks out of another version; may be NULL */
    void (*warn)(const char *sentence);
    atomic_flag warned;

    atomic_ulong *touched; /* a bit for each chunk that was served; for the figure only */
    unsigned long *busy;   /* a bit for each chunk: somebody is at it; under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t let_go;

    atomic_bool full;         /* what was fetched last could not be kept for lack of room */
    atomic_uint demand_waits; /* reads that wait for a fetch */
    atomic_uint_least64_t reads, read_bytes, served, pulled, pulled_bytes, healed, unkept, stalled;
};

#define CR_WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* Chunks that one call deals with at a time, and so the largest request: 2 MiB of disk. */
#define CR_WINDOW_CHUNKS 32U

/* Where a piece of the window stands. */
enum cr_window_state {
    CR_WINDOW_SERVED,  /* its bytes are where they were wanted, or nobody wanted them */
    CR_WINDOW_OPEN,    /* wanted, not ours */
    CR_WINDOW_CLAIMED, /* ours to read and verify, or to fetch */
};

struct cr_window {
    struct cr_seatdisk *disk;
    bool background; /* nobody waits for it */
    bool leaves;     /* what another thread is at is left to it */
    bool waited;     /* for a fetch */
    unsigned lost;   /* chunks that stood in the file by its map, and do not */
    size_t count;
    struct cr_piece pieces[CR_WINDOW_CHUNKS];
    const struct cr_id *ids[CR_WINDOW_CHUNKS]; /* NULL: a hole */
    enum cr_window_state states[CR_WINDOW_CHUNKS];

    struct cr_id asked[CR_WINDOW_CHUNKS]; /* of the store, in one request; each once */
    size_t asked_count;

    uint8_t *scratch; /* a chunk that is not wanted as a whole; owned */
    int result;       /* the first failure */
    struct cr_error err;
    struct cr_error refused; /* why the last frame was that did not open */
};

/*
 * A window of `disk` for any number of cr_window_read, one after the other; `background` = no guest
 * waits for it.
 */
void cr_window_init(struct cr_window *window, struct cr_seatdisk *disk, bool background);
void cr_window_done(struct cr_window *window);

/*
 * Serve the beginning of the `len` bytes at `offset` of the disk into `out` (NULL: only have them
 * in the file) and say how many bytes that were. Returns 0 or -errno with a sentence; no more calls
 * then.
 */
int cr_window_read(struct cr_window *window, uint8_t *out, uint64_t len, uint64_t offset,
                   uint64_t *ret_bytes, struct cr_error *err);

/*
 * Have chunks that may lie anywhere on the disk in the file: `count` of them, at most
 * CR_WINDOW_CHUNKS, all below the number of chunks. Those that another thread is at are left to it.
 * One call for each window. Returns as cr_window_read.
 */
int cr_window_fetch(struct cr_window *window, const uint32_t *chunks, size_t count,
                    struct cr_error *err);
