/* SPDX-License-Identifier: MIT */
/* Text that people wrote and people read. */
#pragma once

#include "lib/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool text_is_plain(const char *text)
{
    return cr_text_is_plain(text);
}

static inline const char *text_clean(const char *text, char *out, size_t out_size)
{
    return cr_text_clean(text, out, out_size);
}

/* "2026-05-20 16:08 UTC". Returns `out`. */
#define TEXT_TIME 32
const char *text_time(int64_t seconds, char out[static TEXT_TIME]);
