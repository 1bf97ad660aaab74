/* SPDX-License-Identifier: MIT */
/*
 * The personal data disk: a second disk, never thrown away, that belongs to a person (or to the
 * seat, when nobody is named) and not to an image. A qcow2 file of its own, without a base.
 */
#pragma once

#include "client/agent/session.h"

/*
 * The file of the data disk that the options ask for into `path`, of PATH_MAX; "" when they ask for
 * none. `bytes` is the size that the desktop wants, 0 = none. A disk given by its size stands in
 * CACHE/data-disks and is made when it is not there, whole and durable before it has its name; one
 * that is there keeps its size.
 */
int data_disk_open(const struct session_options *options, uint64_t bytes, char *path,
                   struct cr_error *err);
