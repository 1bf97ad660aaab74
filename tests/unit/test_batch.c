/* SPDX-License-Identifier: MIT */
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/net/batch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- request ---------------------------------------------------------------------------------- */

static struct cr_id some_id(unsigned n)
{
    struct cr_id id;
    memset(id.bytes, 0xa5, sizeof(id.bytes));
    cr_put_le32(id.bytes, n);
    return id;
}

static void request_of(uint32_t count, struct cr_buf *out)
{
    struct cr_id ids[CR_BATCH_IDS_MAX];
    for (uint32_t i = 0; i < count; i++)
        ids[i] = some_id(i);
    assert_int_equal(cr_batch_request_format(ids, count, out), 0);
}

static void expect_refused(const struct cr_buf *body, size_t len, const char *reason)
{
    static struct cr_batch_request request;
    struct cr_error err = {0};
    assert_int_equal(cr_batch_request_parse(body->data, len, &request, &err), -EBADMSG);
    assert_non_null(strstr(err.text, reason));
}

static void a_request_comes_back_as_it_was_written(void **state)
{
    static const uint32_t counts[] = {1, 2, 255, CR_BATCH_IDS_MAX};
    static struct cr_batch_request request;
    (void)state;
    for (size_t c = 0; c < CR_ARRAY_LEN(counts); c++) {
        CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
        request_of(counts[c], &body);
        assert_int_equal(body.len, 16 + 32 * counts[c]);
        assert_int_equal(cr_batch_request_parse(body.data, body.len, &request, NULL), 0);
        assert_int_equal(request.count, counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++) {
            struct cr_id id = some_id(i);
            assert_true(cr_id_equal(&request.ids[i], &id));
        }
    }
}

static void a_request_for_nothing_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    (void)state;
    request_of(1, &body);
    cr_put_le32(body.data + 8, 0);
    expect_refused(&body, 16, "claims 0 ids");
}

static void a_request_for_too_many_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX + 64);
    (void)state;
    request_of(CR_BATCH_IDS_MAX, &body);
    cr_buf_append(&body, some_id(1).bytes, CR_ID_BYTES);
    cr_put_le32(body.data + 8, CR_BATCH_IDS_MAX + 1);
    expect_refused(&body, body.len, "claims 257 ids");
    cr_put_le32(body.data + 8, UINT32_MAX);
    expect_refused(&body, body.len, "claims 4294967295 ids");
}

static void a_request_that_was_cut_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    (void)state;
    request_of(3, &body);
    for (size_t len = 0; len < body.len; len++)
        expect_refused(&body, len, len < 16 ? "its header alone needs 16" : "3 ids need 112");
}

static void bytes_after_the_ids_are_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    (void)state;
    request_of(3, &body);
    cr_buf_append(&body, "x", 1);
    expect_refused(&body, body.len, "it has 113 bytes, 3 ids need 112");
}

static void another_magic_and_reserved_bytes_are_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    (void)state;
    request_of(3, &body);
    body.data[7] = '2';
    expect_refused(&body, body.len, "does not begin with 'CRBREQ01'");
    body.data[7] = '1';
    body.data[15] = 1;
    expect_refused(&body, body.len, "reserved");
}

static void the_id_of_a_hole_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    (void)state;
    request_of(3, &body);
    memset(body.data + 16 + 32, 0, 32);
    expect_refused(&body, body.len, "id 1 is the reserved id of a hole");
}

/* --- answer ----------------------------------------------------------------------------------- */

struct seen {
    uint32_t count;
    uint32_t status[8];
    size_t len[8];
    uint8_t first[8];
    int stop_at, stop_with;
};

static int entry_seen(void *context, uint32_t index, uint32_t status, const void *frame,
                      size_t frame_len)
{
    struct seen *seen = context;
    assert_int_equal(index, seen->count);
    assert_true(seen->count < 8);
    seen->status[index] = status;
    seen->len[index] = frame_len;
    seen->first[index] = status == 0 ? *(const uint8_t *)frame : 0;
    seen->count++;
    return (int)index == seen->stop_at ? seen->stop_with : 0;
}

static void u32_append(struct cr_buf *out, uint32_t value)
{
    uint8_t bytes[4];
    cr_put_le32(bytes, value);
    assert_int_equal(cr_buf_append(out, bytes, 4), 0);
}

/* Four entries: a small frame, a missing one, the largest frame, a corrupted one. */
static void answer_make(struct cr_buf *out)
{
    uint8_t header[CR_BATCH_HEADER_BYTES];
    static uint8_t large[CR_CHUNK_FRAME_MAX];
    memset(large, 'L', sizeof(large));
    cr_batch_answer_header(4, header);
    cr_buf_init(out, CR_BATCH_ANSWER_MAX);
    assert_int_equal(cr_buf_append(out, header, sizeof(header)), 0);
    u32_append(out, 5);
    assert_int_equal(cr_buf_append(out, "small", 5), 0);
    u32_append(out, CR_BATCH_MISSING);
    u32_append(out, CR_CHUNK_FRAME_MAX);
    assert_int_equal(cr_buf_append(out, large, sizeof(large)), 0);
    u32_append(out, CR_BATCH_CORRUPTED);
}

/* Feed in pieces of `piece` bytes. */
static int feed(const struct cr_buf *answer, size_t len, size_t piece, uint32_t count,
                struct seen *seen, bool *ret_complete, struct cr_error *err)
{
    struct cr_batch_reader reader;
    int r = 0;
    cr_batch_reader_init(&reader, count, entry_seen, seen);
    for (size_t at = 0; r == 0 && at < len; at += piece)
        r = cr_batch_reader_feed(&reader, answer->data + at, len - at < piece ? len - at : piece,
                                 err);
    *ret_complete = cr_batch_reader_complete(&reader);
    cr_batch_reader_done(&reader);
    return r;
}

static void an_answer_is_read_whatever_pieces_it_comes_in(void **state)
{
    static const size_t pieces[] = {1, 3, 4, 15, 16, 17, 1000, 16384, CR_BATCH_ANSWER_MAX};
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    for (size_t i = 0; i < CR_ARRAY_LEN(pieces); i++) {
        struct seen seen = {.stop_at = -1};
        bool complete;
        assert_int_equal(feed(&answer, answer.len, pieces[i], 4, &seen, &complete, NULL), 0);
        assert_true(complete);
        assert_int_equal(seen.count, 4);
        assert_int_equal(seen.len[0], 5);
        assert_int_equal(seen.first[0], 's');
        assert_int_equal(seen.status[1], CR_BATCH_MISSING);
        assert_int_equal(seen.len[2], CR_CHUNK_FRAME_MAX);
        assert_int_equal(seen.first[2], 'L');
        assert_int_equal(seen.status[3], CR_BATCH_CORRUPTED);
    }
}

static void an_answer_that_was_cut_is_not_complete(void **state)
{
    static const size_t lens[] = {0, 15, 16, 18, 20, 24, 25, 29, 34};
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    for (size_t i = 0; i < CR_ARRAY_LEN(lens); i++) {
        struct seen seen = {.stop_at = -1};
        bool complete;
        assert_int_equal(feed(&answer, lens[i], 7, 4, &seen, &complete, NULL), 0);
        assert_false(complete);
        assert_true(seen.count < 4);
    }
}

static void expect_bad_answer(const struct cr_buf *answer, uint32_t count, const char *reason)
{
    struct seen seen = {.stop_at = -1};
    struct cr_error err = {0};
    bool complete;
    assert_int_equal(feed(answer, answer->len, 16384, count, &seen, &complete, &err), -EBADMSG);
    assert_non_null(strstr(err.text, reason));
}

static void an_answer_to_another_request_is_refused(void **state)
{
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    expect_bad_answer(&answer, 3, "it answers 4 ids, 3 were asked for");
    answer.data[0] = 'X';
    expect_bad_answer(&answer, 4, "does not begin with 'CRBANS01'");
}

static void a_length_that_no_frame_has_is_refused(void **state)
{
    static const uint32_t lens[] = {0, CR_CHUNK_FRAME_MAX + 1, 0x7fffffff, 0xfffffeff};
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    for (size_t i = 0; i < CR_ARRAY_LEN(lens); i++) {
        cr_put_le32(answer.data + 16, lens[i]);
        expect_bad_answer(&answer, 4, "its entry 0 claims a frame of");
    }
}

static void bytes_after_the_last_entry_are_refused(void **state)
{
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    cr_buf_append(&answer, "x", 1);
    expect_bad_answer(&answer, 4, "bytes follow its last entry");
}

static void the_receiver_can_end_the_reading(void **state)
{
    CLEANUP_BUF struct cr_buf answer;
    (void)state;
    answer_make(&answer);
    struct seen seen = {.stop_at = 1, .stop_with = 42};
    bool complete;
    assert_int_equal(feed(&answer, answer.len, 1, 4, &seen, &complete, NULL), 42);
    assert_int_equal(seen.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back_as_it_was_written),
        cmocka_unit_test(a_request_for_nothing_is_refused),
        cmocka_unit_test(a_request_for_too_many_is_refused),
        cmocka_unit_test(a_request_that_was_cut_is_refused),
        cmocka_unit_test(bytes_after_the_ids_are_refused),
        cmocka_unit_test(another_magic_and_reserved_bytes_are_refused),
        cmocka_unit_test(the_id_of_a_hole_is_refused),
        cmocka_unit_test(an_answer_is_read_whatever_pieces_it_comes_in),
        cmocka_unit_test(an_answer_that_was_cut_is_not_complete),
        cmocka_unit_test(an_answer_to_another_request_is_refused),
        cmocka_unit_test(a_length_that_no_frame_has_is_refused),
        cmocka_unit_test(bytes_after_the_last_entry_are_refused),
        cmocka_unit_test(the_receiver_can_end_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
