/* SPDX-License-Identifier: MIT */
/* Lines that a child process writes into a pipe, taken as they come. */
#pragma once

#include <stddef.h>

#define LINE_BYTES 1024U

/* A pipe from a child and the part of a line that it has sent so far. */
struct lines {
    int fd; /* does not block; -1 when closed */
    size_t used;
    char line[LINE_BYTES];
};

/*
 * The next whole line into `out`, of LINE_BYTES, without its end (or the rest, at the end of the
 * pipe or when a line is too long); NULL when there is none now. Closes the pipe at its end.
 */
char *lines_next(struct lines *lines, char *out);

/* What is left is forgotten. Takes one that is closed. */
void lines_close(struct lines *lines);
