/* SPDX-License-Identifier: MIT */
/* A part of a disk as a device of libntfs-3g that can be read and not written. */
#pragma once

#include <sys/stat.h> /* or libntfs-3g defines struct timespec */

#include <ntfs-3g/types.h>

#include <ntfs-3g/device.h>

struct window {
    int fd; /* borrowed; open for reading */
    s64 offset, size_bytes;
    s64 position; /* of `read`; begins at 0 */
};

/* What ntfs_device_alloc is given, with a struct window as its private data. */
extern struct ntfs_device_operations window_operations;
