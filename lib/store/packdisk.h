/* SPDX-License-Identifier: MIT */
/*
 * Packs kept in files of a local folder, one file a pack under its name: the slow half of the pack
 * cache (packcache.h), which survives a restart. Nothing here is believed: whoever loads a pack
 * checks its footer against the name and its frames against their ids. So nothing is synced, and a
 * file that is torn or foreign costs one read of the store. Thread-safe.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"

struct cr_packdisk;

/*
 * Use the folder `path` (made if absent) for at most `max_bytes`; what an earlier run left there is
 * found again, beyond the maximum the oldest go. Files that are not named like packs are left
 * alone. -EBUSY when another process uses it.
 */
int cr_packdisk_open(const char *path, uint64_t max_bytes, struct cr_packdisk **ret_disk,
                     struct cr_error *err);

/* The files stay. Takes NULL. */
void cr_packdisk_close(struct cr_packdisk *disk);

bool cr_packdisk_has(struct cr_packdisk *disk, const struct cr_id *name);

/* The whole pack, allocated with malloc. Returns 0, or -errno (-ENOENT = it is not here). */
int cr_packdisk_load(struct cr_packdisk *disk, const struct cr_id *name, uint8_t **ret_data,
                     size_t *ret_len);

/*
 * Keep a pack; others make room, those not loaded for a while first. A failure (a full file system)
 * leaves it out. Returns 0 or -errno.
 */
int cr_packdisk_store(struct cr_packdisk *disk, const struct cr_id *name, const void *data,
                      size_t len);

void cr_packdisk_drop(struct cr_packdisk *disk, const struct cr_id *name);
uint64_t cr_packdisk_bytes(struct cr_packdisk *disk);
