/* SPDX-License-Identifier: MIT */
/* Who holds a lock: the cookie of a lock names the process, so that another one can tell of it. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A cookie of this process that nobody had before, of at most `size` - 1 bytes, without spaces. */
int cr_holder_cookie(char *out, size_t size, struct cr_error *err);

/* It was made by a process of this machine and PID namespace that no longer exists. */
bool cr_holder_is_gone(const char *cookie);

/* "pid 12 on host", for people. Returns `out`. */
#define CR_HOLDER_TEXT 96
const char *cr_holder_describe(const char *cookie, char out[static CR_HOLDER_TEXT]);
