/* SPDX-License-Identifier: MIT */
#include "lib/image/idset.h"

#include "lib/base/mem.h"

#include <errno.h>

void cr_idset_done(struct cr_idset *set)
{
    free(set->slots);
    *set = (struct cr_idset){0};
}

static struct cr_id *slot_of(struct cr_id *slots, uint64_t size, const struct cr_id *id)
{
    uint64_t i = cr_id_hash(id) & (size - 1);
    while (!cr_id_is_hole(&slots[i]) && !cr_id_equal(&slots[i], id))
        i = (i + 1) & (size - 1);
    return &slots[i];
}

static int grow(struct cr_idset *set)
{
    uint64_t size = set->size ? 2 * set->size : 256;
    struct cr_id *slots = cr_calloc(size, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < set->size; i++)
        if (!cr_id_is_hole(&set->slots[i]))
            *slot_of(slots, size, &set->slots[i]) = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->size = size;
    return 0;
}

int cr_idset_add(struct cr_idset *set, const struct cr_id *id)
{
    if (cr_id_is_hole(id))
        return 0;
    if ((set->count + 1) * 3 > set->size * 2) {
        int r = grow(set);
        if (r < 0)
            return r;
    }
    struct cr_id *slot = slot_of(set->slots, set->size, id);
    if (!cr_id_is_hole(slot))
        return 0;
    *slot = *id;
    set->count++;
    return 1;
}

bool cr_idset_has(const struct cr_idset *set, const struct cr_id *id)
{
    if (cr_id_is_hole(id))
        return true;
    return set->size > 0 && !cr_id_is_hole(slot_of(set->slots, set->size, id));
}
