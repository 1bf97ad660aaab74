/* SPDX-License-Identifier: MIT */
/* What the side objects of every backend have in common: their names, and reading one. */
#pragma once

#include "lib/store/store.h"

/* A name of letters, digits, '.', '_' and '-' that does not begin with '.', at most
 * CR_BLOB_NAME_MAX long. */
bool cr_side_name_valid(const char *name);

/* True for the spaces that hold side objects which readers of a server may ask for. */
bool cr_side_space_public(enum cr_space space);

/*
 * True when what has this name never changes: parts of deltas, records, and signed metadata that
 * bears its version in its name ("7.root.json").
 */
bool cr_side_immutable(enum cr_space space, const char *name);

/*
 * Append the side object to `out`. Returns 0, -EINVAL for a name that is none, -ENOENT (also where
 * the backend has no side objects), or as cr_store_ops.side_get.
 */
int cr_store_side_read(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err);
