/* SPDX-License-Identifier: MIT */
/*
 * carrel-agent capture: a golden image made on this PC. The work is carrel-sync's, a program of its
 * own that needs none of the agent's rights; the agent knows where overlays lie and which are in
 * use.
 */
#pragma once

#include "lib/base/error.h"

/*
 * Become carrel-sync capture with these arguments. With `--cache DIR` among them the last one is
 * the id of an overlay that was kept or can be fetched, which stays locked meanwhile; without, a
 * file. Returns only on failure.
 */
int capture_run(int argc, char **argv, struct cr_error *err);
