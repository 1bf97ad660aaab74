/* SPDX-License-Identifier: MIT */
/*
 * Block devices in Ceph as people write them, "rbd:POOL[/NAMESPACE]/IMAGE[?conf=FILE&id=NAME]", the
 * same way as a store in Ceph is named. QEMU's driver reads and writes them (package
 * qemu-block-extra).
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

bool cr_rbd_is(const char *text);

/*
 * What QEMU calls it: "rbd:POOL/IMAGE:conf=FILE:id=NAME", with a backslash before what its syntax
 * would take for its own, and a limit of 30 s for reaching the cluster (its default is 5 minutes).
 * *ret_spec is owned by the caller. Returns 0, -ENOMEM, or -EINVAL with a sentence.
 */
int cr_rbd_spec(const char *text, char **ret_spec, struct cr_error *err);
