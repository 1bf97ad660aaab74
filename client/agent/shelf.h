/* SPDX-License-Identifier: MIT */
/*
 * Overlays that were thrown away stay on a shelf, CACHE/overlays-last, for some days: the work in
 * them may have been lost by a crash, and somebody may want it back. They go when their days are
 * over, when there are too many, and one by one, the oldest first, when a running desktop needs
 * the room (room.h).
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

/*
 * Put the overlay's folder there, or remove it when it is not to be kept (0 days) or nothing was
 * ever written to it. The caller holds its lock and that of the overlays.
 */
int shelf_put(const char *cache, const char *folder, unsigned keep_days, struct cr_error *err);

/* Remove those that were written last more than `keep_days` ago, and the oldest of too many. */
int shelf_sweep(const char *cache, unsigned keep_days, struct cr_error *err);

/* Remove the oldest one; *ret_removed is false when there was none. */
int shelf_drop_oldest(const char *cache, bool *ret_removed, struct cr_error *err);

/* Print those on the shelf and those kept, one a line, or as a JSON array. */
int shelf_list(const char *cache, bool as_json, struct cr_error *err);

/*
 * The qcow2 file of overlay `id`, as shelf_list prints it, into `path`, of PATH_MAX bytes.
 * *ret_lock keeps it from being used or removed until it is closed. Returns 0, -ENOENT, or -EBUSY
 * when a running desktop uses it; `what` begins the sentence ("exporting").
 */
int shelf_take(const char *cache, const char *id, const char *what, char *path, int *ret_lock,
               struct cr_error *err);

/* Copy the qcow2 file of overlay `id`, as shelf_list prints it, to `file`, which must be new. */
int shelf_export(const char *cache, const char *id, const char *file, struct cr_error *err);

/* Lock CACHE/overlays, which is made if need be: folders come and go under it. Returns the
 * descriptor, to be closed, or -errno. */
int shelf_lock(const char *cache, struct cr_error *err);

/* A name of at most PATH_MAX bytes from up to three parts. Returns 0 or -ENAMETOOLONG. */
int shelf_path(char *out, const char *cache, const char *folder, const char *name,
               struct cr_error *err);

/* mkdir -p of a folder two levels below the cache at most, so that its name survives a power cut.
 */
int shelf_folder_make(const char *path, struct cr_error *err);

/* The folder above `path` is synced: what was renamed into or out of it survives a power cut. */
int shelf_sync_above(const char *path, struct cr_error *err);
