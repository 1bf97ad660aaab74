/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/store/store.h"

/*
 * A cr_trust_fetch (client.h) that reads CR_SPACE_TRUST of the store that is its `context`, near or
 * behind a server.
 */
int cr_trust_store_fetch(void *store, const char *name, size_t max_bytes, struct cr_buf *out,
                         struct cr_error *err);
