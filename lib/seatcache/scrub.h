/* SPDX-License-Identifier: MIT */
/*
 * Reads again, in the background and at a bounded rate, what stands in a version's file: a disk may
 * rot where nobody reads, and a complete version is read by QEMU itself, which hashes nothing. A
 * chunk that is wrong loses its bit in the map, is fetched again and written in place; a hole that
 * is not zero becomes one again. That is safe while QEMU has the file open: each of its reads finds
 * the damaged bytes or the right ones. What the guest keeps in its own memory it has to read anew.
 */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

struct cr_scrub;
struct cr_seatdisk;

struct cr_scrub_stat {
    uint64_t chunks; /* that were read again */
    uint64_t wrong;  /* of them and of holes; each time one was found */
    uint64_t rounds; /* over the whole disk, done */
};

/*
 * Start on `disk`, borrowed until stop. It stands back while a read of the guest waits for a fetch.
 * `rest_s` as scrub_rest_s of seatdisk.h. Returns 0 or -errno with a sentence.
 */
int cr_scrub_start(struct cr_seatdisk *disk, uint64_t bytes_s, unsigned rest_s,
                   struct cr_scrub **ret_scrub, struct cr_error *err);

/* Waits for a fetch that is under way; interrupt the stores first. Takes NULL. */
void cr_scrub_stop(struct cr_scrub *scrub);

/*
 * One round now, in this thread and as fast as it goes. *ret_left = chunks that were wrong and
 * could not be fetched. Returns 0 or -ENOMEM.
 */
int cr_scrub_now(struct cr_seatdisk *disk, struct cr_scrub_stat *ret_stat, uint64_t *ret_left);

/* Takes NULL. */
void cr_scrub_stat(struct cr_scrub *scrub, struct cr_scrub_stat *ret_stat);
