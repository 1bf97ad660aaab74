/* SPDX-License-Identifier: MIT */
/* What the server signs for seats: policies and leases; and what a stranger makes of them. */
#include "lib/policy/lease.h"
#include "lib/policy/policy.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SOON 4000000000LL /* 2096 */

static struct {
    char folder[64];
    struct cr_trust_signer *signer, *stranger;
} f;

static int setup(void **state)
{
    char path[128];
    (void)state;
    snprintf(f.folder, sizeof(f.folder), "/tmp/carrel-policy-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(path, sizeof(path), "%s/key", f.folder);
    assert_int_equal(cr_signer_make(path, NULL, NULL), 0);
    assert_int_equal(cr_signer_open(path, NULL, &f.signer, NULL), 0);
    snprintf(path, sizeof(path), "%s/stranger", f.folder);
    assert_int_equal(cr_signer_make(path, NULL, NULL), 0);
    assert_int_equal(cr_signer_open(path, NULL, &f.stranger, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cr_signer_close(f.signer);
    cr_signer_close(f.stranger);
    return cr_dir_remove(AT_FDCWD, f.folder);
}

static int sign(const char *body, struct cr_trust_signer *signer, const char *type,
                struct cr_buf *out)
{
    CLEANUP_JSON json_t *json = json_loads(body, 0, NULL);
    assert_non_null(json);
    return cr_signed_make(json, type, 7, SOON, signer, out, NULL);
}

/* --- policies -------------------------------------------------------------------------------- */

static const char full[] =
    "{\"name\": \"room-12\", \"image\": \"physics:stable\", \"desktop\": {\"memory\": \"4G\","
    " \"cpus\": \"4\"}, \"network\": \"off\", \"fill_rate\": \"20M\", \"lease_days\": 7,"
    " \"heartbeat\": 30, \"idle\": {\"do\": \"restore\", \"after_minutes\": 20},"
    " \"power_off\": \"18:30\", \"usb\": [{\"allow\": false, \"vendor\": 4660, \"product\": 1},"
    " {\"allow\": true, \"class\": 8}]}";

static void a_signed_policy_is_read_with_all_its_keys(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_POLICY struct cr_policy policy = {0};
    struct cr_error err = {0};
    assert_int_equal(sign(full, f.signer, "policy", &file), 0);
    if (cr_policy_open(file.data, file.len, &f.signer->key, 1, &policy, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(policy.version, 7);
    assert_int_equal(policy.expires_s, SOON);
    assert_string_equal(policy.name, "room-12");
    assert_string_equal(policy.image, "physics:stable");
    assert_false(policy.network);
    assert_int_equal(policy.fill_bytes_s, 20 * CR_MIB);
    assert_int_equal(policy.lease_days, 7);
    assert_int_equal(policy.heartbeat_s, 30);
    assert_int_equal(policy.idle, CR_IDLE_RESTORE);
    assert_int_equal(policy.idle_minutes, 20);
    assert_true(policy.power_off);
    assert_int_equal(policy.power_off_minute, 18 * 60 + 30);
    struct cr_desktop desktop;
    assert_int_equal(cr_desktop_parse("p", policy.desktop.data, policy.desktop.len, &desktop, NULL),
                     0);
    assert_int_equal(desktop.memory_bytes, 4 * CR_GIB);
    assert_int_equal(desktop.cpus, 4);
}

static void an_empty_policy_is_the_default_one(void **state)
{
    (void)state;
    CLEANUP_JSON json_t *body = json_object();
    CLEANUP_POLICY struct cr_policy policy = {0};
    assert_int_equal(cr_policy_parse(body, &policy, NULL), 0);
    assert_true(policy.network);
    assert_int_equal(policy.lease_days, 0);
    assert_int_equal(policy.usb_count, 0);
    assert_false(policy.power_off);
}

static void the_first_usb_rule_that_matches_decides(void **state)
{
    (void)state;
    CLEANUP_JSON json_t *body = json_loads(full, 0, NULL);
    CLEANUP_POLICY struct cr_policy policy = {0};
    assert_int_equal(cr_policy_parse(body, &policy, NULL), 0);
    assert_false(cr_policy_usb_allows(&policy, 8, 4660, 1));
    assert_true(cr_policy_usb_allows(&policy, 8, 4660, 2));
    assert_false(cr_policy_usb_allows(&policy, 3, 4660, 2)); /* no rule: no */
}

/* Each is refused with a sentence that holds the word. */
static void wrong_values_are_refused_by_their_key(void **state)
{
    (void)state;
    static const struct {
        const char *body, *word;
    } cases[] = {
        {"[]", "object"},
        {"{\"screen\": 1}", "screen"},
        {"{\"name\": 7}", "name"},
        {"{\"name\": \"a b\"}", "a b"},
        {"{\"name\": \"physics@3\"}", "physics@3"},
        {"{\"image\": \"a/b\"}", "image"},
        {"{\"desktop\": \"x\"}", "desktop"},
        {"{\"desktop\": {\"memory\": 4}}", "memory"},
        {"{\"desktop\": {\"memory\": \"4G\\ncpus = 99\"}}", "memory"},
        {"{\"desktop\": {\"a = b\": \"c\"}}", "a = b"},
        {"{\"desktop\": {\"memory\": \"no\"}}", "memory"},
        {"{\"network\": true}", "network"},
        {"{\"network\": \"perhaps\"}", "perhaps"},
        {"{\"fill_rate\": 20}", "fill_rate"},
        {"{\"fill_rate\": \"fast\"}", "fast"},
        {"{\"lease_days\": -1}", "lease_days"},
        {"{\"lease_days\": 367}", "366"},
        {"{\"lease_days\": \"7\"}", "lease_days"},
        {"{\"heartbeat\": 4}", "heartbeat"},
        {"{\"idle\": {\"do\": \"poweroff\"}}", "idle"},
        {"{\"idle\": {\"do\": \"dance\", \"after_minutes\": 1}}", "dance"},
        {"{\"idle\": {\"do\": \"nothing\", \"after_minutes\": 1, \"x\": 1}}", "idle"},
        {"{\"power_off\": \"24:00\"}", "24:00"},
        {"{\"power_off\": \"1:30\"}", "1:30"},
        {"{\"power_off\": \"18:60\"}", "18:60"},
        {"{\"power_off\": \"18:+1\"}", "18:+1"},
        {"{\"usb\": {}}", "usb"},
        {"{\"usb\": [{}]}", "rule 1"},
        {"{\"usb\": [{\"allow\": 1}]}", "allow"},
        {"{\"usb\": [{\"allow\": true}, {\"allow\": true, \"class\": 256}]}", "rule 2"},
        {"{\"usb\": [{\"allow\": true, \"klass\": 8}]}", "rule 1"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        CLEANUP_JSON json_t *body = json_loads(cases[i].body, 0, NULL);
        struct cr_policy policy;
        struct cr_error err = {0};
        assert_non_null(body);
        assert_int_equal(cr_policy_parse(body, &policy, &err), -EBADMSG);
        if (strstr(err.text, cases[i].word) == NULL)
            fail_msg("%s: no '%s' in: %s", cases[i].body, cases[i].word, err.text);
    }
}

static void each_key_of_the_table_notices_its_own_change(void **state)
{
    (void)state;
    static const char *const changed[] = {
        "{\"name\": \"a\"}",
        "{\"image\": \"a\"}",
        "{\"desktop\": {\"cpus\": \"1\"}}",
        "{\"network\": \"off\"}",
        "{\"fill_rate\": \"1M\"}",
        "{\"lease_days\": 1}",
        "{\"heartbeat\": 99}",
        "{\"idle\": {\"do\": \"restore\", \"after_minutes\": 5}}",
        "{\"power_off\": \"00:00\"}",
        "{\"usb\": [{\"allow\": true}]}",
    };
    CLEANUP_JSON json_t *empty = json_object();
    CLEANUP_POLICY struct cr_policy before = {0};
    assert_int_equal(cr_policy_parse(empty, &before, NULL), 0);
    size_t count = 0;
    while (cr_policy_key(count) != NULL)
        count++;
    assert_int_equal(count, CR_ARRAY_LEN(changed));
    for (size_t i = 0; i < count; i++) {
        CLEANUP_JSON json_t *body = json_loads(changed[i], 0, NULL);
        CLEANUP_POLICY struct cr_policy after = {0};
        assert_int_equal(cr_policy_parse(body, &after, NULL), 0);
        for (size_t key = 0; key < count; key++)
            assert_int_equal(cr_policy_key_equal(key, &before, &after), key != i);
    }
}

/* --- strangers ------------------------------------------------------------------------------- */

static int open_it(const struct cr_buf *file, struct cr_error *err)
{
    CLEANUP_POLICY struct cr_policy policy = {0};
    return cr_policy_open(file->data, file->len, &f.signer->key, 1, &policy, err);
}

static void a_policy_of_a_stranger_is_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    struct cr_error err = {0};
    assert_int_equal(sign(full, f.stranger, "policy", &file), 0);
    assert_int_equal(open_it(&file, &err), -EKEYREJECTED);
    assert_int_equal(cr_policy_open(file.data, file.len, NULL, 0, NULL, &err), -EKEYREJECTED);
}

static void a_lease_is_no_policy(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    struct cr_error err = {0};
    assert_int_equal(sign("{}", f.signer, "lease", &file), 0);
    assert_int_equal(open_it(&file, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "'lease'"));
}

/* Every bit of the file is flipped, one at a time: nothing that says something else is taken. */
static void no_changed_policy_is_taken(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    assert_int_equal(sign(full, f.signer, "policy", &file), 0);
    size_t taken = 0;
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        struct cr_error err = {0};
        file.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        int r = open_it(&file, &err);
        taken += r == 0;
        assert_true(r == 0 || err.text[0] != '\0');
        file.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    /* The line feed at the end may be another blank. */
    assert_in_range(taken, 0, 3);
}

static void a_number_below_one_and_a_wrong_expiry_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } changes[] = {{"\"version\":7", "\"version\":0"}, {"2096-", "2096:"}, {"policy", "poliCy"}};
    for (size_t i = 0; i < CR_ARRAY_LEN(changes); i++) {
        CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
        struct cr_error err = {0};
        assert_int_equal(sign(full, f.signer, "policy", &file), 0);
        char *at = memmem(file.data, file.len, changes[i].from, strlen(changes[i].from));
        assert_non_null(at);
        memcpy(at, changes[i].to, strlen(changes[i].to));
        assert_int_equal(open_it(&file, &err), -EBADMSG);
    }
}

static void either_of_two_known_keys_may_sign(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(1024);
    CLEANUP_POLICY struct cr_policy policy = {0};
    struct cr_trust_key keys[CR_POLICY_KEYS_MAX];
    char line[CR_SIGNED_KEY_TEXT];
    size_t count = 0;
    assert_int_equal(cr_signed_key_format(&f.stranger->key, line), 0);
    assert_int_equal(cr_buf_printf(&text, "# the old server\n  %s  # until May\n\n", line), 0);
    assert_int_equal(cr_signed_key_format(&f.signer->key, line), 0);
    assert_int_equal(cr_buf_printf(&text, "%s", line), 0);
    assert_int_equal(cr_signed_keys_parse(text.data, text.len, keys, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(sign(full, f.signer, "policy", &file), 0);
    assert_int_equal(cr_policy_open(file.data, file.len, keys, count, &policy, NULL), 0);
    for (size_t i = 0; i < count; i++)
        cr_key_done(&keys[i]);
}

static void a_file_without_right_keys_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "abcd\n", "\n\nxyz"};
    struct cr_trust_key keys[CR_POLICY_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        struct cr_error err = {0};
        assert_int_equal(cr_signed_keys_parse(texts[i], strlen(texts[i]), keys, &count, &err),
                         -EBADMSG);
        assert_true(err.text[0] != '\0');
    }
}

/* --- leases ---------------------------------------------------------------------------------- */

static void a_lease_is_for_one_seat_one_version_and_some_days(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    struct cr_lease lease = {.version = 3, .given_s = 1000, .expires_s = 2000}, read = {0};
    struct cr_error err = {0};
    memset(lease.seat.bytes, 1, CR_ID_BYTES);
    struct cr_ref other;
    struct cr_id stranger = {{9}};
    assert_int_equal(cr_ref_parse("physics@3", &lease.image, NULL), 0);
    assert_int_equal(cr_ref_parse("physics@4", &other, NULL), 0);
    assert_int_equal(cr_lease_make(&lease, f.signer, &file, &err), 0);
    assert_int_equal(cr_lease_open(file.data, file.len, &f.signer->key, 1, &read, &err), 0);
    assert_memory_equal(&read.seat, &lease.seat, sizeof(read.seat));
    assert_string_equal(read.image.name, "physics");
    assert_int_equal(read.image.number, 3);
    assert_int_equal(read.given_s, 1000);
    assert_int_equal(read.expires_s, 2000);
    assert_int_equal(cr_lease_check(&read, &lease.seat, &lease.image, 1999, &err), 0);
    assert_int_equal(cr_lease_check(&read, &lease.seat, &lease.image, 2000, &err), -EKEYEXPIRED);
    assert_non_null(strstr(err.text, "1970-01-01T00:33:20Z"));
    assert_int_equal(cr_lease_check(&read, &stranger, &lease.image, 1500, &err), -EACCES);
    assert_int_equal(cr_lease_check(&read, &lease.seat, &other, 1500, &err), -EACCES);
    assert_int_equal(cr_lease_open(file.data, file.len, &f.stranger->key, 1, &read, &err),
                     -EKEYREJECTED);
}

static void setting_the_clock_back_prolongs_no_lease(void **state)
{
    (void)state;
    bool back = true;
    assert_int_equal(cr_lease_clock(5000, 4000, &back), 5000);
    assert_false(back);
    assert_int_equal(cr_lease_clock(4000, 4010, &back), 4010); /* the clock is set by seconds */
    assert_false(back);
    assert_int_equal(cr_lease_clock(1000, 5000, &back), 5000);
    assert_true(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_policy_is_read_with_all_its_keys),
        cmocka_unit_test(an_empty_policy_is_the_default_one),
        cmocka_unit_test(the_first_usb_rule_that_matches_decides),
        cmocka_unit_test(wrong_values_are_refused_by_their_key),
        cmocka_unit_test(each_key_of_the_table_notices_its_own_change),
        cmocka_unit_test(a_policy_of_a_stranger_is_refused),
        cmocka_unit_test(a_lease_is_no_policy),
        cmocka_unit_test(no_changed_policy_is_taken),
        cmocka_unit_test(a_number_below_one_and_a_wrong_expiry_are_refused),
        cmocka_unit_test(either_of_two_known_keys_may_sign),
        cmocka_unit_test(a_file_without_right_keys_is_refused),
        cmocka_unit_test(a_lease_is_for_one_seat_one_version_and_some_days),
        cmocka_unit_test(setting_the_clock_back_prolongs_no_lease),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
