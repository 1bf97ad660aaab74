/* SPDX-License-Identifier: MIT */
/* One line an event on standard error; never a line a request. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

void log_event(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For events that a stranger can cause at will: at most one a second; the others are only counted.
 */
struct log_limit {
    atomic_uint_least64_t last_s, dropped;
};

/* True when the event may be logged; *ret_dropped = how many were not since the last time. */
bool log_limit_pass(struct log_limit *limit, uint64_t *ret_dropped);
