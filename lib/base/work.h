/* SPDX-License-Identifier: MIT */
/* One job cut into numbered pieces, done by several threads. */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

#define CR_WORK_THREADS_MAX 16U

/* Do piece `index`; `worker` (0 .. threads-1) tells whose buffers and connection to use. */
typedef int cr_work_fn(void *context, unsigned worker, uint64_t index, struct cr_error *err);

/* Asked before each piece, from any worker: not 0 ends the run with that value and its sentence. */
typedef int cr_work_stop(struct cr_error *err);

/*
 * Run `piece` for 0 .. count-1, each once, in rising order as threads become free. The first error
 * ends the run and is returned with its sentence. `stop` may be NULL.
 */
int cr_work_run(unsigned threads, uint64_t count, cr_work_fn *piece, void *context,
                cr_work_stop *stop, struct cr_error *err);
