/* SPDX-License-Identifier: MIT */
/*
 * The servers' line, which all seats share: a clock of when it is free again. A frame is taken from
 * the store below and handed on only when the line would have carried it, so that a seat reads its
 * connection no faster than that.
 */
#pragma once

#include "lib/store/store.h"

#include <pthread.h>

struct line {
    pthread_mutex_t mutex;
    uint64_t bits_s; /* 0 = as fast as it goes */
    uint64_t free_ns;
};

void line_init(struct line *line, uint64_t bits_s);
void line_done(struct line *line);

/*
 * A store in front of `inner`, which stays the caller's, that hands on chunks at the line's speed.
 * Returns 0 or -ENOMEM.
 */
int line_store_new(struct line *line, struct cr_store *inner, struct cr_store **ret_store,
                   struct cr_error *err);
