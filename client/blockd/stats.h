/* SPDX-License-Identifier: MIT */
#pragma once

#include "client/blockd/seat.h"

/* Write what was read, pulled and touched to `path`, as one JSON object on a line. 0 or -errno. */
int stats_write(const struct seat *seat, const char *path);
