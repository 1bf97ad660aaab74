/* SPDX-License-Identifier: MIT */
/* The command line of every program: each kind of option, and each kind of mistake by its name. */
#include "lib/base/options.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct settings {
    const char *store;
    struct cr_option_list servers;
    uint64_t bytes, threads, keep_s;
    bool verbose;
};

static const struct cr_option table[] = {
    {"store", "URI", CR_OPTION_TEXT, offsetof(struct settings, store), 0, 0, true, "where"},
    {"server", "URL", CR_OPTION_LIST, offsetof(struct settings, servers), 0, 0, false, "whom"},
    {"bytes", "SIZE", CR_OPTION_SIZE, offsetof(struct settings, bytes), 1024, 1 << 20, false, ""},
    {"threads", "N", CR_OPTION_NUMBER, offsetof(struct settings, threads), 1, 16, false, ""},
    {"keep", "SPAN", CR_OPTION_SPAN, offsetof(struct settings, keep_s), 0, 864000, false, ""},
    {"verbose", NULL, CR_OPTION_FLAG, offsetof(struct settings, verbose), 0, 0, false, ""},
    {0},
};

/* A command line as text, cut at its blanks. */
struct line {
    char text[128];
    char *argv[12];
    int argc, operand;
};

static int parse(struct line *line, const char *text, struct settings *settings,
                 struct cr_error *err)
{
    snprintf(line->text, sizeof(line->text), "%s", text);
    line->argc = 0;
    for (char *rest = line->text; rest != NULL;)
        line->argv[line->argc++] = strsep(&rest, " ");
    line->argv[line->argc] = NULL;
    return cr_options_parse(table, line->argc, line->argv, settings, &line->operand, err);
}

static void every_kind_is_taken_in_any_order(void **state)
{
    (void)state;
    struct settings settings = {.threads = 4};
    struct line line;
    assert_int_equal(parse(&line,
                           "p one --server a --bytes=4K two --verbose --server=b --keep 2d "
                           "--store=s",
                           &settings, NULL),
                     0);
    assert_string_equal(settings.store, "s");
    assert_int_equal(settings.servers.count, 2);
    assert_string_equal(settings.servers.texts[1], "b");
    assert_int_equal(settings.bytes, 4096);
    assert_int_equal(settings.threads, 4); /* the default */
    assert_int_equal(settings.keep_s, 2 * 24 * 3600);
    assert_true(settings.verbose);
    assert_int_equal(line.argc - line.operand, 2);
    assert_string_equal(line.argv[line.operand], "one");
    assert_string_equal(line.argv[line.operand + 1], "two");
    assert_int_equal(cr_options_check(table, &settings, NULL), 0);
}

static void each_mistake_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"p --sture x", "'--sture'"},      {"p -x", "'-x'"},
        {"p --store", "needs a value"},    {"p --bytes 12", "'--bytes 12'"},
        {"p --bytes 2M", "'--bytes 2M'"},  {"p --threads 0", "from 1 to 16"},
        {"p --threads 17", "number"},      {"p --threads -1", "number"},
        {"p --keep soon", "span of time"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        struct settings settings = {0};
        struct line line;
        struct cr_error err = {0};
        assert_int_equal(parse(&line, cases[i].line, &settings, &err), -EINVAL);
        if (strstr(err.text, cases[i].word) == NULL)
            fail_msg("no '%s' in: %s", cases[i].word, err.text);
    }
}

static void a_list_has_its_maximum(void **state)
{
    (void)state;
    static char word[] = "--server=x", program[] = "p";
    struct settings settings = {0};
    struct cr_error err = {0};
    char *argv[CR_OPTION_LIST_MAX + 3] = {program};
    int operand;
    for (size_t i = 1; i < CR_OPTION_LIST_MAX + 2; i++)
        argv[i] = word;
    assert_int_equal(
        cr_options_parse(table, CR_OPTION_LIST_MAX + 1, argv, &settings, &operand, &err), 0);
    memset(&settings, 0, sizeof(settings));
    assert_int_equal(
        cr_options_parse(table, CR_OPTION_LIST_MAX + 2, argv, &settings, &operand, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'--server'"));
}

static void what_is_needed_is_asked_for_by_name(void **state)
{
    (void)state;
    struct settings settings = {0};
    struct cr_error err = {0};
    assert_int_equal(cr_options_check(table, &settings, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'--store URI'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_taken_in_any_order),
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(a_list_has_its_maximum),
        cmocka_unit_test(what_is_needed_is_asked_for_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
