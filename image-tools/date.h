/* SPDX-License-Identifier: MIT */
/* Moments as people write them on the command line. */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

/*
 * "2026-12-01", "2026-12-01T08:00", "2026-12-01T08:00:30": local time, with a Z behind the time
 * UTC; or "+30m", "+8h", "+2d", "+1w" from `now_s` on. Gives seconds since 1970, UTC. Returns 0 or
 * -EINVAL with a sentence that shows the forms.
 */
int date_parse(const char *text, int64_t now_s, int64_t *ret_s, struct cr_error *err);
