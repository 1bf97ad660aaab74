/* SPDX-License-Identifier: MIT */
/* A store in memory, for tests: empty when opened, gone when closed. */
#pragma once

#include "lib/store/blobs.h"

int cr_mem_store_open(const char *rest, struct cr_store **ret_store, struct cr_error *err);

/* What such a store stands on, for tests that put something between. Returns 0 or -ENOMEM. */
int cr_mem_blobs_new(struct cr_blobs **ret_blobs);
