/* SPDX-License-Identifier: MIT */
#include "lib/net/patience.h"

#include <sys/random.h>
#include <time.h>

#define DELAY_MIN_MS 100U
#define DELAY_MAX_MS 2000U

uint64_t cr_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t cr_clock_ms(void)
{
    return cr_clock_us() / 1000;
}

/* Three quarters of it up to all of it. */
static unsigned jitter(unsigned ms)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        return ms;
    return ms - random % (ms / 4 + 1);
}

uint64_t cr_patience_next(struct cr_patience *patience, uint64_t now_ms, uint64_t whole_ms)
{
    if (patience->since_ms == 0)
        patience->since_ms = now_ms;
    uint64_t spent = now_ms - patience->since_ms;
    if (spent >= whole_ms)
        return 0;
    unsigned delay = patience->delay_ms == 0 ? DELAY_MIN_MS : patience->delay_ms * 2;
    patience->delay_ms = delay > DELAY_MAX_MS ? DELAY_MAX_MS : delay;
    uint64_t ms = jitter(patience->delay_ms);
    return ms < whole_ms - spent ? ms : whole_ms - spent;
}
