/* SPDX-License-Identifier: MIT */
/* --record: the reads of this run as a trace (lib/blk/trace.h), for carrel-bench. */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

/* Begin to write `path` anew. Returns 0 or -errno with a sentence. */
int record_open(const char *path, struct cr_error *err);

/* A read of the disk came. Does nothing without record_open. Thread-safe. */
void record_read(uint64_t offset, uint32_t len);

/* Returns 0, or -errno when not all of it could be written. */
int record_close(void);
