/* SPDX-License-Identifier: MIT */
/*
 * A version's file that begins as a clone of an older one of the same image (FICLONE): their common
 * chunks are there at once and need no disk space. Only where the file system shares blocks between
 * files, as XFS and Btrfs do.
 */
#pragma once

#include "lib/store/version.h"

/*
 * Make file and map of `version` in the folder `disks_fd`, where it has none yet, from the newest
 * of the other versions of its image there that is at least half as full as the fullest one; their
 * manifests and segments are in `objects_fd`. Loads all segments of `version` that differ. Whatever
 * the versions do not have in common is a hole in the file. *ret_chunks = chunks that are there and
 * durable. Returns 0, -EEXIST when there is a file already, -ENOENT
 * when there is nothing worth it, -EOPNOTSUPP where the file system
 * cannot, or another -errno; there is no new file then.
 */
int cr_clone_make(int disks_fd, int objects_fd, struct cr_version *version, uint64_t *ret_chunks);
