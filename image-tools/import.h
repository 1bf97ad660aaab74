/* SPDX-License-Identifier: MIT */
/*
 * Import: a whole disk image becomes a version.
 *
 *   block status (which ranges hold data) -> minus free space of file systems -> slices of 4 MiB
 *      -> each worker takes the next slice: reads it through its own connection, hands its chunks
 *         to the publisher, which hashes, compresses and packs in that same thread
 */
#pragma once

#include "image-tools/progress.h"
#include "image-tools/ranges.h"
#include "lib/blk/source.h"
#include "lib/store/publish.h"

/*
 * Hand every chunk of `source` that touches a range of `data` to `publish`; what lies outside the
 * ranges counts as zeros. `threads` is at most the number of connections of the source. Returns 0
 * or -errno; -ECANCELED when a stop was asked for.
 */
int import_run(struct cr_source *source, const struct ranges *data, struct cr_publish *publish,
               unsigned threads, struct progress *progress, struct cr_error *err);

/* The ranges of `source` that are neither holes nor zeros. Returns 0 or -errno. */
int import_scan(struct cr_source *source, struct ranges *ret_data, struct cr_error *err);
