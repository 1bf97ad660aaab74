/* SPDX-License-Identifier: MIT */
/* Whole reads and writes, and files that are either the old or the new one after any crash. */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Read exactly `len` bytes at `offset`. Returns 0, -errno, or -ENODATA when the file ends before.
 */
int cr_pread_full(int fd, void *data, size_t len, uint64_t offset);

/* Write all of it, at `offset` or at the file position. Returns 0 or -errno. */
int cr_pwrite_full(int fd, const void *data, size_t len, uint64_t offset);
int cr_write_full(int fd, const void *data, size_t len);

/*
 * Read a whole regular file below `dir_fd` (AT_FDCWD for a plain path) into `buf`, whose maximum is
 * the limit. Returns 0 or -errno; -EMSGSIZE when the file is larger than that.
 */
int cr_file_read(int dir_fd, const char *path, struct cr_buf *buf);

/*
 * Make `path` hold exactly `data` whatever crash comes between: write a temporary neighbour, fsync
 * it, rename it over `path`, fsync the folder. Returns 0 or -errno; on failure `path` is unchanged.
 */
int cr_file_replace(int dir_fd, const char *path, const void *data, size_t len, mode_t mode);

/* fsync the folder `path` below `dir_fd`, so that the names in it survive a power cut. */
int cr_dir_fsync(int dir_fd, const char *path);

/* mkdir -p below `dir_fd`. Existing folders are fine. Returns 0 or -errno. */
int cr_dir_make(int dir_fd, const char *path, mode_t mode);

/* Remove a folder and all that is in it; symbolic links are removed, not followed. */
int cr_dir_remove(int dir_fd, const char *path);
