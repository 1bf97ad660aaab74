/* SPDX-License-Identifier: MIT */
/* How many chunks of a version hold data, counted as its segments come by. Thread-safe. */
#pragma once

#include "lib/store/version.h"

#include <pthread.h>
#include <stdatomic.h>

struct cr_tally {
    atomic_bool done;
    pthread_mutex_t mutex; /* over what follows */
    uint8_t *seen;         /* owned; a bit for each segment */
    uint64_t left;         /* segments that were not seen */
    uint64_t data_chunks;  /* of those that were */
};

/* Segments of holes are seen already. Returns 0 or -ENOMEM; both want cr_tally_done. */
int cr_tally_init(struct cr_tally *tally, const struct cr_version *version);
void cr_tally_done(struct cr_tally *tally);

/* Count the segments of `version` that the folder `objects_fd` keeps of earlier runs. */
void cr_tally_kept(struct cr_tally *tally, struct cr_version *version, int objects_fd);

/*
 * Segment `index` of `version` has been loaded. True when it was the last one; *ret_data_chunks is
 * the sum then.
 */
bool cr_tally_segment(struct cr_tally *tally, struct cr_version *version, uint32_t index,
                      uint64_t *ret_data_chunks);
