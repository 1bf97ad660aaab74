/* SPDX-License-Identifier: MIT */
/*
 * Unsigned numbers of up to 56 bits in as few bytes as they need: seven bits a byte, the lowest
 * first, the high bit set in all but the last (LEB128). A longer form than needed is refused.
 */
#pragma once

#include "lib/base/buf.h"

#include <errno.h>

#define CR_VARINT_BYTES_MAX 8U

/* Returns 0 and moves *next behind the number, or -EBADMSG. */
static inline int cr_varint_get(const uint8_t **next, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < CR_VARINT_BYTES_MAX && *next + i < end; i++) {
        uint8_t byte = (*next)[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0)
            continue;
        if (byte == 0 && i > 0)
            return -EBADMSG;
        *next += i + 1;
        *ret_value = value;
        return 0;
    }
    return -EBADMSG;
}

/* Returns 0 or as cr_buf_append. `value` has at most 56 bits. */
static inline int cr_varint_put(struct cr_buf *out, uint64_t value)
{
    uint8_t bytes[CR_VARINT_BYTES_MAX];
    unsigned count = 0;
    for (; value > 0x7f; value >>= 7)
        bytes[count++] = (uint8_t)(value | 0x80);
    bytes[count++] = (uint8_t)value;
    return cr_buf_append(out, bytes, count);
}

/* Signed numbers: 0, -1, 1, -2 ... become 0, 1, 2, 3 ... */
static inline uint64_t cr_varint_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t cr_varint_zagzig(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (~(value & 1) + 1));
}
