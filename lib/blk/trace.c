/* SPDX-License-Identifier: MIT */
#include "lib/blk/trace.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define SECOND_US      ((uint64_t)1000000)
#define SECONDS_MAX    ((uint64_t)100 * 86400)
#define LINE_WITH_ZERO 80 /* no line with a read is longer; see cr_trace_line */

void cr_trace_done(struct cr_trace *trace)
{
    free(trace->reads);
    *trace = (struct cr_trace){0};
}

/* Digits behind the point, as microseconds. */
static int decimals_take(const char **text, uint64_t *ret_us)
{
    uint64_t unit = SECOND_US, us = 0;
    const char *p = *text;
    for (; *p >= '0' && *p <= '9'; p++) {
        unit /= 10;
        if (unit == 0)
            return -EINVAL;
        us += (uint64_t)(*p - '0') * unit;
    }
    if (p == *text)
        return -EINVAL;
    *text = p;
    *ret_us = us;
    return 0;
}

static bool space_take(const char **text)
{
    if (**text != ' ')
        return false;
    (*text)++;
    return true;
}

/* A whole line without its newline, zero-terminated. */
static int read_parse(const char *p, struct cr_trace_read *ret_read)
{
    uint64_t seconds, us = 0, offset, len;
    if (cr_u64_take(&p, SECONDS_MAX, &seconds) < 0)
        return -EBADMSG;
    if (*p == '.') {
        p++;
        if (decimals_take(&p, &us) < 0)
            return -EBADMSG;
    }
    if (!space_take(&p) || cr_u64_take(&p, CR_DISK_BYTES_MAX, &offset) < 0 || !space_take(&p) ||
        cr_u64_take(&p, CR_TRACE_READ_BYTES_MAX, &len) < 0 || len == 0 || *p != '\0')
        return -EBADMSG;
    *ret_read = (struct cr_trace_read){
        .at_us = seconds * SECOND_US + us, .offset = offset, .len = (uint32_t)len};
    return 0;
}

static int line_parse(const char *line, size_t len, struct cr_trace *trace, size_t room,
                      size_t number, struct cr_error *err)
{
    char text[LINE_WITH_ZERO];
    struct cr_trace_read read;
    if (len > 0 && line[0] == '#')
        return 0;
    if (len >= sizeof(text) || memchr(line, '\0', len) != NULL)
        return cr_error_set(err, -EBADMSG, "line %zu is no read 'SECONDS OFFSET LENGTH'", number);
    memcpy(text, line, len);
    text[len] = '\0';
    if (read_parse(text, &read) < 0)
        return cr_error_set(err, -EBADMSG, "line %zu is no read 'SECONDS OFFSET LENGTH'", number);
    if (trace->count > 0 && read.at_us < trace->reads[trace->count - 1].at_us)
        return cr_error_set(err, -EBADMSG, "line %zu is earlier than the read before it", number);
    if (trace->count == room)
        return cr_error_set(err, -EBADMSG, "it has more than %u reads", CR_TRACE_READS_MAX);
    trace->reads[trace->count++] = read;
    return 0;
}

int cr_trace_parse(const char *text, size_t len, struct cr_trace *ret_trace, struct cr_error *err)
{
    CLEANUP(cr_trace_done) struct cr_trace trace = {0};
    size_t lines = 1, number = 0;
    for (const char *p = text, *end = text + len; p < end; p++)
        lines += *p == '\n';
    size_t room = lines < CR_TRACE_READS_MAX ? lines : CR_TRACE_READS_MAX;
    trace.reads = cr_calloc(room, sizeof(*trace.reads));
    if (trace.reads == NULL)
        return cr_error_errno(err, -ENOMEM, "a trace of %zu lines", lines);
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t line_len = (size_t)((newline != NULL ? newline : end) - p);
        int r = line_parse(p, line_len, &trace, room, ++number, err);
        if (r < 0)
            return r;
        p += line_len + (newline != NULL);
    }
    if (trace.count == 0)
        return cr_error_set(err, -EBADMSG, "it holds no read");
    *ret_trace = trace;
    trace = (struct cr_trace){0};
    return 0;
}

const char *cr_trace_line(const struct cr_trace_read *read, char out[static CR_TRACE_LINE])
{
    snprintf(out, CR_TRACE_LINE, "%" PRIu64 ".%06u %" PRIu64 " %" PRIu32 "\n",
             read->at_us / SECOND_US, (unsigned)(read->at_us % SECOND_US), read->offset, read->len);
    return out;
}
