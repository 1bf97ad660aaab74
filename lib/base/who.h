/* SPDX-License-Identifier: MIT */
/* Who does something, for histories that people read. It proves nothing. */
#pragma once

#include "lib/base/limits.h"

/*
 * $CARREL_BY, or else "user@host", cut to CR_WHO_BYTES_MAX bytes; UTF-8 without control characters,
 * any other byte becomes '?'. Returns `out`.
 */
const char *cr_who(char out[static CR_WHO_BYTES_MAX + 1]);
