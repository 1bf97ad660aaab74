/* SPDX-License-Identifier: MIT */
/* One job cut into numbered pieces, done by several threads. */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

/* Do piece `index`; `worker` (0 .. threads-1) tells whose buffers and connection to use. */
typedef int work_fn(void *context, unsigned worker, uint64_t index, struct cr_error *err);

/*
 * Run `piece` for 0 .. count-1, each once, in rising order as threads become free. The first error
 * ends the run and is returned with its sentence; a stop that was asked for ends it with
 * -ECANCELED.
 */
int work_run(unsigned threads, uint64_t count, work_fn *piece, void *context, struct cr_error *err);
