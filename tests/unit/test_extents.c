/* SPDX-License-Identifier: MIT */
#include "lib/base/extents.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void ranges_that_touch_are_joined(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents e = {0};
    assert_int_equal(cr_extents_add(&e, 100, 10), 0);
    assert_int_equal(cr_extents_add(&e, 300, 10), 0);
    assert_int_equal(cr_extents_add(&e, 200, 10), 0); /* out of order */
    assert_int_equal(e.count, 3);
    assert_int_equal(cr_extents_add(&e, 110, 90), 0); /* fills the gap exactly */
    assert_int_equal(e.count, 2);
    assert_int_equal(e.items[0].offset, 100);
    assert_int_equal(e.items[0].len, 110);
    assert_int_equal(cr_extents_add(&e, 50, 1000), 0); /* swallows all */
    assert_int_equal(e.count, 1);
    assert_int_equal(cr_extents_bytes(&e), 1000);
    assert_int_equal(cr_extents_add(&e, 5, 0), 0);
    assert_int_equal(e.count, 1);
    assert_int_equal(cr_extents_add(&e, UINT64_MAX, 1), -ERANGE);
}

/* Against a plain array of flags, with many ranges in no order. */
static void a_set_of_ranges_is_what_was_added(void **state)
{
    (void)state;
    enum { SPACE = 2000 };
    uint8_t model[SPACE] = {0}, data[SPACE];
    uint32_t seed = 7;
    CLEANUP_EXTENTS struct cr_extents e = {0};
    for (int round = 0; round < 150; round++) {
        seed = seed * 1664525U + 1013904223U;
        uint32_t offset = seed % (SPACE - 20), len = (seed >> 20) % 12;
        assert_int_equal(cr_extents_add(&e, offset, len), 0);
        memset(model + offset, 1, len);
    }
    for (uint64_t at = 0; at < SPACE; at++) {
        const struct cr_extent *next = cr_extents_next(&e, at);
        bool inside = next != NULL && next->offset <= at;
        assert_int_equal(inside, model[at]);
        assert_int_equal(cr_extents_cover(&e, at, 1), model[at]);
    }
    memset(data, 0xee, sizeof(data));
    for (size_t at = 0; at < SPACE; at += 100)
        cr_extents_zero(&e, at, data + at, 100);
    for (size_t at = 0; at < SPACE; at++)
        assert_int_equal(data[at], model[at] ? 0 : 0xee);
}

static void only_whole_ranges_are_covered(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents e = {0};
    assert_true(cr_extents_cover(&e, 7, 0));
    assert_false(cr_extents_cover(&e, 7, 1));
    assert_null(cr_extents_next(&e, 0));
    assert_int_equal(cr_extents_add(&e, 10, 10), 0);
    assert_true(cr_extents_cover(&e, 10, 10));
    assert_true(cr_extents_cover(&e, 15, 5));
    assert_false(cr_extents_cover(&e, 15, 6));
    assert_false(cr_extents_cover(&e, 9, 5));
    assert_null(cr_extents_next(&e, 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_that_touch_are_joined),
        cmocka_unit_test(a_set_of_ranges_is_what_was_added),
        cmocka_unit_test(only_whole_ranges_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
