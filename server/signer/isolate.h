/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/base/error.h"

/*
 * Give up what a signer does not need: the network (a network namespace of its own, in which there
 * is none), core dumps, new privileges, and, when it was started as root, being root: it becomes
 * the owner of `state_dir`. Unix sockets that have a path still work. Returns 0 or -errno; a
 * process that still has a network is refused.
 */
int isolate(const char *state_dir, struct cr_error *err);
