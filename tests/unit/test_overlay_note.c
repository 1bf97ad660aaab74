/* SPDX-License-Identifier: MIT */
/* The note beside an overlay, the names of its owners, and when its time is over. */
#include "lib/desktop/overlay_note.h"

#include "lib/base/mem.h"
#include "lib/desktop/desktop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int parse(const char *text, struct cr_overlay_note *note, struct cr_error *err)
{
    return cr_overlay_note_parse("note", text, strlen(text), note, err);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct cr_overlay_note note = {.version = "physics@7",
                                   .root = ROOT,
                                   .disk_bytes = 40 * CR_GIB,
                                   .made_s = 1714550400,
                                   .person = "Änna Schmidt"};
    struct cr_overlay_note again;
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_OVERLAY_NOTE_BYTES_MAX);
    assert_int_equal(cr_overlay_note_format(&note, &text), 0);
    assert_int_equal(cr_overlay_note_parse("note", text.data, text.len, &again, NULL), 0);
    assert_string_equal(again.version, note.version);
    assert_string_equal(again.root, note.root);
    assert_string_equal(again.person, note.person);
    assert_int_equal(again.disk_bytes, note.disk_bytes);
    assert_int_equal(again.made_s, note.made_s);
    /* Cut off anywhere by a power cut that the file system let through, it is refused. */
    for (size_t len = 0; len + 1 < text.len; len++)
        if (text.data[len] != '\n')
            assert_true(cr_overlay_note_parse("note", text.data, len + 1, &again, NULL) < 0);
}

static void unknown_lines_are_skipped(void **state)
{
    (void)state;
    struct cr_overlay_note note;
    assert_int_equal(parse("carrel-overlay 1\nversion a@1\nbytes 512\ncolour blue\n", &note, NULL),
                     0);
    assert_string_equal(note.root, "");
    assert_string_equal(note.person, "");
}

static void a_wrong_note_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "\n",
        "carrel-overlay 2\nversion a@1\nbytes 1\n",
        "carrel-overlay 1\nversion a@1\n",
        "carrel-overlay 1\nbytes 1\n",
        "carrel-overlay 1\nversion ../a@1\nbytes 1\n",
        "carrel-overlay 1\nversion a@0\nbytes 1\n",
        "carrel-overlay 1\nversion a\nbytes 1\n",
        "carrel-overlay 1\nversion a@1\nbytes 0\n",
        "carrel-overlay 1\nversion a@1\nbytes 99999999999999999999\n",
        "carrel-overlay 1\nversion a@1\nbytes 1\nroot 12\n",
        "carrel-overlay 1\nversion a@1\nbytes 1\nperson \x01\n",
        "carrel-overlay 1\nversion a@1\nbytes 1\nmade -1\n",
        "carrel-overlay 1\nversion a@1\nbytes 1\nalone\n",
        "carrel-overlay 1\nversion a@1\nbytes 1",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++) {
        struct cr_overlay_note note = {.disk_bytes = 4711};
        struct cr_error err = {""};
        assert_int_equal(parse(wrong[i], &note, &err), -EBADMSG);
        assert_int_equal(note.disk_bytes, 4711);
        assert_non_null(strstr(err.text, "'note'"));
    }
}

static void no_two_persons_share_a_folder(void **state)
{
    (void)state;
    char one[CR_OVERLAY_OWNER_TEXT], other[CR_OVERLAY_OWNER_TEXT];
    assert_string_equal(cr_overlay_owner("", one), "seat");
    assert_string_equal(cr_overlay_owner("seat", one), "person-seat");
    assert_string_equal(cr_overlay_owner("a/b%2", one), "person-a%2Fb%252");
    assert_string_not_equal(cr_overlay_owner("a b", one), cr_overlay_owner("a%20b", other));
    char longest[CR_PERSON_BYTES_MAX + 1];
    memset(longest, '/', CR_PERSON_BYTES_MAX);
    longest[CR_PERSON_BYTES_MAX] = '\0';
    assert_true(cr_person_is_valid(longest));
    assert_int_equal(strlen(cr_overlay_owner(longest, one)), 7 + 3 * CR_PERSON_BYTES_MAX);
    assert_false(cr_person_is_valid(""));
    assert_false(cr_person_is_valid("a\tb"));
    assert_false(cr_person_is_valid("\xff"));
}

/* Made on one date, looked at on another, both YYYYMMDD. */
static bool due(enum cr_overlay_mode mode, int made, int now)
{
    struct tm before = {
        .tm_year = made / 10000 - 1900, .tm_mon = made / 100 % 100 - 1, .tm_mday = made % 100};
    struct tm after = {
        .tm_year = now / 10000 - 1900, .tm_mon = now / 100 % 100 - 1, .tm_mday = now % 100};
    before.tm_hour = 23;
    return cr_overlay_is_due(mode, &before, &after);
}

static void overlays_end_with_their_day_week_or_month(void **state)
{
    (void)state;
    assert_false(due(CR_OVERLAY_DAILY, 20261120, 20261120));
    assert_true(due(CR_OVERLAY_DAILY, 20261120, 20261121));
    assert_true(due(CR_OVERLAY_DAILY, 20231231, 20240101));
    assert_true(due(CR_OVERLAY_DAILY, 20240228, 20240229));
    /* 20 November 2026 is a Friday. */
    assert_false(due(CR_OVERLAY_WEEKLY, 20261120, 20261122));
    assert_true(due(CR_OVERLAY_WEEKLY, 20261120, 20261123));
    assert_false(due(CR_OVERLAY_WEEKLY, 20261116, 20261122));
    assert_true(due(CR_OVERLAY_WEEKLY, 20241229, 20241230));  /* a Sunday, a Monday */
    assert_false(due(CR_OVERLAY_WEEKLY, 20241230, 20250105)); /* over the year's end */
    assert_true(due(CR_OVERLAY_WEEKLY, 20240225, 20240304));
    assert_false(due(CR_OVERLAY_MONTHLY, 20261101, 20261130));
    assert_true(due(CR_OVERLAY_MONTHLY, 20261130, 20261201));
    assert_true(due(CR_OVERLAY_MONTHLY, 20261231, 20270101));
    assert_false(due(CR_OVERLAY_KEEP, 20001231, 20270101));
    /* A PC whose clock fell back must not lose its overlay. */
    assert_false(due(CR_OVERLAY_DAILY, 20261120, 19700101));
    assert_false(due(CR_OVERLAY_WEEKLY, 20261120, 19700101));
    assert_false(due(CR_OVERLAY_MONTHLY, 20261120, 19700101));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(unknown_lines_are_skipped),
        cmocka_unit_test(a_wrong_note_is_refused),
        cmocka_unit_test(no_two_persons_share_a_folder),
        cmocka_unit_test(overlays_end_with_their_day_week_or_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
