/* SPDX-License-Identifier: MIT */
/* A byte buffer that grows and cannot be made without a maximum. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct cr_buf {
    uint8_t *data; /* owned; NULL when nothing was ever stored */
    size_t len;    /* bytes in use */
    size_t cap;    /* bytes allocated */
    size_t max;    /* len never exceeds this */
};

/* An empty buffer that refuses to hold more than `max` bytes. */
#define CR_BUF_INIT(max_bytes)                                                                     \
    {                                                                                              \
        .max = (max_bytes)                                                                         \
    }

void cr_buf_init(struct cr_buf *buf, size_t max_bytes);

/* Frees the bytes; the buffer is empty again and keeps its maximum. */
void cr_buf_done(struct cr_buf *buf);

/* Room for `len` bytes in all. Returns 0, -EMSGSIZE past the maximum, or -ENOMEM. */
int cr_buf_reserve(struct cr_buf *buf, size_t len);

/* Append bytes; on failure (as cr_buf_reserve) the buffer is unchanged. */
int cr_buf_append(struct cr_buf *buf, const void *data, size_t len);

/* Append formatted text; the terminating zero is not counted in len. */
int cr_buf_printf(struct cr_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define CLEANUP_BUF __attribute__((cleanup(cr_buf_done)))
