/* SPDX-License-Identifier: MIT */
/* A store in a folder: the default backend. Its layout is in lib/FORMAT.md, "Folder". */
#pragma once

#include "lib/store/store.h"

int cr_dir_store_open(const char *path, struct cr_store **ret_store, struct cr_error *err);

/* Makes the folder too. -EEXIST when it holds something already. */
int cr_dir_store_init(const char *path, struct cr_error *err);
