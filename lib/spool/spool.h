/* SPDX-License-Identifier: MIT */
/*
 * A queue in a folder:  DIR/<number of 20 digits>   one entry each, oldest first
 *                       DIR/lost                    how many were pushed out, as a number
 *
 * One process puts, one takes; both may be others after a reboot. An entry that was put is there
 * until it was taken or pushed out by newer ones. Taking is look, deliver, drop: when the power
 * fails between the last two it is delivered twice, so whoever receives tells entries apart.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct cr_spool;

struct cr_spool_limits {
    uint64_t bytes;   /* of all entries together */
    uint32_t entries; /* up to CR_SPOOL_ENTRIES_MAX */
};

/*
 * Open the folder `dir` (made, mode 0700, when it is not there). `limits` NULL: only to take.
 * Returns 0, -EBUSY when another process puts into it already, or -errno.
 */
int cr_spool_open(const char *dir, const struct cr_spool_limits *limits,
                  struct cr_spool **ret_spool, struct cr_error *err);

/* Takes NULL. */
void cr_spool_close(struct cr_spool *spool);
void cr_spool_cleanup(struct cr_spool **spool);

/*
 * Put an entry of at most CR_SPOOL_ENTRY_BYTES_MAX; it is durable when this returns 0. The oldest
 * entries make room. Returns 0, -EMSGSIZE, -ENOSPC when the file system is full (the queue is as it
 * was), or -errno.
 */
int cr_spool_put(struct cr_spool *spool, const void *data, size_t len, struct cr_error *err);

/*
 * The oldest entry, appended to `out`, and its number. Returns 0, -ENOENT when there is none; with
 * another error the number is set too, for an entry that can never be read has to be dropped.
 */
int cr_spool_look(struct cr_spool *spool, uint64_t *ret_number, struct cr_buf *out,
                  struct cr_error *err);

/* The entry with this number was delivered. Returns 0 (also when it is gone already) or -errno. */
int cr_spool_drop(struct cr_spool *spool, uint64_t number, struct cr_error *err);

struct cr_spool_stat {
    uint64_t entries, bytes; /* waiting */
    uint64_t lost;           /* pushed out since the folder was made */
};
int cr_spool_stat(struct cr_spool *spool, struct cr_spool_stat *ret_stat, struct cr_error *err);
