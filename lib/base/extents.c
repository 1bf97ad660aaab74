/* SPDX-License-Identifier: MIT */
#include "lib/base/extents.h"

#include "lib/base/mem.h"

#include <errno.h>

void cr_extents_done(struct cr_extents *extents)
{
    free(extents->items);
    *extents = (struct cr_extents){0};
}

/* The index of the first range whose end is beyond `offset` (with `touching`: at it or beyond). */
static size_t first_behind(const struct cr_extents *extents, uint64_t offset, bool touching)
{
    size_t low = 0, high = extents->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t end = extents->items[middle].offset + extents->items[middle].len;
        if (end > offset || (touching && end == offset))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int make_room(struct cr_extents *extents)
{
    if (extents->count < extents->capacity)
        return 0;
    size_t capacity = extents->capacity == 0 ? 64 : extents->capacity * 2;
    struct cr_extent *items = reallocarray(extents->items, capacity, sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    extents->items = items;
    extents->capacity = capacity;
    return 0;
}

int cr_extents_add(struct cr_extents *extents, uint64_t offset, uint64_t len)
{
    if (len > UINT64_MAX - offset)
        return -ERANGE;
    if (len == 0)
        return 0;
    uint64_t end = offset + len;
    size_t first = first_behind(extents, offset, true), last = first;
    for (; last < extents->count && extents->items[last].offset <= end; last++) {
        const struct cr_extent *touched = &extents->items[last];
        if (touched->offset < offset)
            offset = touched->offset;
        if (touched->offset + touched->len > end)
            end = touched->offset + touched->len;
    }
    if (last == first) { /* it touches nothing: put it between */
        int r = make_room(extents);
        if (r < 0)
            return r;
    }
    /* One range takes the place of those from `first` up to `last`. */
    memmove(extents->items + first + 1, extents->items + last,
            (extents->count - last) * sizeof(*extents->items));
    extents->count = extents->count - (last - first) + 1;
    extents->items[first] = (struct cr_extent){.offset = offset, .len = end - offset};
    return 0;
}

int cr_extents_add_all(struct cr_extents *extents, const struct cr_extents *other)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < other->count; i++)
        r = cr_extents_add(extents, other->items[i].offset, other->items[i].len);
    return r;
}

uint64_t cr_extents_bytes(const struct cr_extents *extents)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < extents->count; i++)
        sum += extents->items[i].len;
    return sum;
}

const struct cr_extent *cr_extents_next(const struct cr_extents *extents, uint64_t offset)
{
    size_t at = first_behind(extents, offset, false);
    return at < extents->count ? &extents->items[at] : NULL;
}

bool cr_extents_cover(const struct cr_extents *extents, uint64_t offset, uint64_t len)
{
    const struct cr_extent *extent = cr_extents_next(extents, offset);
    return len == 0 || (extent != NULL && extent->offset <= offset &&
                        len <= extent->offset + extent->len - offset);
}

void cr_extents_zero(const struct cr_extents *extents, uint64_t offset, void *data, size_t len)
{
    for (size_t i = first_behind(extents, offset, false); i < extents->count; i++) {
        const struct cr_extent *extent = &extents->items[i];
        if (extent->offset >= offset + len)
            return;
        uint64_t from = extent->offset > offset ? extent->offset - offset : 0;
        uint64_t to = extent->offset + extent->len - offset;
        if (to > len)
            to = len;
        memset((uint8_t *)data + from, 0, (size_t)(to - from));
    }
}
