/* SPDX-License-Identifier: MIT */
/* Which chunks of the old version come before a group's literals, so that zstd finds in them what
 * is alike. */
#pragma once

#include "lib/delta/match.h"

/*
 * Choose up to `chunks_max` chunks of the old version for the group whose literals stand at
 * `literals`; fills the extents of `head`. Returns 0 or -ENOMEM.
 */
int cr_prefix_choose(const struct cr_oldblocks *blocks, const struct cr_match *matches,
                     const struct cr_match_group *group, const uint8_t *literals,
                     uint32_t chunks_max, struct cr_delta_group_head *head);
