/* SPDX-License-Identifier: MIT */
/*
 * A version of the cache folder, read as a whole and compared with its ids, without any store: they
 * are in the manifest and segments that the folder keeps.
 */
#pragma once

#include "lib/seatcache/cached.h"

struct cr_check {
    uint64_t right;   /* chunks that stand in the file */
    uint64_t wrong;   /* that ought to, by the map, and do not; mended: other bytes than theirs */
    uint64_t absent;  /* chunks of data that are not there, by the map; mended: zeros */
    uint64_t unknown; /* of segments that the folder does not keep */
    uint64_t dirty_holes; /* holes that are not zero */
    uint64_t lost, found; /* mended: bits that were taken from the map, and given to it */
};

/*
 * Read all chunks that the map tells of, and holes. Also while a process fills the version. Returns
 * 0, -ENOENT when its manifest is not kept, or -errno with a sentence.
 */
int cr_check_verify(int disks_fd, int objects_fd, const struct cr_cached *cached,
                    struct cr_check *ret_check, struct cr_error *err);

/*
 * Lock the version, read all of it, punch out what is wrong, and write a new map of what is right,
 * both slots. Returns 0, -EBUSY when it is in use, or as above.
 */
int cr_check_mend(int disks_fd, int objects_fd, const struct cr_cached *cached,
                  struct cr_check *ret_check, struct cr_error *err);
