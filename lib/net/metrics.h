/* SPDX-License-Identifier: MIT */
/* What a server says of itself at /metrics: the text format of Prometheus, version 0.0.4. */
#pragma once

#include <stddef.h>

/*
 * The sum of all samples in `text` that are named `name`: with its labels exactly those, without
 * labels all of that name. Lines that are no samples are passed over. Returns 0, or -ENOENT when
 * there is none.
 */
int cr_metrics_sum(const char *text, size_t len, const char *name, double *ret_sum);
