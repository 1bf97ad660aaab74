/* SPDX-License-Identifier: MIT */
/*
 * Free space as text, from a program that parses a file system apart from ours:
 *
 *      offset length           decimal, bytes of the disk, for each free range, ascending
 *      end COUNT BYTES         how many ranges, and their sum
 *
 * Ranges neither overlap nor touch and numbers have no leading zeros, so there is one right text
 * for a set of ranges. Without its last line a list is not whole.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/extents.h"

#include <stddef.h>
#include <stdint.h>

/* Append the list of `free_space` to `out`. Returns 0, -EMSGSIZE past the maximum, or -ENOMEM. */
int cr_freelist_format(const struct cr_extents *free_space, struct cr_buf *out);

/*
 * Add the ranges in `text` to `free_space`; they must lie in the `size_bytes` at `offset`. Returns
 * 0, -ENOMEM, or -EBADMSG with one clause that says which line is wrong; then what was added so far
 * must not be used.
 */
int cr_freelist_parse(const char *text, size_t len, uint64_t offset, uint64_t size_bytes,
                      struct cr_extents *free_space, struct cr_error *err);
