/* SPDX-License-Identifier: MIT */
/* A growing list of ranges of a disk, ascending, none touching another. Start from {0}. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t offset, len; /* bytes */
};

struct ranges {
    struct range *items; /* owned */
    size_t count, room;
};

void ranges_done(struct ranges *ranges);

/* Append a range that begins at or behind the end of the last one. Returns 0 or -ENOMEM. */
int ranges_add(struct ranges *ranges, uint64_t offset, uint64_t len);

/* Index of the first range that ends behind `offset`; `count` when there is none. */
size_t ranges_find(const struct ranges *ranges, uint64_t offset);

uint64_t ranges_bytes(const struct ranges *ranges);
