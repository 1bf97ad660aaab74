/* SPDX-License-Identifier: MIT */
#include "lib/base/error.h"

#include <stdio.h>
#include <string.h>

int cr_error_set(struct cr_error *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return code;
}

/* Replace the text by "head" + separator + "tail", cut at the buffer's end. */
static void error_join(struct cr_error *err, const char *head, const char *tail)
{
    char joined[CR_ERROR_BYTES];
    size_t head_len = strnlen(head, sizeof(joined) - 3);
    size_t room = sizeof(joined) - head_len - 3;
    size_t tail_len = strnlen(tail, room);
    memcpy(joined, head, head_len);
    memcpy(joined + head_len, ": ", 2);
    memcpy(joined + head_len + 2, tail, tail_len);
    joined[head_len + 2 + tail_len] = '\0';
    memcpy(err->text, joined, sizeof(err->text));
}

int cr_error_errno(struct cr_error *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char head[CR_ERROR_BYTES];
    char reason[128];
    va_list args;
    va_start(args, format);
    vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    error_join(err, head, strerror_r(-code, reason, sizeof(reason)));
    return code;
}

int cr_error_prefix(struct cr_error *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char head[CR_ERROR_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    error_join(err, head, err->text);
    return code;
}
