/* SPDX-License-Identifier: MIT */
#include "lib/store/index.h"

#include "lib/base/mem.h"

#include <errno.h>

/* Points to one entry of one pack. An id that lies in several packs has several slots. */
struct slot {
    uint32_t pack; /* its number + 1; 0 = empty */
    uint32_t entry;
};

struct cr_index {
    struct slot *slots;
    uint64_t mask, used; /* used: slots, those of packs that are gone too */
    struct cr_index_pack *packs;
    uint32_t pack_count, pack_room;
    uint32_t *names; /* numbers + 1 of the packs by their names; 0 = empty */
    uint64_t names_mask;
    struct cr_idset condemned;
    uint64_t tick;
};

#define FIRST_SLOTS 4096
#define FIRST_PACKS 64

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
    for (uint32_t i = 0; i < index->pack_count; i++)
        free(index->packs[i].entries);
    cr_idset_done(&index->condemned);
    free(index->packs);
    free(index->names);
    free(index->slots);
    free(index);
}

/* --- packs by name --------------------------------------------------------------------------- */

/* The pack, gone or not, or NULL. */
static struct cr_index_pack *pack_find(const struct cr_index *index, const struct cr_id *name)
{
    if (index->names == NULL)
        return NULL;
    for (uint64_t i = cr_id_hash(name) & index->names_mask; index->names[i] != 0;
         i = (i + 1) & index->names_mask) {
        struct cr_index_pack *pack = &index->packs[index->names[i] - 1];
        if (cr_id_equal(&pack->name, name))
            return pack;
    }
    return NULL;
}

static void name_insert(uint32_t *names, uint64_t mask, const struct cr_id *name, uint32_t number)
{
    uint64_t i = cr_id_hash(name) & mask;
    while (names[i] != 0)
        i = (i + 1) & mask;
    names[i] = number + 1;
}

/* Room for one more pack; the table of names is four times as large. */
static int packs_reserve(struct cr_index *index)
{
    if (index->pack_count < index->pack_room)
        return 0;
    uint32_t room = index->pack_room ? 2 * index->pack_room : FIRST_PACKS;
    uint64_t size = 4 * (uint64_t)room;
    uint32_t *names = cr_calloc(size, sizeof(*names));
    struct cr_index_pack *packs =
        names == NULL ? NULL : realloc(index->packs, room * sizeof(*packs));
    if (packs == NULL) {
        free(names);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < index->pack_count; i++)
        name_insert(names, size - 1, &packs[i].name, i);
    free(index->names);
    index->names = names;
    index->names_mask = size - 1;
    index->packs = packs;
    index->pack_room = room;
    return 0;
}

/* --- chunks ---------------------------------------------------------------------------------- */

static void slot_insert(struct slot *slots, uint64_t mask, const struct cr_id *id, uint32_t pack,
                        uint32_t entry)
{
    uint64_t i = cr_id_hash(id) & mask;
    while (slots[i].pack != 0)
        i = (i + 1) & mask;
    slots[i] = (struct slot){.pack = pack + 1, .entry = entry};
}

static uint64_t pack_insert(struct slot *slots, uint64_t mask, const struct cr_index_pack *pack,
                            uint32_t number)
{
    uint64_t inserted = 0;
    for (uint32_t i = 0; i < pack->count && !pack->gone; i++) {
        if (cr_id_is_hole(&pack->entries[i].id))
            continue;
        slot_insert(slots, mask, &pack->entries[i].id, number, i);
        inserted++;
    }
    return inserted;
}

/* A new table of what is not gone, with room for `more` below a load of 2/3. */
static int slots_rebuild(struct cr_index *index, uint64_t more)
{
    uint64_t need = more, size = FIRST_SLOTS;
    for (uint32_t i = 0; i < index->pack_count; i++)
        need += index->packs[i].gone ? 0 : index->packs[i].count;
    while (need * 3 > size * 2)
        size *= 2;
    struct slot *slots = cr_calloc(size, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    index->used = 0;
    for (uint32_t i = 0; i < index->pack_count; i++)
        index->used += pack_insert(slots, size - 1, &index->packs[i], i);
    free(index->slots);
    index->slots = slots;
    index->mask = size - 1;
    return 0;
}

int cr_index_add_pack(struct cr_index *index, const struct cr_id *name,
                      const struct cr_pack_entry *entries, uint32_t count)
{
    struct cr_index_pack *pack = pack_find(index, name);
    if (pack != NULL && !pack->gone) {
        pack->stamp = index->tick;
        return 0;
    }
    CLEANUP_FREE struct cr_pack_entry *copy = cr_calloc(count, sizeof(*copy));
    if (copy == NULL || (pack == NULL && packs_reserve(index) < 0))
        return -ENOMEM;
    if ((index->used + count) * 3 > (index->mask + 1) * 2 && slots_rebuild(index, count) < 0)
        return -ENOMEM;
    memcpy(copy, entries, count * sizeof(*copy));
    if (pack == NULL) {
        pack = &index->packs[index->pack_count];
        name_insert(index->names, index->names_mask, name, index->pack_count++);
    }
    *pack = (struct cr_index_pack){.name = *name,
                                   .entries = TAKE_PTR(copy),
                                   .count = count,
                                   .condemned = cr_idset_has(&index->condemned, name),
                                   .stamp = index->tick};
    index->used += pack_insert(index->slots, index->mask, pack, (uint32_t)(pack - index->packs));
    return 1;
}

bool cr_index_number(const struct cr_index *index, const struct cr_id *name, uint32_t *ret_number)
{
    const struct cr_index_pack *pack = pack_find(index, name);
    if (pack == NULL || pack->gone)
        return false;
    *ret_number = (uint32_t)(pack - index->packs);
    return true;
}

bool cr_index_has_pack(const struct cr_index *index, const struct cr_id *name)
{
    uint32_t number;
    return cr_index_number(index, name, &number);
}

/* A place, in a pack that is not condemned where there is one, and never in `beside`. */
static bool place_find(const struct cr_index *index, const struct cr_id *id,
                       const struct cr_id *beside, struct cr_place *ret_place)
{
    bool found = false;
    for (uint64_t i = cr_id_hash(id) & index->mask; index->slots[i].pack != 0;
         i = (i + 1) & index->mask) {
        const struct slot *slot = &index->slots[i];
        const struct cr_index_pack *pack = &index->packs[slot->pack - 1];
        if (pack->gone || !cr_id_equal(&pack->entries[slot->entry].id, id) ||
            (found && pack->condemned) || (beside != NULL && cr_id_equal(&pack->name, beside)))
            continue;
        *ret_place = (struct cr_place){.pack = slot->pack - 1,
                                       .entry = slot->entry,
                                       .offset = pack->entries[slot->entry].offset,
                                       .frame_len = pack->entries[slot->entry].frame_len,
                                       .condemned = pack->condemned};
        found = true;
        if (!pack->condemned)
            return true;
    }
    return found;
}

bool cr_index_find(const struct cr_index *index, const struct cr_id *id, struct cr_place *ret_place)
{
    return place_find(index, id, NULL, ret_place);
}

bool cr_index_find_beside(const struct cr_index *index, const struct cr_id *id,
                          const struct cr_id *name, struct cr_place *ret_place)
{
    return place_find(index, id, name, ret_place);
}

/* --- what goes ------------------------------------------------------------------------------- */

uint64_t cr_index_tick(struct cr_index *index)
{
    return ++index->tick;
}

void cr_index_touch(struct cr_index *index, const struct cr_id *name)
{
    struct cr_index_pack *pack = pack_find(index, name);
    if (pack != NULL)
        pack->stamp = index->tick;
}

int64_t cr_index_sweep(struct cr_index *index, uint64_t since)
{
    int64_t swept = 0;
    for (uint32_t i = 0; i < index->pack_count; i++) {
        struct cr_index_pack *pack = &index->packs[i];
        if (!pack->gone && pack->stamp < since) {
            pack->gone = true;
            swept++;
        }
    }
    if (swept == 0)
        return 0;
    if (slots_rebuild(index, 0) < 0) { /* the old slots still point to the entries */
        for (uint32_t i = 0; i < index->pack_count; i++)
            index->packs[i].gone = index->packs[i].entries == NULL;
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < index->pack_count; i++) {
        if (!index->packs[i].gone)
            continue;
        free(index->packs[i].entries);
        index->packs[i].entries = NULL;
        index->packs[i].count = 0;
    }
    return swept;
}

void cr_index_condemn(struct cr_index *index, struct cr_idset *names)
{
    cr_idset_done(&index->condemned);
    index->condemned = *names;
    *names = (struct cr_idset){0};
    for (uint32_t i = 0; i < index->pack_count; i++)
        index->packs[i].condemned = cr_idset_has(&index->condemned, &index->packs[i].name);
}

void cr_index_revive(struct cr_index *index, const struct cr_id *name)
{
    struct cr_index_pack *pack = pack_find(index, name);
    if (pack != NULL)
        pack->condemned = false;
}

bool cr_index_condemns(const struct cr_index *index)
{
    return index->condemned.count > 0;
}

/* --- figures --------------------------------------------------------------------------------- */

uint32_t cr_index_packs(const struct cr_index *index)
{
    return index->pack_count;
}

const struct cr_index_pack *cr_index_pack(const struct cr_index *index, uint32_t number)
{
    return &index->packs[number];
}

uint64_t cr_index_chunks(const struct cr_index *index)
{
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < index->pack_count; i++) {
        for (uint32_t k = 0; k < index->packs[i].count; k++) {
            struct cr_place place;
            chunks += cr_index_find(index, &index->packs[i].entries[k].id, &place) &&
                      place.pack == i && place.entry == k;
        }
    }
    return chunks;
}
