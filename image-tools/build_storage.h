/* SPDX-License-Identifier: MIT */
/* The monitor of a qemu-storage-daemon (QEMU's QMP: a JSON object a line, each way). */
#pragma once

#include "lib/base/error.h"

#include <jansson.h>

/* Connect to the monitor's socket, greet. Returns the descriptor or -errno; -ENOENT and
 * -ECONNREFUSED while there is no monitor yet. */
int build_storage_connect(const char *socket, struct cr_error *err);

/* Run one command; takes the reference of `arguments`. */
int build_storage_command(int fd, const char *command, json_t *arguments, struct cr_error *err);
