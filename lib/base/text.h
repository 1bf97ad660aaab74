/* SPDX-License-Identifier: MIT */
/* Text from outside that people will read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 (RFC 3629) without control characters (C0, DEL, C1). */
bool cr_text_is_plain(const char *text);

/*
 * The text with every byte that is not plain replaced by '?', cut to `out_size`: what stands in a
 * store must not steer the terminal. Returns `out`.
 */
const char *cr_text_clean(const char *text, char *out, size_t out_size);

/*
 * The same, but so that no two texts look alike: every byte that is not plain, and the backslash,
 * as \xHH. Four times the length of the text, and 1, is always enough. Returns `out`.
 */
const char *cr_text_escape(const char *text, char *out, size_t out_size);
