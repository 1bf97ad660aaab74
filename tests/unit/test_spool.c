/* SPDX-License-Identifier: MIT */
/* The queue of a seat: nothing that was put is lost, and it never outgrows its limits. */
#include "lib/spool/spool.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/carrel-spool-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return cr_dir_remove(AT_FDCWD, folder);
}

static struct cr_spool *open_to_put(uint64_t bytes, uint32_t entries)
{
    struct cr_spool_limits limits = {.bytes = bytes, .entries = entries};
    struct cr_spool *spool = NULL;
    struct cr_error err = {0};
    if (cr_spool_open(folder, &limits, &spool, &err) < 0)
        fail_msg("%s", err.text);
    return spool;
}

static void put(struct cr_spool *spool, const char *text)
{
    struct cr_error err = {0};
    if (cr_spool_put(spool, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
}

/* Take the oldest entry, which is `text`; NULL = there is none. */
static void take(struct cr_spool *spool, const char *text)
{
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(CR_SPOOL_ENTRY_BYTES_MAX);
    uint64_t number = 0;
    int r = cr_spool_look(spool, &number, &out, NULL);
    if (text == NULL) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    assert_int_equal(cr_spool_drop(spool, number, NULL), 0);
}

static void entries_come_out_in_their_order_also_after_a_restart(void **state)
{
    (void)state;
    struct cr_spool *spool = open_to_put(1000, 100), *taker = NULL;
    put(spool, "one");
    put(spool, "two");
    cr_spool_close(spool);
    spool = open_to_put(1000, 100);
    put(spool, "three");
    assert_int_equal(cr_spool_open(folder, NULL, &taker, NULL), 0);
    take(taker, "one");
    take(taker, "two");
    put(spool, "four");
    take(taker, "three");
    take(taker, "four");
    take(taker, NULL);
    cr_spool_close(taker);
    cr_spool_close(spool);
}

static void what_was_looked_at_and_not_dropped_comes_again(void **state)
{
    (void)state;
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = open_to_put(1000, 100);
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(100);
    uint64_t number;
    put(spool, "once");
    assert_int_equal(cr_spool_look(spool, &number, &out, NULL), 0);
    take(spool, "once");
}

static void the_oldest_make_room_and_are_counted(void **state)
{
    (void)state;
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = open_to_put(10, 3);
    struct cr_spool_stat stat;
    put(spool, "a");
    put(spool, "b");
    put(spool, "c");
    put(spool, "d"); /* a goes: three entries */
    assert_int_equal(cr_spool_stat(spool, &stat, NULL), 0);
    assert_int_equal(stat.entries, 3);
    assert_int_equal(stat.lost, 1);
    put(spool, "0123456789"); /* all go: ten bytes */
    assert_int_equal(cr_spool_stat(spool, &stat, NULL), 0);
    assert_int_equal(stat.entries, 1);
    assert_int_equal(stat.bytes, 10);
    assert_int_equal(stat.lost, 4);
    take(spool, "0123456789");
}

static void an_entry_that_fits_never_is_refused_and_pushes_nothing_out(void **state)
{
    (void)state;
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = open_to_put(10, 3);
    struct cr_error err = {0};
    put(spool, "a");
    assert_int_equal(cr_spool_put(spool, "0123456789a", 11, &err), -EMSGSIZE);
    take(spool, "a");
}

static void two_processes_do_not_put_into_one_queue(void **state)
{
    (void)state;
    struct cr_spool *spool = open_to_put(10, 3), *other = NULL;
    struct cr_spool_limits limits = {.bytes = 10, .entries = 3};
    struct cr_error err = {0};
    assert_int_equal(cr_spool_open(folder, &limits, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, folder));
    cr_spool_close(spool);
    assert_int_equal(cr_spool_open(folder, &limits, &other, &err), 0);
    cr_spool_close(other);
}

static void files_of_others_are_left_alone(void **state)
{
    (void)state;
    char path[128];
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = open_to_put(10, 3);
    snprintf(path, sizeof(path), "%s/README", folder);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, "x", 1, 0600), 0);
    snprintf(path, sizeof(path), "%s/0000000000000000000x", folder);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, "x", 1, 0600), 0);
    take(spool, NULL);
    put(spool, "a");
    take(spool, "a");
}

/* A child puts numbers and says each that was acknowledged; it is killed at some moment. */
static void a_kill_at_any_moment_loses_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    uint64_t said = 0, next = 1;
    for (unsigned round = 0; round < 20; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            struct cr_spool *spool = open_to_put(1000000, 100000);
            for (uint64_t i = said + 1;; i++)
                if (cr_spool_put(spool, &i, sizeof(i), NULL) < 0 ||
                    write(ends[1], &i, sizeof(i)) < 0)
                    _exit(1);
        }
        close(ends[1]);
        for (unsigned i = 0; i <= round; i++)
            assert_int_equal(read(ends[0], &said, sizeof(said)), sizeof(said));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(ends[0], &said, sizeof(said)) == (ssize_t)sizeof(said))
            ;
        close(ends[0]);
        CLEANUP(cr_spool_cleanup) struct cr_spool *spool = open_to_put(1000000, 100000);
        CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(100);
        for (uint64_t number, value; cr_spool_look(spool, &number, &out, NULL) == 0; next++) {
            memcpy(&value, out.data, sizeof(value));
            assert_int_equal(value, next);
            assert_int_equal(cr_spool_drop(spool, number, NULL), 0);
            out.len = 0;
        }
        assert_true(next > said);
        said = next - 1; /* one more may have been put than was said */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(entries_come_out_in_their_order_also_after_a_restart),
        TEST(what_was_looked_at_and_not_dropped_comes_again),
        TEST(the_oldest_make_room_and_are_counted),
        TEST(an_entry_that_fits_never_is_refused_and_pushes_nothing_out),
        TEST(two_processes_do_not_put_into_one_queue),
        TEST(files_of_others_are_left_alone),
        TEST(a_kill_at_any_moment_loses_nothing_that_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
