/* SPDX-License-Identifier: MIT */
/* Numbers as people write and read them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Parse all of `text` as a decimal number up to `max`. Returns 0, -EINVAL or -ERANGE. */
int cr_u64_parse(const char *text, uint64_t max, uint64_t *ret_value);

/*
 * Parse the digits that *text begins with, up to `max`; *text then points behind them. Returns 0,
 * -EINVAL (there is no digit) or -ERANGE, and leaves *text where it was then.
 */
int cr_u64_take(const char **text, uint64_t max, uint64_t *ret_value);

/*
 * Parse a size in bytes: digits and an optional suffix K, M, G or T (powers of 1024; "KiB", "MiB"
 * and so on are taken too). Returns 0, -EINVAL or -ERANGE.
 */
int cr_bytes_parse(const char *text, uint64_t max, uint64_t *ret_bytes);

/* Parse a time span: digits and s, m, h or d ("90d"). Returns 0, -EINVAL or -ERANGE. */
int cr_span_parse(const char *text, uint64_t max_s, uint64_t *ret_s);

/* "1.6 GiB": three digits at most, for people. Returns `out`. */
const char *cr_bytes_format(uint64_t bytes, char *out, size_t out_size);

/* Enough for every cr_bytes_format. */
#define CR_BYTES_TEXT 24
