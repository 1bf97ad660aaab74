/* SPDX-License-Identifier: MIT */
/*
 * How much may be written to the cache: a limit for all versions together, and space that stays
 * free for what else is on the disk, overlays above all. Old versions are dropped to make room
 * (cached.h). Thread-safe.
 */
#pragma once

#include "lib/image/object.h"

#include <pthread.h>

struct cr_room {
    uint64_t limit_bytes;   /* of all versions together; 0 = none */
    uint64_t reserve_bytes; /* of the disk that stay free; 0 = none */
    int disks_fd;           /* owned */
    struct cr_id own;       /* the version that is filled */
    pthread_mutex_t mutex;  /* over what follows */
    uint64_t granted;       /* bytes that may be written before the disk is looked at again */
    int64_t looked_ms;      /* when that was last, by the monotonic clock */
};

/* `disks_fd` is borrowed for the call. Returns 0 or -errno; both want cr_room_done. */
int cr_room_init(struct cr_room *room, int disks_fd, const struct cr_id *own, uint64_t limit_bytes,
                 uint64_t reserve_bytes);
void cr_room_done(struct cr_room *room);

/*
 * Look at the disk and drop what is too much; `source` = the version that is updated from, which
 * stays, or NULL.
 */
void cr_room_look(struct cr_room *room, const struct cr_id *source, bool own_is_complete);

/* True when `bytes` more may be written; makes room for them if it can. */
bool cr_room_take(struct cr_room *room, uint64_t bytes, const struct cr_id *source);
