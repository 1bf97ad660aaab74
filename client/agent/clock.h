/* SPDX-License-Identifier: MIT */
/* Deadlines on the monotonic clock, in milliseconds. INT64_MAX is never. */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What poll(2) takes: milliseconds until `deadline`, 0 when it has passed, -1 for never. */
static inline int clock_left_ms(int64_t deadline)
{
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - clock_now_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
