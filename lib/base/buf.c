/* SPDX-License-Identifier: MIT */
#include "lib/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cr_buf_init(struct cr_buf *buf, size_t max_bytes)
{
    *buf = (struct cr_buf)CR_BUF_INIT(max_bytes);
}

void cr_buf_done(struct cr_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}

int cr_buf_reserve(struct cr_buf *buf, size_t len)
{
    if (len > buf->max)
        return -EMSGSIZE;
    if (len <= buf->cap)
        return 0;
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    while (cap < len)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    uint8_t *data = realloc(buf->data, cap);
    if (data == NULL)
        return -ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int cr_buf_append(struct cr_buf *buf, const void *data, size_t len)
{
    size_t total;
    if (__builtin_add_overflow(buf->len, len, &total))
        return -EMSGSIZE;
    int r = cr_buf_reserve(buf, total);
    if (r < 0)
        return r;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len = total;
    return 0;
}

int cr_buf_printf(struct cr_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0)
        return -EINVAL;
    /* One byte more than counted: vsnprintf always writes its zero. */
    struct cr_buf longer = *buf;
    longer.max = buf->max < SIZE_MAX ? buf->max + 1 : buf->max;
    if (buf->len + (size_t)need > buf->max)
        return -EMSGSIZE;
    int r = cr_buf_reserve(&longer, buf->len + (size_t)need + 1);
    if (r < 0)
        return r;
    buf->data = longer.data;
    buf->cap = longer.cap;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->len, (size_t)need + 1, format, args);
    va_end(args);
    buf->len += (size_t)need;
    return 0;
}
