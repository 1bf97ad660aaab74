/* SPDX-License-Identifier: MIT */
/* Little-endian integers in byte strings of any alignment. */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void cr_put_le32(uint8_t *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof(value));
}

static inline void cr_put_le64(uint8_t *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof(value));
}

static inline uint32_t cr_get_le32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof(value));
    return le32toh(value);
}

static inline uint64_t cr_get_le64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof(value));
    return le64toh(value);
}
