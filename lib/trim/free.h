/* SPDX-License-Identifier: MIT */
/* The kinds of file system whose free space we know how to find. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/extents.h"

#include <stdint.h>

/* Where a file system lies. */
struct cr_trim_place {
    const char *path;       /* a file or block device that shows the disk */
    int fd;                 /* the same, open for reading */
    uint64_t offset;        /* bytes from the beginning of the disk */
    uint64_t size_bytes;    /* of the partition */
    const char *nbd_socket; /* the disk's NBD export on a unix socket, or NULL */
};

/*
 * Add the free space of the file system at `place` to `free_space`, in bytes from the beginning of
 * the disk. Returns 0; or -errno with the reason in *err, one clause for the report, and then what
 * was added so far must not be used: the file system is not clean, not whole, or not supported.
 */
typedef int cr_trim_free_fn(const struct cr_trim_place *place, struct cr_extents *free_space,
                            struct cr_error *err);

cr_trim_free_fn cr_trim_free_ext;
cr_trim_free_fn cr_trim_free_ntfs;
cr_trim_free_fn cr_trim_free_xfs;
