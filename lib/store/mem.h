/* SPDX-License-Identifier: MIT */
/* A store in memory, for tests: empty when opened, gone when closed. */
#pragma once

#include "lib/store/store.h"

int cr_mem_store_open(const char *rest, struct cr_store **ret_store, struct cr_error *err);
