/* SPDX-License-Identifier: MIT */
#include "server/chunkd/log.h"

#include "lib/base/error.h"
#include "lib/base/fd.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void log_event(const char *format, ...)
{
    /* One write, so that lines of several threads do not mix. */
    char line[CR_ERROR_BYTES + 256];
    int n = snprintf(line, sizeof(line), "carrel-chunkd: ");
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    if (m < 0)
        return;
    size_t len = (size_t)n + (size_t)m;
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    line[len++] = '\n';
    cr_write_full(STDERR_FILENO, line, len);
}

bool log_limit_pass(struct log_limit *limit, uint64_t *ret_dropped)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint_least64_t now_s = (uint_least64_t)now.tv_sec + 1, last_s = atomic_load(&limit->last_s);
    if (last_s == now_s || !atomic_compare_exchange_strong(&limit->last_s, &last_s, now_s)) {
        atomic_fetch_add(&limit->dropped, 1);
        return false;
    }
    *ret_dropped = atomic_exchange(&limit->dropped, 0);
    return true;
}
