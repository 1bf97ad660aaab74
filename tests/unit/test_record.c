/* SPDX-License-Identifier: MIT */
/* The record of a build: what goes in comes out, and what is damaged is refused. */
#include "lib/recipe/record.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

static void record_make(struct cr_buf *blob, struct cr_id *ret_name)
{
    CLEANUP(cr_record_writer_done) struct cr_record_writer writer;
    cr_record_writer_init(&writer);
    assert_int_equal(cr_record_add(&writer, CR_RECORD_RECIPE, "image = a\n", 10), 0);
    assert_int_equal(cr_record_add(&writer, CR_RECORD_LOG, NULL, 0), 0);
    assert_int_equal(cr_record_add(&writer, CR_RECORD_FILE "a b/c", "\0\1\2", 3), 0);
    assert_int_equal(cr_record_format(&writer, blob, ret_name), 0);
}

static void what_goes_in_comes_out(void **state)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_record record = {0};
    struct cr_id name;
    struct cr_error err = {""};
    (void)state;
    record_make(&blob, &name);
    assert_int_equal(cr_record_parse(blob.data, blob.len, &name, &record, &err), 0);
    assert_int_equal(record.count, 3);
    const struct cr_record_entry *file = cr_record_find(&record, "file/a b/c");
    assert_non_null(file);
    assert_int_equal(file->len, 3);
    assert_memory_equal(file->data, "\0\1\2", 3);
    assert_int_equal(cr_record_find(&record, "log")->len, 0);
    assert_null(cr_record_find(&record, "file/a b"));
    cr_record_done(&record);
}

static void limits_hold(void **state)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(64);
    CLEANUP(cr_record_writer_done) struct cr_record_writer writer;
    static uint8_t noise[4096];
    struct cr_id name;
    (void)state;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(i * i >> 3 ^ i * 31);
    cr_record_writer_init(&writer);
    assert_int_equal(cr_record_add(&writer, "", "x", 1), -EINVAL);
    assert_int_equal(cr_record_add(&writer, "a\nb", "x", 1), -EINVAL);
    assert_int_equal(cr_record_add(&writer, "a", noise, sizeof(noise)), 0);
    assert_int_equal(cr_record_add(&writer, "b", noise, CR_RECORD_PLAIN_BYTES_MAX), -EMSGSIZE);
    assert_int_equal(cr_record_format(&writer, &blob, &name), -EMSGSIZE); /* of the blob */
    assert_int_equal(blob.len, 0);
}

/* Change the plain form and pack it again. */
static int parse_changed(size_t offset, uint8_t value, size_t cut, const char *expected)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_record record = {.count = 4711};
    struct cr_id name;
    struct cr_error err = {""};
    uint8_t plain[1024], frame[2048];
    record_make(&blob, &name);
    size_t len = ZSTD_decompress(plain, sizeof(plain), blob.data, blob.len);
    assert_false(ZSTD_isError(len));
    plain[offset] = value;
    size_t frame_len = ZSTD_compress(frame, sizeof(frame), plain, len - cut, 1);
    int r = cr_record_parse(frame, frame_len, NULL, &record, &err);
    if (r == 0) {
        cr_record_done(&record);
        return 0;
    }
    assert_int_equal(r, -EBADMSG);
    assert_int_equal(record.count, 4711);
    assert_non_null(strstr(err.text, expected));
    return r;
}

static void what_is_damaged_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_record record;
    struct cr_id name;
    struct cr_error err = {""};
    (void)state;
    assert_int_equal(parse_changed(0, 'C', 0, ""), 0);
    assert_true(parse_changed(0, 'X', 0, "begin as one") < 0);
    assert_true(parse_changed(8, 4, 0, "ends within") < 0);
    assert_true(parse_changed(8, 2, 0, "follows its last") < 0);
    assert_true(parse_changed(8, 0, 0, "number of its entries") < 0);
    assert_true(parse_changed(11, 255, 0, "number of its entries") < 0);
    assert_true(parse_changed(12, 1, 0, "reserved") < 0);
    assert_true(parse_changed(20, 1, 0, "reserved") < 0);
    assert_true(parse_changed(16, 0, 0, "no proper name") < 0);
    assert_true(parse_changed(19, 255, 0, "ends within") < 0);
    assert_true(parse_changed(31, 255, 0, "ends within") < 0);
    assert_true(parse_changed(33, '\n', 0, "no proper name") < 0);
    assert_true(parse_changed(0, 'C', 1, "ends within") < 0);
    record_make(&blob, &name);
    name.bytes[0] ^= 1;
    assert_int_equal(cr_record_parse(blob.data, blob.len, &name, &record, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "do not hash"));
    assert_int_equal(cr_record_parse("no frame", 8, NULL, &record, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(what_is_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
