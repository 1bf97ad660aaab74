/* SPDX-License-Identifier: MIT */
#include "lib/base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed, printable character at `p`; 0 when it is none. */
static size_t plain_char(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t len = u[0] < 0x80 ? 1 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (len == 1)
        return u[0] >= 0x20 && u[0] != 0x7f ? 1 : 0;
    if (u[0] < 0xc2 || u[0] > 0xf4)
        return 0;
    uint32_t code = u[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (u[i] & 0x3fU);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return code < 0xa0 ? 0 : len; /* U+0080 to U+009F are control characters */
}

bool cr_text_is_plain(const char *text)
{
    while (*text != '\0') {
        size_t len = plain_char(text);
        if (len == 0)
            return false;
        text += len;
    }
    return true;
}

const char *cr_text_clean(const char *text, char *out, size_t out_size)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t len = plain_char(text);
        if (used + (len ? len : 1) >= out_size)
            break;
        if (len == 0) {
            out[used++] = '?';
            text++;
        } else {
            memcpy(out + used, text, len);
            used += len;
            text += len;
        }
    }
    out[used] = '\0';
    return out;
}

const char *cr_text_escape(const char *text, char *out, size_t out_size)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t len = plain_char(text);
        bool escape = len == 0 || *text == '\\';
        if (used + (escape ? 4 : len) >= out_size)
            break;
        if (escape) {
            used += (size_t)snprintf(out + used, out_size - used, "\\x%02x", (unsigned char)*text);
            text++;
        } else {
            memcpy(out + used, text, len);
            used += len;
            text += len;
        }
    }
    out[used] = '\0';
    return out;
}
