/* SPDX-License-Identifier: MIT */
/* What a server says of itself: samples by name, summed over labels or one of them. */
#include "lib/net/metrics.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "# HELP reads Objects read.\n"
                           "# TYPE reads counter\n"
                           "reads{kind=\"chunk\"} 12\n"
                           "reads{kind=\"segment\"} 3.5\n"
                           "reads_more 100\n"
                           "cpu 1.25 1700000000000\n"
                           "odd{text=\"a } b\"} 7\n"
                           "broken x\n"
                           "broken\n"
                           "broken 1e999\n"
                           "nothing NaN\n"
                           "last 9";

/* From bytes of exactly their length. */
static int sum(const char *name, double *ret_sum)
{
    CLEANUP_FREE char *exact = malloc(sizeof(text) - 1);
    assert_non_null(exact);
    memcpy(exact, text, sizeof(text) - 1);
    return cr_metrics_sum(exact, sizeof(text) - 1, name, ret_sum);
}

static void samples_are_found_by_name_and_labels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double value;
    } wanted[] = {
        {"reads", 15.5},     {"reads{kind=\"chunk\"}", 12},
        {"reads_more", 100}, {"cpu", 1.25},
        {"odd", 7},          {"last", 9},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(wanted); i++) {
        double value = -1;
        assert_int_equal(sum(wanted[i].name, &value), 0);
        assert_true(value == wanted[i].value);
    }
}

static void what_is_no_number_is_not_there(void **state)
{
    (void)state;
    static const char *const absent[] = {"broken", "nothing", "read", "reads{kind=\"x\"}", "HELP"};
    for (size_t i = 0; i < CR_ARRAY_LEN(absent); i++) {
        double value = -1;
        assert_int_equal(sum(absent[i], &value), -ENOENT);
        assert_true(value == -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_found_by_name_and_labels),
        cmocka_unit_test(what_is_no_number_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
