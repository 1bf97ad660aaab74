/* SPDX-License-Identifier: MIT */
/* The programs and plugins of ours that only other programs of ours start. */
#pragma once

#include "lib/base/error.h"

#include <limits.h>

/*
 * Put into `out` the path of the program or plugin `name`: in the folder that the environment
 * variable CARREL_LIBEXEC names and nowhere else; without it beside the running program, where a
 * build tree has it, or where `make install` put it. Returns 0, or -ENOENT with a clause that names
 * it.
 */
int cr_libexec_find(const char *name, char out[static PATH_MAX], struct cr_error *err);
