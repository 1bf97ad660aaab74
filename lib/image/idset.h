/* SPDX-License-Identifier: MIT */
/* A growing set of ids. Not thread-safe. Start from {0}. */
#pragma once

#include "lib/image/object.h"

struct cr_idset {
    struct cr_id *slots; /* the reserved id marks an empty slot */
    uint64_t size, count;
};

void cr_idset_done(struct cr_idset *set);
/* 1 = added, 0 = it was there (so is the reserved id, always), -ENOMEM. */
int cr_idset_add(struct cr_idset *set, const struct cr_id *id);
bool cr_idset_has(const struct cr_idset *set, const struct cr_id *id);
