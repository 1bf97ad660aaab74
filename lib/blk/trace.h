/* SPDX-License-Identifier: MIT */
/*
 * A recorded boot: which bytes of a disk were read, in their order. Text, one read a line:
 *
 *      SECONDS OFFSET LENGTH
 *
 * SECONDS since the recording began, with at most six decimals, never falling; OFFSET and LENGTH in
 * bytes. Lines that begin with '#' are for people. carrel-blockd writes such files (--record),
 * carrel-bench replays them.
 */
#pragma once

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct cr_trace_read {
    uint64_t at_us; /* since the recording began */
    uint64_t offset;
    uint32_t len;
};

struct cr_trace {
    struct cr_trace_read *reads; /* owned */
    size_t count;                /* at least 1 */
};

/*
 * Parse `len` bytes of text, of which there are at most CR_TRACE_BYTES_MAX. `ret_trace` is
 * overwritten on success; free it with cr_trace_done. Returns 0, -ENOMEM, or -EBADMSG with the line
 * and what is wrong with it.
 */
int cr_trace_parse(const char *text, size_t len, struct cr_trace *ret_trace, struct cr_error *err);
void cr_trace_done(struct cr_trace *trace);

/* Enough for every cr_trace_line. */
#define CR_TRACE_LINE 64

/* The line of one read with its newline. Returns `out`. */
const char *cr_trace_line(const struct cr_trace_read *read, char out[static CR_TRACE_LINE]);
