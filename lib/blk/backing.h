/* SPDX-License-Identifier: MIT */
/* Which version does an overlay stand on? */
#pragma once

#include "lib/image/head.h"

#include <stdbool.h>

/*
 * Find NAME@N in the name of a backing file: an NBD URI whose export has that name
 * (nbd+unix:///physics@7?socket=..., nbd://host/physics@7), "nbd:...:exportname=physics@7", or
 * QEMU's "json:{...}" with such an export. Returns false when it tells none.
 */
bool cr_backing_ref(const char *backing, struct cr_ref *ret_ref);
