/* SPDX-License-Identifier: MIT */
/* The versions that a cache folder holds: what is known of each, which to drop, and dropping it. */
#pragma once

#include "lib/seatcache/map.h"

struct cr_cached {
    struct cr_id root;
    uint64_t disk_bytes;
    uint64_t file_bytes; /* of disk space; what it shares with a clone counts in both */
    bool has_map;
    struct cr_map
        map; /* when it has none: what is known without it, and used_s by the file's date */
};

/*
 * All versions in the folder `disks_fd`, least recently used first. Owned by the caller, one free.
 * Returns 0 or -errno with a sentence.
 */
int cr_cached_list(int disks_fd, struct cr_cached **ret_list, size_t *ret_count,
                   struct cr_error *err);

/* A process has the version locked: it fills or serves it. */
bool cr_cached_in_use(int disks_fd, const struct cr_id *root);

/*
 * Remove the file of a version and its map. Returns 0, -ENOENT, -EBUSY when it is in use, or
 * -errno with a sentence.
 */
int cr_cached_remove(int disks_fd, const struct cr_id *root, struct cr_error *err);

/*
 * Remove segments and manifests from the folder `objects_fd` that none of the versions in
 * `disks_fd` needs, but for those of the last hour: a version may be about to be opened.
 */
void cr_cached_sweep(int disks_fd, int objects_fd);

/* What must not be dropped for the sake of `own`. */
struct cr_cached_want {
    const struct cr_id *own; /* for it the room is made; NULL = for something else, that counts as
                                incomplete */
    const struct cr_id *source; /* what it is being updated from; may be NULL */
    bool own_is_complete;
    uint64_t bytes;
};

/*
 * Drop whole versions, least recently used first, until about want->bytes of disk space are free
 * again; never one that is in use, and never the last complete one of an image while what wants the
 * room is incomplete. Returns how many bytes their files had.
 */
uint64_t cr_cached_drop(int disks_fd, const struct cr_cached_want *want);
