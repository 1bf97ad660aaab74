/* SPDX-License-Identifier: MIT */
/* Bytes as lower-case hexadecimal digits. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Lower-case hexadecimal digits, exactly `len` bytes of them. Returns 0 or -EINVAL. */
int cr_hex_parse(const char *text, uint8_t *out, size_t len);

/* `out` has room for 2 * len + 1. */
void cr_hex_format(const uint8_t *bytes, size_t len, char *out);
