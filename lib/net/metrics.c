/* SPDX-License-Identifier: MIT */
#include "lib/net/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_MAX 32

/* What stands behind the name and labels of a sample: a number, then nothing or a time stamp. */
static bool value_parse(const char *p, const char *end, double *ret_value)
{
    char text[VALUE_BYTES_MAX + 1], *stop;
    size_t len = 0;
    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p != ' '; p++) {
        if (len == VALUE_BYTES_MAX || *p == '\0')
            return false;
        text[len++] = *p;
    }
    text[len] = '\0';
    double value = strtod(text, &stop);
    if (len == 0 || *stop != '\0' || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

/* Behind the name that was asked for and the labels that were not; NULL = another sample. */
static const char *value_find(const char *line, const char *end, const char *name)
{
    size_t len = strlen(name);
    if ((size_t)(end - line) <= len || memcmp(line, name, len) != 0)
        return NULL;
    const char *p = line + len;
    if (*p == '{' && strchr(name, '{') == NULL) {
        p = memrchr(p, '}', (size_t)(end - p));
        if (p == NULL || ++p == end)
            return NULL;
    }
    return *p == ' ' ? p : NULL;
}

int cr_metrics_sum(const char *text, size_t len, const char *name, double *ret_sum)
{
    double sum = 0, value;
    bool found = false;
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *line_end = newline != NULL ? newline : end;
        const char *behind = value_find(p, line_end, name);
        if (behind != NULL && value_parse(behind, line_end, &value)) {
            sum += value;
            found = true;
        }
        p = line_end + (newline != NULL);
    }
    if (!found)
        return -ENOENT;
    *ret_sum = sum;
    return 0;
}
