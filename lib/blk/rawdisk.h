/* SPDX-License-Identifier: MIT */
/* Is a file without any header really a disk? */
#pragma once

#include <stdint.h>

/*
 * QEMU takes every file that it does not know for a raw disk. Returns 1 when the first bytes of
 * `fd` look like a disk (a partition table, a file system or another known content, a boot sector)
 * or are all zero (an empty disk), 0 when not, -errno when it cannot be read.
 */
int cr_raw_disk_probe(int fd, uint64_t size_bytes);
