/* SPDX-License-Identifier: MIT */
/*
 * nbdreplay URI TRACE SECONDS: the reads of a recorded boot (lib/blk/trace.h), one after the other,
 * as one guest makes them. The trace's own time is stretched or squeezed to SECONDS; a read that
 * comes late moves all that follow it; 0 = no time between reads. Prints as JSON how long all took,
 * and the longest single read.
 */
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/blk/trace.h"
#include "lib/net/patience.h"

#include <fcntl.h>
#include <libnbd.h>
#include <time.h>

static int fail(const char *what)
{
    fprintf(stderr, "nbdreplay: %s\n", what);
    return 1;
}

static void sleep_us(uint64_t us)
{
    const struct timespec span = {.tv_sec = (time_t)(us / 1000000),
                                  .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&span, NULL);
}

static int replay(struct nbd_handle *nbd, const struct cr_trace *trace, uint64_t seconds)
{
    CLEANUP_FREE uint8_t *data = malloc(CR_TRACE_READ_BYTES_MAX);
    uint64_t whole_us = trace->reads[trace->count - 1].at_us, before_us = 0, longest_us = 0;
    uint64_t begun_us = cr_clock_us();
    if (data == NULL)
        return fail("out of memory");
    for (size_t i = 0; i < trace->count; i++) {
        const struct cr_trace_read *read = &trace->reads[i];
        if (seconds > 0 && whole_us > 0)
            sleep_us((read->at_us - before_us) * seconds * 1000000 / whole_us);
        before_us = read->at_us;
        uint64_t start_us = cr_clock_us();
        if (nbd_pread(nbd, data, read->len, read->offset, 0) < 0)
            return fail(nbd_get_error());
        uint64_t us = cr_clock_us() - start_us;
        longest_us = us > longest_us ? us : longest_us;
    }
    printf("{\"seconds\": %.6f, \"reads\": %zu, \"longest_ms\": %.3f}\n",
           (double)(cr_clock_us() - begun_us) / 1e6, trace->count, (double)longest_us / 1e3);
    return 0;
}

int main(int argc, char **argv)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_TRACE_BYTES_MAX);
    struct cr_trace trace;
    struct cr_error err = {0};
    uint64_t seconds = 0;
    if (argc != 4 || cr_u64_parse(argv[3], 86400, &seconds) < 0)
        return fail("usage: nbdreplay URI TRACE SECONDS");
    if (cr_file_read(AT_FDCWD, argv[2], &text) < 0 ||
        cr_trace_parse((const char *)text.data, text.len, &trace, &err) < 0)
        return fail(err.text[0] != '\0' ? err.text : "the trace cannot be read");
    struct nbd_handle *nbd = nbd_create();
    int r = nbd == NULL || nbd_connect_uri(nbd, argv[1]) < 0 ? fail(nbd_get_error())
                                                             : replay(nbd, &trace, seconds);
    nbd_close(nbd);
    cr_trace_done(&trace);
    return r;
}
