/* SPDX-License-Identifier: MIT */
/* A run of neighbouring chunks of a version, fetched in one request, verified, side by side. */
#pragma once

#include "lib/store/version.h"

#define FETCH_CHUNKS_MAX 64U /* one bit each in a uint64_t */

/*
 * Read the chunks `first` .. first+count-1 (count at most FETCH_CHUNKS_MAX) to `bytes`, each
 * CR_CHUNK_BYTES behind the one before. Holes are left out: bit n of *ret_present tells that chunk
 * first+n is there. The first chunk that is damaged or missing ends it with its sentence.
 */
int fetch_chunks(struct cr_store *store, struct cr_version *version, uint64_t first, unsigned count,
                 uint8_t *bytes, uint64_t *ret_present, struct cr_error *err);
