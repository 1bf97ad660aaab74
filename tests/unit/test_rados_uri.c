/* SPDX-License-Identifier: MIT */
/* The names of stores in Ceph. */
#include "lib/base/mem.h"
#include "lib/rados/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_pool_is_enough(void **state)
{
    struct cr_rados_uri uri;
    (void)state;
    assert_int_equal(cr_rados_uri_parse("images", &uri, NULL), 0);
    assert_string_equal(uri.pool, "images");
    assert_string_equal(uri.meta, "images");
    assert_string_equal(uri.name_space, "carrel");
    assert_string_equal(uri.conf, "");
    assert_string_equal(uri.id, "");
    assert_int_equal(uri.timeout_s, 30);
    assert_int_equal(uri.lease_s, 60);
}

static void every_setting_is_taken(void **state)
{
    struct cr_rados_uri uri;
    (void)state;
    assert_int_equal(cr_rados_uri_parse("ec/site-1?conf=/etc/a%20b%26.conf&id=lab&meta=fast&"
                                        "timeout=5&lease=9",
                                        &uri, NULL),
                     0);
    assert_string_equal(uri.pool, "ec");
    assert_string_equal(uri.meta, "fast");
    assert_string_equal(uri.name_space, "site-1");
    assert_string_equal(uri.conf, "/etc/a b&.conf");
    assert_string_equal(uri.id, "lab");
    assert_int_equal(uri.timeout_s, 5);
    assert_int_equal(uri.lease_s, 9);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "empty"},
        {"?id=a", "empty"},
        {"a/", "empty"},
        {"a/b/c", "letters, digits"},
        {"a b", "letters, digits"},
        {"p\xc3\xb6ol", "letters, digits"},
        {"a?", "without '='"},
        {"a?conf", "without '='"},
        {"a?conf=", "names no file"},
        {"a?conf=%", "hexadecimal"},
        {"a?conf=%4", "hexadecimal"},
        {"a?conf=%00", "hexadecimal"},
        {"a?conf=x&", "without '='"},
        {"a?id=", "empty"},
        {"a?meta=x/y", "letters, digits"},
        {"a?timeout=0", "seconds"},
        {"a?timeout=3601", "seconds"},
        {"a?timeout=-1", "seconds"},
        {"a?lease=1", "seconds"},
        {"a?lease=86401", "seconds"},
        {"a?colour=red", "only the settings"},
        {"a?con=x", "only the settings"},
        {"a?confx=x", "only the settings"},
    };
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        struct cr_rados_uri uri = {.pool = "untouched"};
        struct cr_error err = {0};
        assert_int_equal(cr_rados_uri_parse(cases[i].text, &uri, &err), -EINVAL);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("'%s': '%s' does not say '%s'", cases[i].text, err.text, cases[i].why);
        assert_non_null(strstr(err.text, "rados:POOL"));
        assert_string_equal(uri.pool, "untouched");
    }
}

static void names_and_the_whole_have_a_maximum(void **state)
{
    struct cr_rados_uri uri;
    char text[CR_URI_BYTES_MAX + 8] = {0};
    (void)state;
    memset(text, 'a', CR_RADOS_NAME_MAX);
    assert_int_equal(cr_rados_uri_parse(text, &uri, NULL), 0);
    text[CR_RADOS_NAME_MAX] = 'a';
    assert_int_equal(cr_rados_uri_parse(text, &uri, NULL), -EINVAL);
    memset(text + 7, 'b', CR_URI_BYTES_MAX - 8);
    memcpy(text, "a?conf=", sizeof("a?conf=") - 1);
    assert_int_equal(cr_rados_uri_parse(text, &uri, NULL), 0);
    text[CR_URI_BYTES_MAX - 1] = 'b';
    assert_int_equal(cr_rados_uri_parse(text, &uri, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_is_enough),
        cmocka_unit_test(every_setting_is_taken),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(names_and_the_whole_have_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
