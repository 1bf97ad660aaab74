/* SPDX-License-Identifier: MIT */
/*
 * Where each chunk lies: id -> pack, offset, length, in one open-addressing table. Built from the
 * footers of the packs and never the truth itself. Not thread-safe.
 */
#pragma once

#include "lib/image/pack.h"

struct cr_index;

struct cr_place {
    uint32_t pack; /* number of the pack in this index */
    uint32_t offset, frame_len;
};

int cr_index_new(struct cr_index **ret_index);
void cr_index_free(struct cr_index *index);

/* Add a pack with the entries of its footer. Ids that have a place keep it. Returns 0 or -ENOMEM.
 */
int cr_index_add_pack(struct cr_index *index, const struct cr_id *name,
                      const struct cr_pack_entry *entries, uint32_t count);
bool cr_index_has_pack(const struct cr_index *index, const struct cr_id *name);
bool cr_index_find(const struct cr_index *index, const struct cr_id *id,
                   struct cr_place *ret_place);
/* Borrowed until the next add. */
const struct cr_id *cr_index_pack_name(const struct cr_index *index, uint32_t pack);
uint64_t cr_index_chunks(const struct cr_index *index);
uint32_t cr_index_packs(const struct cr_index *index);
