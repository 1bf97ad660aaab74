/* SPDX-License-Identifier: MIT */
/* The list of free space that another program prints: taken whole and exact, or refused. */
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trim/freelist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Parse it as the list of a partition of 1,000 bytes at 100, from bytes of exactly its length. */
static int parse(const char *text, size_t len, struct cr_extents *free_space, struct cr_error *err)
{
    CLEANUP_FREE char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    return cr_freelist_parse(exact, len, 100, 1000, free_space, err);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char text[] = "100 1\n102 300\n1099 1\nend 3 302\n";
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_KIB);
    struct cr_error err = {0};
    assert_int_equal(parse(text, sizeof(text) - 1, &free_space, &err), 0);
    assert_int_equal(free_space.count, 3);
    assert_true(cr_extents_cover(&free_space, 102, 300));
    assert_int_equal(cr_extents_bytes(&free_space), 302);
    assert_int_equal(cr_freelist_format(&free_space, &again), 0);
    assert_int_equal(again.len, sizeof(text) - 1);
    assert_memory_equal(again.data, text, again.len);
}

static void a_full_and_an_empty_file_system_are_lists_too(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_error err = {0};
    assert_int_equal(parse("end 0 0\n", 8, &free_space, &err), 0);
    assert_int_equal(free_space.count, 0);
    assert_int_equal(parse("100 1000\nend 1 1000\n", 20, &free_space, &err), 0);
    assert_true(cr_extents_cover(&free_space, 100, 1000));
}

static void a_list_beyond_the_maximum_is_not_written(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    CLEANUP_BUF struct cr_buf small = CR_BUF_INIT(12);
    assert_int_equal(cr_extents_add(&free_space, 100, 5), 0);
    assert_int_equal(cr_freelist_format(&free_space, &small), -EMSGSIZE);
}

/* Each with what the clause says of it. */
static const struct {
    const char *text, *why;
} wrong[] = {
    {"", "line 1 should be the end"},
    {"100 5\n", "line 2 should be the end"},
    {"100 5\n200 5\n", "line 3 should be the end"},
    {"100 5\ne", "line 2 should be the end"},
    {"100 5\nend", "line 2 should be the end"},
    {"100 5\nend ", "line 2 is not a proper end"},
    {"100 5\nend 1", "line 2 is not a proper end"},
    {"100 5\nend 1 5", "line 2 is not a proper end"},
    {"100 5\nend 1 5 \n", "line 2 is not a proper end"},
    {"100 5\nend 1 5\n\n", "line 2 is not a proper end"},
    {"100 5\nend 1 5\n200 5\n", "line 2 is not a proper end"},
    {"100 5\nend 1 5\nend 1 5\n", "line 2 is not a proper end"},
    {"100 5\nend 2 5\n", "line 2 names other sums"},
    {"100 5\nend 0 5\n", "line 2 names other sums"},
    {"100 5\nend 1 6\n", "line 2 names other sums"},
    {"100 5\nend 1 18446744073709551621\n", "line 2 is not a proper end"},
    {"END 0 0\n", "line 1 is not two numbers"},
    {"\n", "line 1 is not two numbers"},
    {"100 5", "line 1 is not two numbers"},
    {"100\nend 1 5\n", "line 1 is not two numbers"},
    {"100 5 5\nend 1 5\n", "line 1 is not two numbers"},
    {" 100 5\nend 1 5\n", "line 1 is not two numbers"},
    {"100  5\nend 1 5\n", "line 1 is not two numbers"},
    {"100\t5\nend 1 5\n", "line 1 is not two numbers"},
    {"100 5\r\nend 1 5\n", "line 1 is not two numbers"},
    {"100 +5\nend 1 5\n", "line 1 is not two numbers"},
    {"100 -5\nend 1 5\n", "line 1 is not two numbers"},
    {"0100 5\nend 1 5\n", "line 1 is not two numbers"},
    {"0x64 5\nend 1 5\n", "line 1 is not two numbers"},
    {"18446744073709551716 5\nend 1 5\n", "line 1 is not two numbers"}, /* 2^64 + 100 */
    {"100 99999999999999999999999\nend 1 5\n", "line 1 is not two numbers"},
    {"ntfs: warning\n100 5\nend 1 5\n", "line 1 is not two numbers"},
    {"99 5\nend 1 5\n", "line 1 is not in the partition"},
    {"0 5\nend 1 5\n", "line 1 is not in the partition"},
    {"100 0\nend 1 0\n", "line 1 is not in the partition"},
    {"100 1001\nend 1 1001\n", "line 1 is not in the partition"},
    {"1099 2\nend 1 2\n", "line 1 is not in the partition"},
    {"1100 1\nend 1 1\n", "line 1 is not in the partition"},
    {"18446744073709551615 1\nend 1 1\n", "line 1 is not in the partition"},
    {"500 18446744073709551615\nend 1 5\n", "line 1 is not in the partition"},
    {"100 5\n104 5\nend 2 10\n", "line 2 does not lie behind"},
    {"100 5\n105 5\nend 2 10\n", "line 2 does not lie behind"},
    {"100 5\n100 5\nend 2 10\n", "line 2 does not lie behind"},
    {"200 5\n100 5\nend 2 10\n", "line 2 does not lie behind"},
    {"100 500\n200 5\nend 2 505\n", "line 2 does not lie behind"},
};

static void a_list_that_is_not_exact_is_refused_and_the_line_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++) {
        CLEANUP_EXTENTS struct cr_extents free_space = {0};
        struct cr_error err = {0};
        if (parse(wrong[i].text, strlen(wrong[i].text), &free_space, &err) != -EBADMSG ||
            strstr(err.text, wrong[i].why) == NULL)
            fail_msg("'%s': '%s', not '%s'", wrong[i].text, err.text, wrong[i].why);
    }
}

static void a_list_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] = "100 1\n102 300\n1099 1\nend 3 302\n";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        CLEANUP_EXTENTS struct cr_extents free_space = {0};
        struct cr_error err = {0};
        assert_int_equal(parse(text, len, &free_space, &err), -EBADMSG);
    }
}

static void a_zero_byte_is_no_end(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_error err = {0};
    assert_int_equal(parse("100 5\0end 1 5\n", 14, &free_space, &err), -EBADMSG);
    assert_int_equal(parse("end 0 0\n\0", 9, &free_space, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_full_and_an_empty_file_system_are_lists_too),
        cmocka_unit_test(a_list_beyond_the_maximum_is_not_written),
        cmocka_unit_test(a_list_that_is_not_exact_is_refused_and_the_line_named),
        cmocka_unit_test(a_list_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_zero_byte_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
