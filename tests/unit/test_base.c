/* SPDX-License-Identifier: MIT */
#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void an_error_joins_and_cuts(void **state)
{
    (void)state;
    struct cr_error err = {0};
    assert_int_equal(cr_error_set(&err, -EIO, "chunk '%s' is gone", "ab"), -EIO);
    assert_string_equal(err.text, "chunk 'ab' is gone");
    cr_error_prefix(&err, -EIO, "image 'x'");
    assert_string_equal(err.text, "image 'x': chunk 'ab' is gone");
    char wide[2 * CR_ERROR_BYTES];
    memset(wide, 'a', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    cr_error_errno(&err, -ENOENT, "%s", wide);
    assert_true(strlen(err.text) < CR_ERROR_BYTES);
    assert_int_equal(cr_error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void numbers_are_parsed_whole_or_refused(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(cr_u64_parse("42", 100, &v), 0);
    assert_int_equal(v, 42);
    assert_int_equal(cr_u64_parse("101", 100, &v), -ERANGE);
    assert_int_equal(cr_u64_parse("99999999999999999999", UINT64_MAX, &v), -ERANGE);
    assert_int_equal(cr_u64_parse("", 100, &v), -EINVAL);
    assert_int_equal(cr_u64_parse("-1", 100, &v), -EINVAL);
    assert_int_equal(cr_u64_parse("1x", 100, &v), -EINVAL);
    assert_int_equal(v, 42);
    const char *whole = "17/8", *at = whole;
    assert_int_equal(cr_u64_take(&at, 100, &v), 0);
    assert_true(v == 17 && at == whole + 2);
    assert_int_equal(cr_u64_take(&at, 100, &v), -EINVAL);
    at = whole;
    assert_int_equal(cr_u64_take(&at, 16, &v), -ERANGE);
    assert_true(v == 17 && at == whole);
    assert_int_equal(cr_bytes_parse("4G", UINT64_MAX, &v), 0);
    assert_true(v == 4ULL << 30);
    assert_int_equal(cr_bytes_parse("2MiB", UINT64_MAX, &v), 0);
    assert_int_equal(v, 2 << 20);
    assert_int_equal(cr_bytes_parse("17179869184T", UINT64_MAX, &v), -ERANGE);
    assert_int_equal(cr_bytes_parse("5Q", UINT64_MAX, &v), -EINVAL);
    char text[CR_BYTES_TEXT];
    assert_string_equal(cr_bytes_format(1717986918, text, sizeof(text)), "1.60 GiB");
    assert_string_equal(cr_bytes_format(12, text, sizeof(text)), "12 B");
    assert_string_equal(cr_bytes_format(UINT64_MAX, text, sizeof(text)), "16.0 EiB");
}

static void a_buffer_never_passes_its_maximum(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(5);
    assert_int_equal(cr_buf_append(&buf, "abc", 3), 0);
    assert_int_equal(cr_buf_append(&buf, "def", 3), -EMSGSIZE);
    assert_int_equal(buf.len, 3);
    assert_int_equal(cr_buf_printf(&buf, "%d", 12), 0);
    assert_int_equal(cr_buf_printf(&buf, "3"), -EMSGSIZE);
    assert_memory_equal(buf.data, "abc12", 5);
}

static void a_replaced_file_is_the_new_one_and_leaves_no_neighbour(void **state)
{
    (void)state;
    char folder[] = "/tmp/carrel-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    CLEANUP_CLOSE int dir = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cr_dir_make(dir, "a/b/c", 0755), 0);
    assert_int_equal(cr_file_replace(dir, "a/b/f", "one", 3, 0644), 0);
    assert_int_equal(cr_file_replace(dir, "a/b/f", "three", 5, 0644), 0);
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(5);
    assert_int_equal(cr_file_read(dir, "a/b/f", &buf), 0);
    assert_memory_equal(buf.data, "three", 5);
    CLEANUP_BUF struct cr_buf small = CR_BUF_INIT(4);
    assert_int_equal(cr_file_read(dir, "a/b/f", &small), -EMSGSIZE);
    assert_int_equal(cr_file_read(dir, "a/none", &small), -ENOENT);
    int entries = 0;
    CLEANUP_CLOSEDIR DIR *d = fdopendir(openat(dir, "a/b", O_RDONLY));
    while (readdir(d) != NULL)
        entries++;
    assert_int_equal(entries, 4); /* . .. c f */
    assert_int_equal(cr_dir_remove(AT_FDCWD, folder), 0);
}

static void add_one(void *argument)
{
    atomic_fetch_add((atomic_int *)argument, 1);
}

static void a_pool_runs_every_job_once(void **state)
{
    (void)state;
    CLEANUP(cr_pool_cleanup) struct cr_pool *pool = NULL;
    assert_int_equal(cr_pool_new(4, 3, &pool), 0);
    atomic_int count = 0;
    for (int i = 0; i < 1000; i++)
        cr_pool_submit(pool, add_one, &count);
    cr_pool_wait(pool);
    assert_int_equal(count, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_joins_and_cuts),
        cmocka_unit_test(numbers_are_parsed_whole_or_refused),
        cmocka_unit_test(a_buffer_never_passes_its_maximum),
        cmocka_unit_test(a_replaced_file_is_the_new_one_and_leaves_no_neighbour),
        cmocka_unit_test(a_pool_runs_every_job_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
