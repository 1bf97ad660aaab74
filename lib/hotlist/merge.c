/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/hotlist/hotlist.h"

#include <errno.h>

/* A chunk's place in one boot. */
struct touch {
    uint32_t chunk, place;
};

/* A chunk's place in the merged list. */
struct standing {
    bool half; /* only half of the boots touched it */
    uint32_t place, chunk;
};

static int touch_compare(const void *left, const void *right)
{
    const struct touch *a = left, *b = right;
    if (a->chunk != b->chunk)
        return a->chunk < b->chunk ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int standing_compare(const void *left, const void *right)
{
    const struct standing *a = left, *b = right;
    if (a->half != b->half)
        return a->half ? 1 : -1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return (a->chunk > b->chunk) - (a->chunk < b->chunk);
}

static struct touch *touches_sorted(const struct cr_hotlist *boots, uint32_t count,
                                    size_t *ret_total)
{
    size_t total = 0, at = 0;
    for (uint32_t i = 0; i < count; i++)
        total += boots[i].count;
    struct touch *touches = cr_calloc(total, sizeof(*touches));
    if (touches == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t place = 0; place < boots[i].count; place++)
            touches[at++] = (struct touch){.chunk = boots[i].chunks[place], .place = place};
    qsort(touches, total, sizeof(*touches), touch_compare);
    *ret_total = total;
    return touches;
}

/*
 * One standing for each chunk that half of the boots or more touched. A boot that did not counts as
 * one that touched it after everything else: the median over all boots, the lower of two, is then
 * the same element of the sorted places, present or not.
 */
static size_t standings_make(const struct touch *touches, size_t total, uint32_t boots,
                             struct standing *standings)
{
    size_t made = 0;
    for (size_t first = 0, next = 0; first < total; first = next) {
        while (next < total && touches[next].chunk == touches[first].chunk)
            next++;
        size_t seen = next - first;
        if (2 * seen >= boots)
            standings[made++] = (struct standing){.half = 2 * seen == boots,
                                                  .place = touches[first + (boots - 1) / 2].place,
                                                  .chunk = touches[first].chunk};
    }
    qsort(standings, made, sizeof(*standings), standing_compare);
    return made;
}

int cr_hotlist_merge(const struct cr_hotlist *boots, uint32_t count, struct cr_hotlist *ret_list)
{
    size_t total = 0;
    CLEANUP_FREE struct touch *touches = touches_sorted(boots, count, &total);
    CLEANUP_FREE struct standing *standings = cr_calloc(total, sizeof(*standings));
    if (touches == NULL || standings == NULL)
        return -ENOMEM;
    size_t made = standings_make(touches, total, count, standings);
    struct cr_hotlist list = {.root = boots[0].root, .disk_bytes = boots[0].disk_bytes};
    list.count = made < CR_HOT_CHUNKS_MAX ? (uint32_t)made : CR_HOT_CHUNKS_MAX;
    list.chunks = cr_calloc(list.count, sizeof(*list.chunks));
    if (list.chunks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < list.count; i++)
        list.chunks[i] = standings[i].chunk;
    *ret_list = list;
    return 0;
}
