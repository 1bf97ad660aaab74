/* SPDX-License-Identifier: MIT */
#include "lib/base/hex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cr_hex_parse(const char *text, uint8_t *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * len)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        const char *high = strchr(digits, text[2 * i]), *low = strchr(digits, text[2 * i + 1]);
        if (high == NULL || low == NULL)
            return -EINVAL;
        out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return 0;
}

void cr_hex_format(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    out[2 * len] = '\0';
}
