/* SPDX-License-Identifier: MIT */
#pragma once

#include "client/blockd/options.h"

/*
 * Become nbdkit with the plugin of this folder: the process stays the same, so whoever started it
 * watches and ends nbdkit itself. Returns only when that failed, -errno with a sentence.
 */
int launch(const struct options *options, struct cr_error *err);
