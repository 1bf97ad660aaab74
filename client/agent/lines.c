/* SPDX-License-Identifier: MIT */
#include "client/agent/lines.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

char *lines_next(struct lines *lines, char *out)
{
    for (;;) {
        char *newline = memchr(lines->line, '\n', lines->used);
        size_t len = newline != NULL ? (size_t)(newline - lines->line) : lines->used;
        bool full = lines->used == sizeof(lines->line) - 1;
        if (newline != NULL || full || (lines->fd < 0 && lines->used > 0)) {
            memcpy(out, lines->line, len);
            out[len] = '\0';
            lines->used -= len + (newline != NULL);
            memmove(lines->line, lines->line + len + (newline != NULL), lines->used);
            return out;
        }
        if (lines->fd < 0)
            return NULL;
        ssize_t n =
            read(lines->fd, lines->line + lines->used, sizeof(lines->line) - 1 - lines->used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return NULL;
        if (n <= 0) {
            close(lines->fd);
            lines->fd = -1;
            continue;
        }
        lines->used += (size_t)n;
    }
}

void lines_close(struct lines *lines)
{
    if (lines->fd >= 0)
        close(lines->fd);
    lines->fd = -1;
    lines->used = 0;
}
