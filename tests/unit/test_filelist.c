/* SPDX-License-Identifier: MIT */
/* The list of files of a disk: taken whole and exact, or refused; and what differs in two of them.
 */
#include "lib/base/mem.h"
#include "lib/base/text.h"
#include "lib/guest/filelist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* A text with the zero byte that ends it. */
#define PARSE(text, list, err) parse(text, sizeof(text), list, err)

static int parse(const char *text, size_t len, struct cr_filelist *list, struct cr_error *err)
{
    CLEANUP_FREE char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    return cr_filelist_parse(exact, len, list, err);
}

static void a_list_is_read_and_sorted(void **state)
{
    (void)state;
    CLEANUP(cr_filelist_done) struct cr_filelist list = {0};
    struct cr_error err = {0};
    assert_int_equal(PARSE("fs sdb ntfs\0f 420 1 2 3 -4 5 /b c\nd\0unread sdc swap\0fs sda ext4\0"
                           "d 493 0 0 0 7 8 /z\0l 511 0 0 9 7 8 /\xff\0end 3",
                           &list, &err),
                     0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.files[0].fs, "sda");
    assert_string_equal(list.files[0].path, "/z");
    assert_string_equal(list.files[1].path, "/\xff");
    assert_string_equal(list.files[2].path, "/b c\nd");
    assert_int_equal(list.files[2].mode, 420);
    assert_int_equal(list.files[2].uid, 1);
    assert_int_equal(list.files[2].gid, 2);
    assert_int_equal(list.files[2].size_bytes, 3);
    assert_int_equal(list.files[2].mtime_s, -4);
    assert_int_equal(list.files[2].mtime_ns, 5);
    assert_int_equal(list.unread_count, 1);
    assert_string_equal(list.unread[0], "sdc swap");
}

static void is_refused_len(const char *text, size_t len, const char *reason)
{
    struct cr_filelist list = {0};
    struct cr_error err = {0};
    assert_int_equal(parse(text, len, &list, &err), -EBADMSG);
    assert_null(list.text);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

#define REFUSED(text, reason) is_refused_len(text, sizeof(text), reason)

static void a_list_that_is_cut_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "fs sda ext4\0f 1 0 0 0 0 0 /a\0end 1";
    struct cr_filelist list = {0};
    for (size_t len = 0; len < sizeof(whole); len++)
        assert_int_equal(parse(whole, len, &list, NULL), -EBADMSG);
    REFUSED("fs sda ext4\0f 1 0 0 0 0 0 /a\0end 2", "is cut");
    REFUSED("fs sda ext4\0f 1 0 0 0 0 0 /a", "is cut");
    REFUSED("end 0\0end 0", "record 2 of the list of files is wrong");
}

static void wrong_records_are_refused(void **state)
{
    (void)state;
    REFUSED("f 1 0 0 0 0 0 /a\0end 1", "record 1");
    REFUSED("fs sda\0end 0", "record 1");
    REFUSED("fs s\033a ext4\0end 0", "record 1");
    REFUSED("fs sda ext 4\0end 0", "record 1");
    REFUSED("fs sda e\0x 1 0 0 0 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0ff 1 0 0 0 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f -1 0 0 0 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 0 0 0 0 0 a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 0 0 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 4294967296 0 0 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 0 0 9223372036854775808 0 0 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 0 0 0 0 1000000000 /a\0end 1", "record 2");
    REFUSED("fs sda e\0f 1 0 0 0 0 0 /a\0f 1 0 0 0 0 0 /a\0end 2", "names a file twice");
}

struct seen {
    char text[200];
};

static int note(void *context, const struct cr_file *before, const struct cr_file *after)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%c%s:%s ",
             before == NULL  ? '+'
             : after == NULL ? '-'
                             : '~',
             (after ? after : before)->fs, (after ? after : before)->path);
    return 0;
}

static void files_differ_by_what_the_header_says(void **state)
{
    (void)state;
    CLEANUP(cr_filelist_done) struct cr_filelist a = {0}, b = {0};
    struct seen seen = {""};
    assert_int_equal(PARSE("fs s e\0f 1 0 0 5 1 1 /same\0f 1 0 0 5 1 1 /size\0f 1 0 0 5 1 1 /time\0"
                           "f 1 0 0 5 1 1 /mode\0f 1 0 0 5 1 1 /gone\0d 1 0 0 5 1 1 /folder\0"
                           "d 1 0 0 5 1 1 /owner\0f 1 0 0 5 1 1 /kind\0end 8",
                           &a, NULL),
                     0);
    assert_int_equal(PARSE("fs s e\0f 1 0 0 5 1 1 /same\0f 1 0 0 6 1 1 /size\0f 1 0 0 5 1 2 /time\0"
                           "f 2 0 0 5 1 1 /mode\0d 1 0 0 9 2 2 /folder\0d 1 1 0 5 1 1 /owner\0"
                           "l 1 0 0 5 1 1 /kind\0fs t e\0f 1 0 0 5 1 1 /same\0end 8",
                           &b, NULL),
                     0);
    assert_int_equal(cr_filelist_compare(&a, &b, note, &seen), 0);
    assert_string_equal(seen.text,
                        "-s:/gone ~s:/kind ~s:/mode ~s:/owner ~s:/size ~s:/time +t:/same ");
}

static void a_name_is_escaped_so_that_it_steers_no_terminal(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(cr_text_escape("a\033[1m\n\\\xff\xc3\xbc", out, sizeof(out)),
                        "a\\x1b[1m\\x0a\\x5c\\xff\xc3\xbc");
    assert_string_equal(cr_text_escape("ab\n", out, 6), "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_and_sorted),
        cmocka_unit_test(a_list_that_is_cut_is_refused),
        cmocka_unit_test(wrong_records_are_refused),
        cmocka_unit_test(files_differ_by_what_the_header_says),
        cmocka_unit_test(a_name_is_escaped_so_that_it_steers_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
