/* SPDX-License-Identifier: MIT */
/* Counters, and their text form for Prometheus. */
#pragma once

#include "lib/base/buf.h"

#include <stdatomic.h>

struct server;

/* Statuses that are counted; any other falls under the last one. */
#define METRICS_STATUSES 12
#define METRICS_ROUTES   19

struct metrics {
    atomic_uint_least64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    atomic_uint_least64_t sent_bytes; /* bodies of answers that went out whole */
    atomic_uint_least64_t connections_total, tls_failures;
    atomic_uint in_flight, connections;
};

/* The process has started. */
void metrics_begin(void);

/* Count an answer of the route with this index (routes.h). */
void metrics_answered(struct metrics *metrics, unsigned route, unsigned status);

/* The text of /metrics, appended to `out`. Returns 0 or as cr_buf_printf. */
int metrics_format(struct server *server, struct cr_buf *out);
