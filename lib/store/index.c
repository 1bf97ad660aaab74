/* SPDX-License-Identifier: MIT */
#include "lib/store/index.h"

#include "lib/base/mem.h"
#include "lib/image/idset.h"

#include <errno.h>

struct slot {
    struct cr_id id; /* the reserved id marks an empty slot */
    struct cr_place place;
};

struct cr_index {
    struct slot *slots;
    uint64_t mask, count;
    struct cr_id *packs;
    uint32_t pack_count, pack_room;
    struct cr_idset pack_set;
};

#define FIRST_SLOTS 4096

int cr_index_new(struct cr_index **ret_index)
{
    struct cr_index *index = cr_calloc(1, sizeof(*index));
    struct slot *slots = cr_calloc(FIRST_SLOTS, sizeof(*slots));
    if (index == NULL || slots == NULL) {
        free(index);
        free(slots);
        return -ENOMEM;
    }
    index->slots = slots;
    index->mask = FIRST_SLOTS - 1;
    *ret_index = index;
    return 0;
}

void cr_index_free(struct cr_index *index)
{
    if (index == NULL)
        return;
    cr_idset_done(&index->pack_set);
    free(index->packs);
    free(index->slots);
    free(index);
}

/* The slot of `id`, or the empty one where it belongs. */
static struct slot *slot_of(struct slot *slots, uint64_t mask, const struct cr_id *id)
{
    uint64_t i = cr_id_hash(id) & mask;
    while (!cr_id_is_hole(&slots[i].id) && !cr_id_equal(&slots[i].id, id))
        i = (i + 1) & mask;
    return &slots[i];
}

/* Room for `more` entries below a load of 2/3. */
static int slots_reserve(struct cr_index *index, uint64_t more)
{
    uint64_t size = index->mask + 1;
    while ((index->count + more) * 3 > size * 2)
        size *= 2;
    if (size == index->mask + 1)
        return 0;
    struct slot *slots = cr_calloc(size, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i <= index->mask; i++)
        if (!cr_id_is_hole(&index->slots[i].id))
            *slot_of(slots, size - 1, &index->slots[i].id) = index->slots[i];
    free(index->slots);
    index->slots = slots;
    index->mask = size - 1;
    return 0;
}

static int packs_reserve(struct cr_index *index)
{
    if (index->pack_count < index->pack_room)
        return 0;
    uint32_t room = index->pack_room ? 2 * index->pack_room : 64;
    struct cr_id *packs = realloc(index->packs, room * sizeof(*packs));
    if (packs == NULL)
        return -ENOMEM;
    index->packs = packs;
    index->pack_room = room;
    return 0;
}

int cr_index_add_pack(struct cr_index *index, const struct cr_id *name,
                      const struct cr_pack_entry *entries, uint32_t count)
{
    int r = slots_reserve(index, count);
    if (r == 0)
        r = packs_reserve(index);
    if (r == 0)
        r = cr_idset_add(&index->pack_set, name);
    if (r <= 0)
        return r; /* no memory, or known already */
    uint32_t pack = index->pack_count++;
    index->packs[pack] = *name;
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = slot_of(index->slots, index->mask, &entries[i].id);
        if (!cr_id_is_hole(&slot->id) || cr_id_is_hole(&entries[i].id))
            continue;
        slot->id = entries[i].id;
        slot->place = (struct cr_place){
            .pack = pack, .offset = entries[i].offset, .frame_len = entries[i].frame_len};
        index->count++;
    }
    return 0;
}

bool cr_index_has_pack(const struct cr_index *index, const struct cr_id *name)
{
    return cr_idset_has(&index->pack_set, name);
}

bool cr_index_find(const struct cr_index *index, const struct cr_id *id, struct cr_place *ret_place)
{
    const struct slot *slot = slot_of(index->slots, index->mask, id);
    if (cr_id_is_hole(&slot->id))
        return false;
    *ret_place = slot->place;
    return true;
}

const struct cr_id *cr_index_pack_name(const struct cr_index *index, uint32_t pack)
{
    return &index->packs[pack];
}

uint64_t cr_index_chunks(const struct cr_index *index)
{
    return index->count;
}

uint32_t cr_index_packs(const struct cr_index *index)
{
    return index->pack_count;
}
