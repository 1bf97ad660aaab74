/* SPDX-License-Identifier: MIT */
#include "image-tools/ranges.h"

#include <errno.h>
#include <stdlib.h>

void ranges_done(struct ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct ranges){0};
}

int ranges_add(struct ranges *ranges, uint64_t offset, uint64_t len)
{
    if (len == 0)
        return 0;
    struct range *last = ranges->count > 0 ? &ranges->items[ranges->count - 1] : NULL;
    if (last != NULL && last->offset + last->len == offset) {
        last->len += len;
        return 0;
    }
    if (ranges->count == ranges->room) {
        size_t room = ranges->room ? 2 * ranges->room : 256;
        struct range *items = reallocarray(ranges->items, room, sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        ranges->items = items;
        ranges->room = room;
    }
    ranges->items[ranges->count++] = (struct range){.offset = offset, .len = len};
    return 0;
}

size_t ranges_find(const struct ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].offset + ranges->items[middle].len > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint64_t ranges_bytes(const struct ranges *ranges)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ranges->count; i++)
        bytes += ranges->items[i].len;
    return bytes;
}
