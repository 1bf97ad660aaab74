/* SPDX-License-Identifier: MIT */
/* One job cut into numbered pieces, which Ctrl-C ends (lib/base/work.h). */
#pragma once

#include "image-tools/stop.h"
#include "lib/base/work.h"

/* As cr_work_run; a stop that was asked for ends it with -ECANCELED. */
static inline int work_run(unsigned threads, uint64_t count, cr_work_fn *piece, void *context,
                           struct cr_error *err)
{
    return cr_work_run(threads, count, piece, context, stop_check, err);
}
