/* SPDX-License-Identifier: MIT */
/* What lies where on a disk, as libblkid sees it. */
#pragma once

#include "lib/trim/trim.h"

/*
 * Fill `report` with the partitions of the disk `fd` that hold something libblkid knows, or with
 * the whole disk when it has no partition table. `not_trimmed` is set where the layout leaves a
 * doubt. Returns 0 or -errno.
 */
int cr_partitions_find(int fd, uint64_t size_bytes, struct cr_trim_report *report);
