/* SPDX-License-Identifier: MIT */
/* A store that asks peers for chunks and segments; all else goes to the server's store behind it.
 */
#pragma once

#include "lib/peer/fetch.h"

/* Both are borrowed until the store is closed. Returns 0 or -ENOMEM. */
int cr_peerstore_new(struct cr_peerfetch *fetch, struct cr_store *inner, unsigned hedge_ms,
                     struct cr_store **ret_store);
