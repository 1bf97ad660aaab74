/* SPDX-License-Identifier: MIT */
/*
 * What a seat hands to other seats out of its disk: chunks by id, and segments. What it lacks of
 * its version it fetches first, so that seats can stand behind each other. Thread-safe.
 *
 * Knows where an id is by a table of 8 to 16 bytes a chunk of data, which a thread makes from the
 * version's segments; what is not in it yet is not at hand.
 */
#pragma once

#include "lib/seatcache/seatdisk.h"

struct cr_seatshare;

/* `disk` is borrowed until free. Returns 0 or -errno. */
int cr_seatshare_new(struct cr_seatdisk *disk, struct cr_seatshare **ret_share);
/* Interrupt the stores first. Takes NULL. */
void cr_seatshare_free(struct cr_seatshare *share);

/*
 * The chunk `id`, verified, into `plain`, which has room for CR_CHUNK_BYTES. Returns 0, -ENOENT
 * (not of this version, or not to be had), or -ENOMEM.
 */
int cr_seatshare_chunk(struct cr_seatshare *share, const struct cr_id *id, uint8_t *plain,
                       size_t *ret_len);

/* The frame of a segment of the version, verified, appended to `frame`. Returns as above. */
int cr_seatshare_segment(struct cr_seatshare *share, const struct cr_id *id, struct cr_buf *frame);
