/* SPDX-License-Identifier: MIT */
/* A set of byte ranges of a disk, kept as a sorted list without overlaps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cr_extent {
    uint64_t offset, len; /* bytes */
};

struct cr_extents {
    struct cr_extent *items; /* owned; ascending, neither empty nor touching each other */
    size_t count, capacity;
};

/* A zeroed structure is the empty set. */
void cr_extents_done(struct cr_extents *extents);
#define CLEANUP_EXTENTS __attribute__((cleanup(cr_extents_done)))

/*
 * Add a range; what it touches is joined with it. Cheap in ascending order. Returns 0, -ENOMEM, or
 * -ERANGE when its end does not fit 64 bits.
 */
int cr_extents_add(struct cr_extents *extents, uint64_t offset, uint64_t len);

/* Add all ranges of `other`. */
int cr_extents_add_all(struct cr_extents *extents, const struct cr_extents *other);

/* The sum of all lengths. */
uint64_t cr_extents_bytes(const struct cr_extents *extents);

/* The first range that ends behind `offset` (it may begin before it), or NULL. Borrowed. */
const struct cr_extent *cr_extents_next(const struct cr_extents *extents, uint64_t offset);

/* Do the ranges cover all of these bytes? An empty range is covered. */
bool cr_extents_cover(const struct cr_extents *extents, uint64_t offset, uint64_t len);

/* `data` holds the `len` bytes of the disk at `offset`: zero those that lie in the set. */
void cr_extents_zero(const struct cr_extents *extents, uint64_t offset, void *data, size_t len);
