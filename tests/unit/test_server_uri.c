/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/net/etag.h"
#include "lib/net/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_server_is_named_with_host_port_and_settings(void **state)
{
    struct cr_server_uri uri;
    char text[CR_SERVER_TEXT];
    (void)state;
    assert_int_equal(
        cr_server_uri_parse("https://images.school:8443?pki=/etc/carrel&patience=600", &uri, NULL),
        0);
    assert_true(uri.tls);
    assert_string_equal(uri.host, "images.school");
    assert_int_equal(uri.port, 8443);
    assert_string_equal(uri.pki, "/etc/carrel");
    assert_int_equal(uri.patience_s, 600);
    assert_int_equal(uri.stall_s, CR_STALL_S_DEFAULT);
    assert_string_equal(cr_server_uri_format(&uri, text), "https://images.school:8443");

    assert_int_equal(cr_server_uri_parse("https://[2001:db8::1]/?stall=3", &uri, NULL), 0);
    assert_int_equal(uri.port, 443);
    assert_int_equal(uri.stall_s, 3);
    assert_int_equal(uri.patience_s, CR_PATIENCE_S_DEFAULT);
    assert_string_equal(uri.pki, "");
    assert_string_equal(cr_server_uri_format(&uri, text), "https://[2001:db8::1]:443");

    assert_int_equal(cr_server_uri_parse("https://10.0.0.1?pki=/a%20b%26c", &uri, NULL), 0);
    assert_string_equal(uri.pki, "/a b&c");
}

static void plain_http_is_for_this_machine_only(void **state)
{
    static const char *const here[] = {"http://127.0.0.1:80", "http://127.9.9.9:1",
                                       "http://[::1]:8080", "http://localhost"};
    static const char *const elsewhere[] = {"http://10.0.0.1", "http://[::2]:80",
                                            "http://127.0.0.1.example.org", "http://server"};
    struct cr_server_uri uri;
    struct cr_error err;
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(here); i++)
        assert_int_equal(cr_server_uri_parse(here[i], &uri, NULL), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(elsewhere); i++) {
        assert_int_equal(cr_server_uri_parse(elsewhere[i], &uri, &err), -EINVAL);
        assert_non_null(strstr(err.text, "for this machine itself only"));
    }
}

static void what_is_no_server_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"ftp://host", "begins with neither"},
        {"https://", "no host's name"},
        {"https://:443", "no host's name"},
        {"https://user@host", "no host's name"},
        {"https://ho st", "no host's name"},
        {"https://-host", "no host's name"},
        {"https://host:0", "port is not a number"},
        {"https://host:65536", "port is not a number"},
        {"https://host:", "port is not a number"},
        {"https://host:44a", "port is not a number"},
        {"https://host:123456789", "port is not a number"},
        {"https://[::1", "never closed"},
        {"https://[::1]443", "port is not a number"},
        {"https://[host]:1", "not an IPv6 address"},
        {"https://host/path", "a path after the host"},
        {"https://host/?x=1", "only the settings"},
        {"https://host?pki", "without '='"},
        {"https://host?pki=", "names no folder"},
        {"https://host?pki=%zz", "'%' without two"},
        {"https://host?pki=a%4", "'%' without two"},
        {"https://host?pki=a%00b", "'%' without two"},
        {"https://host?patience=x", "are seconds"},
        {"https://host?patience=86401", "are seconds"},
        {"https://host?stall=0", "are seconds"},
        {"https://host?pki=a&", "without '='"},
        {"http://127.0.0.1?pki=a", "uses no certificates"},
    };
    struct cr_server_uri uri;
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        struct cr_error err = {0};
        assert_int_equal(cr_server_uri_parse(bad[i].text, &uri, &err), -EINVAL);
        if (strstr(err.text, bad[i].reason) == NULL)
            fail_msg("'%s': %s", bad[i].text, err.text);
    }
    char wide[CR_URI_BYTES_MAX + 8];
    memset(wide, 'a', sizeof(wide) - 1);
    memcpy(wide, "https://", 8);
    wide[sizeof(wide) - 1] = '\0';
    assert_int_equal(cr_server_uri_parse(wide, &uri, NULL), -EINVAL);
    wide[8 + CR_HOST_BYTES_MAX + 1] = '\0';
    assert_int_equal(cr_server_uri_parse(wide, &uri, NULL), -EINVAL);
    wide[8 + CR_HOST_BYTES_MAX] = '\0';
    assert_int_equal(cr_server_uri_parse(wide, &uri, NULL), 0);
}

static void entity_tags_match_as_http_says(void **state)
{
    (void)state;
    assert_true(cr_etag_matches("\"ab\"", "ab"));
    assert_true(cr_etag_matches("W/\"ab\"", "ab"));
    assert_true(cr_etag_matches("*", "ab"));
    assert_true(cr_etag_matches(" * ", "ab"));
    assert_true(cr_etag_matches("\"x\", W/\"y\" ,\"ab\"", "ab"));
    assert_false(cr_etag_matches("", "ab"));
    assert_false(cr_etag_matches("ab", "ab"));
    assert_false(cr_etag_matches("\"abc\"", "ab"));
    assert_false(cr_etag_matches("\"a\"", "ab"));
    assert_false(cr_etag_matches("\"ab", "ab"));
    assert_false(cr_etag_matches("\"x\",ab,\"ab\"", "ab"));
    assert_false(cr_etag_matches("*x", "ab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_named_with_host_port_and_settings),
        cmocka_unit_test(plain_http_is_for_this_machine_only),
        cmocka_unit_test(what_is_no_server_is_refused_with_the_reason),
        cmocka_unit_test(entity_tags_match_as_http_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
