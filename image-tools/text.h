/* SPDX-License-Identifier: MIT */
/* Text that people wrote and people read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 (RFC 3629) without control characters (C0, DEL, C1). */
bool text_is_plain(const char *text);

/*
 * The text with every byte that is not plain replaced by '?', cut to `out_size`: what stands in a
 * store must not steer the terminal. Returns `out`.
 */
const char *text_clean(const char *text, char *out, size_t out_size);

/* "2026-05-20 16:08 UTC". Returns `out`. */
#define TEXT_TIME 32
const char *text_time(int64_t seconds, char out[static TEXT_TIME]);
