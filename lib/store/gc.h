/* SPDX-License-Identifier: MIT */
/*
 * Collecting what no version needs any more, beside running publishers and readers.
 *
 * One pass, under the collector's lock:
 *   1. raise the generation G (CR_SPACE_STATE "generation"), durably;
 *   2. list the leases: who is publishing, and which generation of marks each has seen;
 *   3. read every head, and from there every manifest and segment: what is live. If one of them
 *      cannot be read nothing is removed at all;
 *   4. a live blob loses its mark; packs that are less than `live_percent_min` live are written
 *      again without what is dead, and then count as dead; a sync;
 *   5. a dead blob that has a mark older than `grace_s`, of a generation that came to its end and
 * that every lease of step 2 has seen, is removed (remove_marked); a dead blob without a mark, or
 * with one of a collection that did not come to its end, gets one of generation G;
 *   6. a sync; then G has come to its end, if no other collector began meanwhile (compare-and-set).
 *
 * Why no version that is published meanwhile can lose a blob P. Its publisher X holds a lease from
 * before it looks until after its head is set. When X began it read the last generation Gx that had
 * come to its end and then all marks, noted Gx as seen, and from then on takes what is marked for
 * absent: it writes it again (which takes the mark away, so remove_marked of the old mark fails)
 * and never merely refers to it. So X refers without writing only to a P that was not marked when X
 * looked. A mark that P gets later is of a generation above Gx, or of one that never comes to its
 * end: that of a collector which was suspended, lost its lock, and goes on beside another. While
 * X's lease is listed P is kept by step 5; when it is not listed any more, X's head was set before
 * the heads were read in step 3, and P is live; when it is not listed yet, X will look later, and
 * see the mark. Power cuts lose marks or bring them back, which these steps do not mind.
 *
 * What X takes over from its base version it has found in a head after it had its lease. It may be
 * marked all the same, from before that head was set. A base of X's own image stays in the head
 * while X holds the lock, and so is live in every step 3. One of another image may be removed from
 * its head at once: X takes its marks away (cr_store_ops.keep) and sees that it is still there;
 * a mark that comes later is of a generation that X has not seen.
 *
 * Records are condemned as packs are: who publishes puts its record in its lease or within the
 * grace period before it. Deltas are caches and go at once. Of a chunk that lies in several packs
 * one place is live, in a pack without a mark where there is one. A generation that was lost is
 * chosen anew above all marks and leases.
 *
 * Readers of a version that was removed have the grace period; a reader that finds a pack gone
 * builds its index again (a repacked chunk is elsewhere).
 */
#pragma once

#include "lib/store/store.h"

struct cr_gc_options {
    bool dry_run;              /* tell, change nothing */
    int64_t now_s;             /* seconds since 1970 */
    int64_t grace_s;           /* how long a blob stays condemned before it is removed */
    unsigned live_percent_min; /* packs with fewer live bytes are repacked; usually 40 */
    /* Called now and then; non-zero ends the pass with that value, and nothing is lost. May be
     * NULL. */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    void *context;
};

/* Figures of one pass. Blobs are packs, segments, manifests and records. */
struct cr_gc_stat {
    uint64_t generation;
    uint64_t versions, leases;
    uint64_t live_chunks, live_bytes;    /* bytes of frames in packs */
    uint64_t dead_bytes;                 /* in packs, frames that nothing refers to */
    uint64_t condemned, condemned_bytes; /* marked in this pass */
    uint64_t waiting, waiting_bytes;     /* marked before, grace or a lease keeps them */
    uint64_t removed, removed_bytes;
    uint64_t revived;                  /* lost their mark: they are live */
    uint64_t repacked, repacked_bytes; /* packs written again, bytes of live frames copied */
    uint64_t side_removed;             /* deltas and records of versions that are gone */
    uint64_t damaged;                  /* packs whose footer cannot be read: never removed here */
};

/*
 * One pass over `store`. Returns 0; -ENOTSUP (a store that is only seen from outside), -EBUSY
 * (another collector), -EBADMSG/-EIO when a head, manifest or segment cannot be read (nothing was
 * removed, the sentence names it and what to do), what `progress` returned, or another -errno.
 * Memory: the store's index and a bit a chunk.
 */
int cr_gc_run(struct cr_store *store, const struct cr_gc_options *options,
              struct cr_gc_stat *ret_stat, struct cr_error *err);
