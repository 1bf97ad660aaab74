/* SPDX-License-Identifier: MIT */
#include "lib/base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int cr_u64_take(const char **text, uint64_t max, uint64_t *ret_value)
{
    const char *p = *text;
    uint64_t value = 0;
    bool too_large = false;
    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            too_large = true;
    }
    if (too_large || value > max)
        return -ERANGE;
    *text = p;
    *ret_value = value;
    return 0;
}

int cr_u64_parse(const char *text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    int r = cr_u64_take(&text, max, &value);
    if (r < 0)
        return r;
    if (*text != '\0')
        return -EINVAL;
    *ret_value = value;
    return 0;
}

int cr_bytes_parse(const char *text, uint64_t max, uint64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    uint64_t value = 0;
    int r = cr_u64_take(&text, UINT64_MAX, &value);
    if (r < 0)
        return r;
    if (*text != '\0' && strchr(units, *text) != NULL) {
        unsigned shift = 10 * ((unsigned)(strchr(units, *text) - units) + 1);
        if (value > UINT64_MAX >> shift)
            return -ERANGE;
        value <<= shift;
        text++;
        if (strcmp(text, "iB") == 0)
            text += 2;
    }
    if (*text != '\0')
        return -EINVAL;
    if (value > max)
        return -ERANGE;
    *ret_bytes = value;
    return 0;
}

int cr_span_parse(const char *text, uint64_t max_s, uint64_t *ret_s)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    uint64_t value = 0;
    int r = cr_u64_take(&text, UINT64_MAX, &value);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[0] != units[i].letter || text[1] != '\0')
            continue;
        if (__builtin_mul_overflow(value, units[i].seconds, &value) || value > max_s)
            return -ERANGE;
        *ret_s = value;
        return 0;
    }
    return -EINVAL;
}

const char *cr_bytes_format(uint64_t bytes, char *out, size_t out_size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1000.0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        unit++;
    }
    int decimals = unit == 0 || value >= 100.0 ? 0 : value >= 10.0 ? 1 : 2;
    snprintf(out, out_size, "%.*f %s", decimals, value, units[unit]);
    return out;
}
