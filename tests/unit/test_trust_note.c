/* SPDX-License-Identifier: MIT */
/* Notes to the signer: what was written is read again, anything else is refused with its reason. */
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/trust/note.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct cr_note note; /* too large for a stack */

static void note_of(struct cr_buf *out)
{
    assert_int_equal(cr_note_begin(out, 3), 0);
    assert_int_equal(cr_note_add(out, "1.root.json", "{}", 2), 0);
    assert_int_equal(cr_note_add(out, "targets.json", "[1]", 3), 0);
    assert_int_equal(cr_note_add(out, "empty", NULL, 0), 0);
}

static void refused(const void *data, size_t len, const char *reason)
{
    struct cr_error err = {0};
    assert_int_equal(cr_note_parse(data, len, &note, &err), -EBADMSG);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' is not about '%s'", err.text, reason);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    struct cr_error err;
    note_of(&bytes);
    assert_int_equal(cr_note_parse(bytes.data, bytes.len, &note, &err), 0);
    assert_int_equal(note.count, 3);
    const struct cr_note_part *part = cr_note_find(&note, "targets.json");
    assert_non_null(part);
    assert_int_equal(part->len, 3);
    assert_memory_equal(part->data, "[1]", 3);
    assert_int_equal(cr_note_find(&note, "empty")->len, 0);
    assert_null(cr_note_find(&note, "2.root.json"));
}

static void a_cut_note_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    note_of(&bytes);
    for (size_t len = 0; len < bytes.len; len++)
        refused(bytes.data, len, len < 12 ? "no note" : "is cut");
    assert_int_equal(cr_buf_append(&bytes, "x", 1), 0);
    refused(bytes.data, bytes.len, "behind");
}

static void lengths_beyond_the_note_are_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    note_of(&bytes);
    cr_put_le32(bytes.data + 16, UINT32_MAX);
    refused(bytes.data, bytes.len, "part 1");
    cr_put_le32(bytes.data + 16, 2);
    cr_put_le32(bytes.data + 12, UINT32_MAX);
    refused(bytes.data, bytes.len, "part 1");
    cr_put_le32(bytes.data + 12, CR_NOTE_NAME_BYTES_MAX + 1);
    refused(bytes.data, bytes.len, "part 1");
    cr_put_le32(bytes.data + 8, CR_NOTE_PARTS_MAX + 1);
    refused(bytes.data, bytes.len, "more than");
}

static void names_are_names_and_each_stands_once(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a/b", "a b", "a\n", "\xc3\xa4"};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        assert_int_equal(cr_note_add(&bytes, bad[i], "x", 1), -EINVAL);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(cr_note_begin(&bytes, 2), 0);
    assert_int_equal(cr_note_add(&bytes, "twin", "x", 1), 0);
    assert_int_equal(cr_note_add(&bytes, "twin", "y", 1), 0);
    refused(bytes.data, bytes.len, "two parts 'twin'");
    bytes.data[20] = '/';
    refused(bytes.data, bytes.len, "part 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(a_cut_note_is_refused_wherever_it_is_cut),
        cmocka_unit_test(lengths_beyond_the_note_are_refused),
        cmocka_unit_test(names_are_names_and_each_stands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
