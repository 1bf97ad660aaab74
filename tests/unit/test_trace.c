/* SPDX-License-Identifier: MIT */
/* A recorded boot: taken line by line, or refused with the line that is wrong. */
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Parse it from bytes of exactly its length. */
static int parse(const char *text, size_t len, struct cr_trace *trace, struct cr_error *err)
{
    CLEANUP_FREE char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    return cr_trace_parse(exact, len, trace, err);
}

static void reads_come_in_their_order(void **state)
{
    (void)state;
    static const char text[] = "# a boot\n0 0 512\n0.1 65536 4096\n12.000345 70368744177664 1\n"
                               "12.000345 7 67108864";
    CLEANUP(cr_trace_done) struct cr_trace trace = {0};
    struct cr_error err = {0};
    assert_int_equal(parse(text, sizeof(text) - 1, &trace, &err), 0);
    assert_int_equal(trace.count, 4);
    assert_int_equal(trace.reads[0].at_us, 0);
    assert_int_equal(trace.reads[0].len, 512);
    assert_int_equal(trace.reads[1].at_us, 100000);
    assert_int_equal(trace.reads[1].offset, 65536);
    assert_int_equal(trace.reads[2].at_us, 12000345);
    assert_int_equal(trace.reads[2].offset, CR_DISK_BYTES_MAX);
    assert_int_equal(trace.reads[3].len, CR_TRACE_READ_BYTES_MAX);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    char line[CR_TRACE_LINE];
    const struct cr_trace_read read = {
        .at_us = 8640000000000, .offset = CR_DISK_BYTES_MAX, .len = CR_TRACE_READ_BYTES_MAX};
    CLEANUP(cr_trace_done) struct cr_trace trace = {0};
    struct cr_error err = {0};
    cr_trace_line(&read, line);
    assert_string_equal(line, "8640000.000000 70368744177664 67108864\n");
    assert_int_equal(parse(line, strlen(line), &trace, &err), 0);
    assert_int_equal(trace.count, 1);
    assert_int_equal(trace.reads[0].at_us, read.at_us);
    assert_int_equal(trace.reads[0].offset, read.offset);
    assert_int_equal(trace.reads[0].len, read.len);
}

/* Each with what is said of it. */
static const struct refusal {
    const char *text, *says;
} refusals[] = {
    {"", "it holds no read"},
    {"# nothing\n", "it holds no read"},
    {"0 0 512\n\n1 0 512\n", "line 2 is no read"},
    {"0 0\n", "line 1 is no read"},
    {"0 0 0\n", "line 1 is no read"},
    {"0 0 512 \n", "line 1 is no read"},
    {"0  0 512\n", "line 1 is no read"},
    {" 0 0 512\n", "line 1 is no read"},
    {"-1 0 512\n", "line 1 is no read"},
    {"0. 0 512\n", "line 1 is no read"},
    {".5 0 512\n", "line 1 is no read"},
    {"0.1234567 0 512\n", "line 1 is no read"},
    {"1e3 0 512\n", "line 1 is no read"},
    {"0 0x10 512\n", "line 1 is no read"},
    {"8640001 0 512\n", "line 1 is no read"},
    {"0 70368744177665 512\n", "line 1 is no read"},
    {"0 0 67108865\n", "line 1 is no read"},
    {"0 0 512\r\n", "line 1 is no read"},
    {"2 0 512\n1.999999 0 512\n", "line 2 is earlier"},
    {"0 0 00000000000000000000000000000000000000000000000000000000000000000000000000000000512\n",
     "line 1 is no read"},
};

static void what_is_no_trace_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(refusals); i++) {
        struct cr_trace trace = {0};
        struct cr_error err = {0};
        assert_int_equal(parse(refusals[i].text, strlen(refusals[i].text), &trace, &err), -EBADMSG);
        if (strstr(err.text, refusals[i].says) == NULL)
            fail_msg("'%s': '%s'", refusals[i].text, err.text);
        assert_null(trace.reads);
    }
    struct cr_trace trace = {0};
    assert_int_equal(parse("0 0 5\0002\n", 9, &trace, NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_come_in_their_order),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_is_no_trace_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
