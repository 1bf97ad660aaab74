/* SPDX-License-Identifier: MIT */
/* What push and pull of a private overlay have open. */
#pragma once

#include "lib/sync/note.h"
#include "lib/sync/private.h"
#include "lib/sync/seal.h"

#include <limits.h>

struct cr_place {
    const struct cr_private *what;
    struct cr_store *images; /* golden versions, read from carrel-chunkd */
    struct cr_store *vaults; /* the owner's store, read from carrel-syncd */
    struct cr_store *up;     /* and written through it */
    struct cr_owner_keys keys;
    char name[CR_NAME_MAX + 1]; /* of the overlay in the store: without meaning */
    struct cr_sync_note note;
    char note_path[PATH_MAX];
};

/* Open all of it and fetch the keys. Close it in any case. */
int cr_place_open(struct cr_place *place, const struct cr_private *what, struct cr_error *err);
void cr_place_close(struct cr_place *place);
