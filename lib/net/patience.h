/* SPDX-License-Identifier: MIT */
/*
 * How long something that failed is tried again: after 0.1 s, then twice as long each time up to
 * 2 s, each time up to a quarter less by chance, so that a room full of seats does not come back in
 * step. Owns no clock that it could wait by.
 */
#pragma once

#include <stdint.h>

/* Of one operation; begin with {0}. */
struct cr_patience {
    uint64_t since_ms; /* of the first failure; 0 = none yet */
    unsigned delay_ms; /* of the last wait */
};

/* Milliseconds and microseconds of a clock that never goes back. */
uint64_t cr_clock_ms(void);
uint64_t cr_clock_us(void);

/*
 * After a failure at `now_ms` (not 0): how many milliseconds to wait before the next attempt, 0 =
 * the patience of `whole_ms` has run out.
 */
uint64_t cr_patience_next(struct cr_patience *patience, uint64_t now_ms, uint64_t whole_ms);
