/* SPDX-License-Identifier: MIT */
/*
 * Where each chunk lies: id -> pack, offset, length. The packs' lists are kept as they were read,
 * in one open-addressing table that points into them, so that packs can come, be condemned and go
 * without reading a footer twice. Built from the footers and never the truth itself. Not
 * thread-safe.
 */
#pragma once

#include "lib/image/idset.h"
#include "lib/image/pack.h"

struct cr_index;

struct cr_index_pack {
    struct cr_id name;
    struct cr_pack_entry *entries; /* owned by the index; NULL when gone */
    uint32_t count;
    bool gone;      /* not in the store any more; the number stays taken */
    bool condemned; /* by a collector: others are preferred */
    uint64_t stamp; /* when it was last seen, in ticks */
};

struct cr_place {
    uint32_t pack;  /* number of the pack in this index: stays the same for its life */
    uint32_t entry; /* number of the entry in the pack */
    uint32_t offset, frame_len;
    bool condemned; /* no pack that is not condemned has the id */
};

int cr_index_new(struct cr_index **ret_index);
void cr_index_free(struct cr_index *index);

/*
 * Add a pack with the entries of its footer, which are copied; a pack that is known is seen again.
 * Returns 1 when it is new, 0, or -ENOMEM.
 */
int cr_index_add_pack(struct cr_index *index, const struct cr_id *name,
                      const struct cr_pack_entry *entries, uint32_t count);
/* The number of a pack that is not gone. */
bool cr_index_number(const struct cr_index *index, const struct cr_id *name, uint32_t *ret_number);
bool cr_index_has_pack(const struct cr_index *index, const struct cr_id *name);

/* Begin a listing: what is added or touched from here on has been seen. Returns its tick. */
uint64_t cr_index_tick(struct cr_index *index);
void cr_index_touch(struct cr_index *index, const struct cr_id *name);
/* Forget the packs not seen since the tick. Returns how many, or -ENOMEM: nothing is forgotten. */
int64_t cr_index_sweep(struct cr_index *index, uint64_t since);

/* These packs are condemned, known or not, and no others. The set's content is taken over. */
void cr_index_condemn(struct cr_index *index, struct cr_idset *names);
/* This one is not, any more. */
void cr_index_revive(struct cr_index *index, const struct cr_id *name);
bool cr_index_condemns(const struct cr_index *index); /* any */

/* A place of the chunk, in a pack that is not condemned where there is one. */
bool cr_index_find(const struct cr_index *index, const struct cr_id *id,
                   struct cr_place *ret_place);

/* A place in any other pack than this one. */
bool cr_index_find_beside(const struct cr_index *index, const struct cr_id *id,
                          const struct cr_id *name, struct cr_place *ret_place);

/* Packs have the numbers 0 .. cr_index_packs - 1, gone ones too. Borrowed until the next change. */
uint32_t cr_index_packs(const struct cr_index *index);
const struct cr_index_pack *cr_index_pack(const struct cr_index *index, uint32_t number);

/* Different chunks. Looks at all of them. */
uint64_t cr_index_chunks(const struct cr_index *index);
