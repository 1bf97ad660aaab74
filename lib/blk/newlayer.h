/* SPDX-License-Identifier: MIT */
/*
 * A new qcow2 layer that is written cluster by cluster, without the image below it: for an overlay
 * that comes from elsewhere. The name of the image below is only noted in it.
 */
#pragma once

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct cr_newlayer;

/*
 * Make `path`, which must not exist, on `backing` (as QEMU names a raw image; it is not opened). A
 * cluster has CR_CHUNK_BYTES. Returns 0, -EEXIST, or another -errno.
 */
int cr_newlayer_open(const char *path, const char *backing, uint64_t disk_bytes,
                     struct cr_newlayer **ret_layer, struct cr_error *err);

/* Write a whole cluster, or the last one of the disk. */
int cr_newlayer_write(struct cr_newlayer *layer, const void *data, size_t len, uint64_t offset,
                      struct cr_error *err);

/* Make all of it durable and let go of it. After a failure the file is worth nothing. */
int cr_newlayer_finish(struct cr_newlayer *layer, struct cr_error *err);

/* Let go of it and remove the file. Takes NULL, and one that was finished. */
void cr_newlayer_drop(struct cr_newlayer *layer);
