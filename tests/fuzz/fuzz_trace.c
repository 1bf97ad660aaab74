/* SPDX-License-Identifier: MIT */
/* Input: a recorded boot. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/trace.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cr_trace_done) struct cr_trace trace = {0};
    CLEANUP(cr_trace_done) struct cr_trace again = {0};
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_TRACE_BYTES_MAX);
    struct cr_error err = {0};
    if (cr_trace_parse((const char *)data, size, &trace, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return 0;
    }
    REQUIRE(trace.count > 0 && trace.count <= CR_TRACE_READS_MAX);
    for (size_t i = 0; i < trace.count; i++) {
        const struct cr_trace_read *read = &trace.reads[i];
        char line[CR_TRACE_LINE];
        REQUIRE(read->len > 0 && read->len <= CR_TRACE_READ_BYTES_MAX);
        REQUIRE(read->offset <= CR_DISK_BYTES_MAX);
        REQUIRE(i == 0 || read->at_us >= read[-1].at_us);
        cr_trace_line(read, line);
        REQUIRE(cr_buf_append(&text, line, strlen(line)) == 0);
    }
    /* What is written of it is the same trace. */
    REQUIRE(cr_trace_parse((const char *)text.data, text.len, &again, &err) == 0);
    REQUIRE(again.count == trace.count);
    for (size_t i = 0; i < trace.count; i++)
        REQUIRE(again.reads[i].at_us == trace.reads[i].at_us &&
                again.reads[i].offset == trace.reads[i].offset &&
                again.reads[i].len == trace.reads[i].len);
    return 0;
}
