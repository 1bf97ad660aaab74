/* SPDX-License-Identifier: MIT */
/*
 * Fetches ahead of the guest:
 *
 *      1. the hot list, in its order, a few requests under way at once so that the line is full;
 *         a request is as large as the line carries in some 50 ms, so that a read of the guest,
 *         which has connections of its own, waits behind little of it;
 *      2. then all the rest, in the order of the disk, one request at a time, at most `rate_bytes`
 * a second, and only while no read had to wait lately.
 *
 * Ends when the version is complete, when the cache takes nothing more, or at stop.
 */
#pragma once

#include "lib/seatcache/seatdisk.h"

struct fill;

struct fill_options {
    struct cr_store *server;  /* asked for the hot list; borrowed until stop */
    struct cr_seatdisk *disk; /* borrowed until stop */
    bool no_hot;              /* leave the first out */
    uint64_t rate_bytes;      /* a second, of the second; 0 = leave it out */
    /* What was received in the background until now, by which the rate is kept. */
    uint64_t (*received)(void *context);
    void *context;
};

struct fill_stat {
    uint64_t hot_chunks; /* in the hot list; 0 = there is none, or it did not come yet */
    uint64_t hot_ms;     /* from the start until all of them were there; 0 = they are not */
};

/* Returns 0 or -errno. */
int fill_start(const struct fill_options *options, struct fill **ret_fill);

/* Interrupt the stores first. Takes NULL. */
void fill_stop(struct fill *fill);

/* Takes NULL. */
void fill_stat(struct fill *fill, struct fill_stat *ret_stat);
