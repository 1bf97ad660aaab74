/* SPDX-License-Identifier: MIT */
/* References and heads: names that people write, and the one object of an image that changes. */
#include "lib/base/mem.h"
#include "lib/image/head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* --- references ------------------------------------------------------------------------------ */

static void a_reference_names_an_image_or_one_version(void **state)
{
    (void)state;
    struct cr_ref ref;
    char text[CR_REF_TEXT];
    assert_int_equal(cr_ref_parse("physics", &ref, NULL), 0);
    assert_string_equal(ref.name, "physics");
    assert_int_equal(ref.number, 0);
    assert_string_equal(cr_ref_format(&ref, text), "physics");
    assert_int_equal(cr_ref_parse("Lab-2.x_y@17", &ref, NULL), 0);
    assert_string_equal(ref.name, "Lab-2.x_y");
    assert_int_equal(ref.number, 17);
    assert_string_equal(cr_ref_format(&ref, text), "Lab-2.x_y@17");
}

static void the_longest_reference_fits_its_text(void **state)
{
    (void)state;
    struct cr_ref ref;
    char long_ref[CR_NAME_MAX + 64], text[CR_REF_TEXT];
    memset(long_ref, 'a', CR_NAME_MAX);
    snprintf(long_ref + CR_NAME_MAX, 64, "@9223372036854775807");
    assert_int_equal(cr_ref_parse(long_ref, &ref, NULL), 0);
    assert_string_equal(cr_ref_format(&ref, text), long_ref);
}

static void a_name_that_no_file_should_have_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",     "@1",  ".",    "..",      ".hidden",        "-rf",  "_x",   "a/b",
        "../a", "a b", "a\nb", ":stable", "physik\xc3\xa9", "a\\b", "a%41", "a\x7f",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        struct cr_ref ref = {.number = 77};
        struct cr_error err = {0};
        assert_int_equal(cr_ref_parse(names[i], &ref, &err), -EINVAL);
        assert_int_equal(ref.number, 77);
        assert_non_null(strstr(err.text, "use 1 to 64 letters, digits"));
    }
}

static void a_name_of_65_characters_is_refused(void **state)
{
    (void)state;
    struct cr_ref ref;
    char name[CR_NAME_MAX + 2] = {0};
    memset(name, 'a', CR_NAME_MAX);
    assert_int_equal(cr_ref_parse(name, &ref, NULL), 0);
    name[CR_NAME_MAX] = 'a';
    assert_int_equal(cr_ref_parse(name, &ref, NULL), -EINVAL);
}

static void a_version_that_is_no_number_from_1_is_refused(void **state)
{
    (void)state;
    static const char *const refs[] = {
        "a@",   "a@0",  "a@-1", "a@+1", "a@1x",  "a@ 1",
        "a@@1", "a@1@", "a@x",  "a@1.", "a@0x1", "a@9223372036854775808",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(refs); i++) {
        struct cr_ref ref;
        struct cr_error err = {0};
        assert_int_equal(cr_ref_parse(refs[i], &ref, &err), -EINVAL);
        assert_non_null(strstr(err.text, "write NAME@N with N from 1"));
    }
}

/* --- heads that are built -------------------------------------------------------------------- */

static struct cr_version_info info_of(const char *message)
{
    struct cr_version_info info = {
        .root = {{0xAB}},
        .disk_bytes = CR_GIB,
        .data_bytes = CR_MIB,
        .stored_bytes = 4711,
        .created_s = 1700000000,
        .parent = {.name = "base", .number = 3},
    };
    snprintf(info.message, sizeof(info.message), "%s", message);
    return info;
}

static void head_make(struct cr_head *head, unsigned versions)
{
    *head = (struct cr_head){.name = "physics"};
    struct cr_version_info info = info_of("first light");
    for (unsigned i = 0; i < versions; i++) {
        uint64_t number = 0;
        assert_int_equal(cr_head_add(head, &info, &number), 0);
        assert_int_equal(number, i + 1);
    }
}

static void versions_equal(const struct cr_version_info *a, const struct cr_version_info *b)
{
    assert_true(a->number == b->number);
    assert_true(cr_id_equal(&a->root, &b->root));
    assert_true(a->disk_bytes == b->disk_bytes);
    assert_true(a->data_bytes == b->data_bytes);
    assert_true(a->stored_bytes == b->stored_bytes);
    assert_true(a->created_s == b->created_s);
    assert_string_equal(a->parent.name, b->parent.name);
    assert_true(a->parent.number == b->parent.number);
    assert_string_equal(a->message, b->message);
}

static void a_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head, again = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_make(&head, 3);
    snprintf(head.versions[1].message, 64, "\"quoted\" \\ \n \xe2\x82\xac \x01");
    head.versions[2].created_s = -1;
    head.versions[2].parent.name[0] = '\0';
    head.versions[2].parent.number = 0;
    assert_int_equal(cr_head_format(&head, &buf), 0);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &again, NULL), 0);
    assert_string_equal(again.name, "physics");
    assert_int_equal(again.next, 4);
    assert_int_equal(again.count, 3);
    for (unsigned i = 0; i < 3; i++)
        versions_equal(&again.versions[i], &head.versions[i]);
}

static void a_head_without_versions_is_read_as_it_was_written(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head = {.name = "physics", .next = 9}, again = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(cr_head_format(&head, &buf), 0);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &again, NULL), 0);
    assert_int_equal(again.next, 9);
    assert_int_equal(again.count, 0);
    assert_null(cr_head_find(&again, 0));
}

static void a_number_is_never_used_again(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    struct cr_version_info info = info_of("");
    uint64_t number = 0;
    head_make(&head, 3);
    assert_int_equal(cr_head_remove(&head, 3), 0);
    assert_int_equal(cr_head_remove(&head, 3), -ENOENT);
    assert_int_equal(cr_head_find(&head, 0)->number, 2);
    assert_int_equal(cr_head_add(&head, &info, &number), 0);
    assert_int_equal(number, 4);
    assert_null(cr_head_find(&head, 3));
    assert_int_equal(cr_head_find(&head, 4)->number, 4);
    assert_int_equal(cr_head_remove(&head, 1), 0);
    assert_int_equal(head.count, 2);
    assert_int_equal(head.versions[0].number, 2);
}

static void a_full_head_takes_no_version_more_and_can_be_written(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head = {0}, again = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_version_info info = info_of("");
    uint64_t number = 77;
    snprintf(head.name, sizeof(head.name), "physics");
    head.versions = cr_calloc(CR_HEAD_VERSIONS_MAX, sizeof(*head.versions));
    assert_non_null(head.versions);
    for (; head.count < CR_HEAD_VERSIONS_MAX; head.count++) {
        head.versions[head.count] = info;
        head.versions[head.count].number = head.count + 1;
    }
    head.next = CR_HEAD_VERSIONS_MAX + 1;
    assert_int_equal(cr_head_add(&head, &info, &number), -ENOSPC);
    assert_int_equal(number, 77);
    assert_int_equal(cr_head_format(&head, &buf), 0);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &again, NULL), 0);
    assert_int_equal(again.count, CR_HEAD_VERSIONS_MAX);
}

static void a_head_whose_numbers_are_used_up_takes_no_version_more(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head = {.name = "physics", .next = INT64_MAX - 1};
    struct cr_version_info info = info_of("");
    uint64_t number = 0;
    assert_int_equal(cr_head_add(&head, &info, &number), 0);
    assert_true(number == INT64_MAX - 1);
    assert_int_equal(cr_head_add(&head, &info, &number), -ENOSPC);
    CLEANUP(cr_head_done) struct cr_head again = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(cr_head_format(&head, &buf), 0);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &again, NULL), 0);
}

static void a_head_larger_than_its_maximum_is_not_written(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(500);
    head_make(&head, 3);
    assert_int_equal(cr_head_format(&head, &buf), -EMSGSIZE);
}

static void a_message_that_is_not_utf8_is_not_written(void **state)
{
    (void)state;
    static const char *const messages[] = {"\xff", "caf\xe9", "\xc0\x80", "\xed\xa0\x80",
                                           "cut \xe2\x82"};
    for (size_t i = 0; i < CR_ARRAY_LEN(messages); i++) {
        CLEANUP(cr_head_done) struct cr_head head;
        CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
        head_make(&head, 2);
        snprintf(head.versions[1].message, 64, "%s", messages[i]);
        assert_int_equal(cr_head_format(&head, &buf), -EINVAL);
        assert_int_equal(buf.len, 0);
    }
}

/* --- heads from outside ---------------------------------------------------------------------- */

#define ROOT "abababababababababababababababababababababababababababababababab"
#define V(number, rest)                                                                            \
    "{\"number\":" number ",\"root\":\"" ROOT "\",\"disk_bytes\":1,\"data_bytes\":0,"              \
    "\"stored_bytes\":0,\"created_s\":0,\"parent\":\"\",\"message\":\"\"" rest "}"
#define H(next, versions) "{\"name\":\"physics\",\"next\":" next ",\"versions\":[" versions "]}"

/* A body behind the right first line. */
static void head_of(const char *body, size_t len, struct cr_buf *out)
{
    struct cr_id id;
    char hex[CR_ID_HEX];
    cr_hash(body, len, &id);
    assert_int_equal(cr_buf_printf(out, "carrel-head 1 %s\n", cr_id_format(&id, hex)), 0);
    assert_int_equal(cr_buf_append(out, body, len), 0);
}

static void bytes_are_refused(const void *data, size_t len, const char *reason)
{
    struct cr_head head = {.next = 77};
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, data, len);
    assert_int_equal(cr_head_parse(exact, len, "physics", &head, &err), -EBADMSG);
    assert_int_equal(head.next, 77);
    assert_null(head.versions);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void is_refused_len(const char *body, size_t len, const char *reason)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(2 * CR_HEAD_BYTES_MAX);
    head_of(body, len, &buf);
    bytes_are_refused(buf.data, buf.len, reason);
}

static void is_refused(const char *body, const char *reason)
{
    is_refused_len(body, strlen(body), reason);
}

static void a_head_written_by_hand_is_read(void **state)
{
    (void)state;
    static const char body[] = " " H("9", V("2", "") ",\n" V("8", "")) "\n";
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_of(body, strlen(body), &buf);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &head, NULL), 0);
    assert_int_equal(head.count, 2);
    assert_int_equal(cr_head_find(&head, 0)->number, 8);
}

static void a_head_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_of(H("2", V("1", "")), strlen(H("2", V("1", ""))), &buf);
    for (size_t len = 0; len < 79; len++)
        bytes_are_refused(buf.data, len, "its first line is not");
    for (size_t len = 79; len < buf.len; len++)
        bytes_are_refused(buf.data, len, "its bytes do not hash to what its first line says");
}

static void a_head_with_another_first_line_is_refused(void **state)
{
    (void)state;
    static const size_t places[] = {0, 12, 13, 14, 77, 78}; /* word, version, spaces, hash, end */
    for (size_t i = 0; i < CR_ARRAY_LEN(places); i++) {
        CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
        head_of(H("1", ""), strlen(H("1", "")), &buf);
        buf.data[places[i]] = 'x';
        bytes_are_refused(buf.data, buf.len, "its first line is not");
    }
}

static void a_head_with_any_byte_changed_is_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_of(H("2", V("1", "")), strlen(H("2", V("1", ""))), &buf);
    for (size_t i = 79; i < buf.len; i++) {
        buf.data[i] ^= 1;
        bytes_are_refused(buf.data, buf.len, "its bytes do not hash");
        buf.data[i] ^= 1;
    }
}

static void a_head_with_bytes_behind_it_is_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_of(H("1", ""), strlen(H("1", "")), &buf);
    assert_int_equal(cr_buf_append(&buf, "\n", 1), 0);
    bytes_are_refused(buf.data, buf.len, "its bytes do not hash");
    is_refused(H("1", "") "{}", "it is not JSON");
    is_refused_len("{}\0", 3, "it is not JSON");
}

static void a_head_larger_than_the_maximum_is_refused(void **state)
{
    (void)state;
    CLEANUP_FREE char *body = malloc(CR_HEAD_BYTES_MAX);
    assert_non_null(body);
    memset(body, ' ', CR_HEAD_BYTES_MAX);
    is_refused_len(body, CR_HEAD_BYTES_MAX, "it has more than 4194304 bytes");
}

static void a_head_that_is_not_an_object_is_refused(void **state)
{
    (void)state;
    is_refused("", "it is not JSON");
    is_refused("{", "it is not JSON");
    is_refused("[]", "field is missing or wrong");
    is_refused("{}", "field is missing or wrong");
    is_refused("7", "it is not JSON");
}

static void a_head_nested_deeper_than_any_head_is_refused(void **state)
{
    (void)state;
    static char body[1000000];
    memset(body, '[', sizeof(body));
    is_refused_len(body, sizeof(body), "it is not JSON: maximum parsing depth");
}

static void a_head_with_duplicate_keys_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"physics\",\"name\":\"physics\",\"next\":1,\"versions\":[]}",
               "it is not JSON: duplicate object key");
    is_refused(H("2", V("1", ",\"number\":1")), "it is not JSON: duplicate object key");
}

static void a_head_with_a_field_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"physics\",\"next\":1,\"versions\":[],\"signed\":true}",
               "or another stands beside them");
    is_refused(H("2", V("1", ",\"hot\":0")), "entry 1 of its versions is wrong");
}

static void a_head_with_a_missing_field_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"physics\",\"versions\":[]}", "field is missing or wrong");
    is_refused("{\"name\":\"physics\",\"next\":1}", "field is missing or wrong");
    is_refused("{\"next\":1,\"versions\":[]}", "field is missing or wrong");
    is_refused(H("2", "{\"number\":1}"), "entry 1 of its versions is wrong");
}

static void a_head_with_a_field_of_another_type_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":7,\"next\":1,\"versions\":[]}", "field is missing or wrong");
    is_refused("{\"name\":\"physics\",\"next\":1,\"versions\":{}}", "field is missing or wrong");
    is_refused(H("1.0", ""), "field is missing or wrong");
    is_refused(H("\"1\"", ""), "field is missing or wrong");
    is_refused(H("2", "7"), "entry 1 of its versions is wrong");
    is_refused(H("2", V("1.0", "")), "entry 1 of its versions is wrong");
    is_refused(H("2", V("null", "")), "entry 1 of its versions is wrong");
}

static void the_head_of_another_image_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"chemistry\",\"next\":1,\"versions\":[]}",
               "it is the head of 'chemistry'");
}

static void versions_out_of_order_are_refused(void **state)
{
    (void)state;
    is_refused(H("9", V("2", "") "," V("1", "")), "entry 2 of its versions is wrong");
    is_refused(H("9", V("2", "") "," V("2", "")), "entry 2 of its versions is wrong");
}

static void a_version_that_was_not_given_out_yet_is_refused(void **state)
{
    (void)state;
    is_refused(H("1", V("1", "")), "entry 1 of its versions is wrong");
    is_refused(H("5", V("4", "") "," V("5", "")), "entry 2 of its versions is wrong");
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    is_refused(H("0", ""), "field is missing or wrong");
    is_refused(H("-1", ""), "field is missing or wrong");
    is_refused(H("9223372036854775808", ""), "it is not JSON: too big integer");
    is_refused(H("1e400", ""), "it is not JSON: real number overflow");
    is_refused(H("2", V("0", "")), "entry 1 of its versions is wrong");
    is_refused(H("2", V("-1", "")), "entry 1 of its versions is wrong");
    is_refused(H("2", V("18446744073709551617", "")), "it is not JSON: too big integer");
}

/* One version with one field replaced. */
static void field_is_refused(const char *field, const char *value)
{
    static const char *const fields[][2] = {
        {"number", "1"},       {"root", "\"" ROOT "\""}, {"disk_bytes", "1"}, {"data_bytes", "0"},
        {"stored_bytes", "0"}, {"created_s", "0"},       {"parent", "\"\""},  {"message", "\"\""},
    };
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(cr_buf_printf(&body, "{\"name\":\"physics\",\"next\":2,\"versions\":[{"), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(fields); i++) {
        bool this = strcmp(fields[i][0], field) == 0;
        assert_int_equal(cr_buf_printf(&body, "%s\"%s\":%s", i ? "," : "", fields[i][0],
                                       this ? value : fields[i][1]),
                         0);
    }
    assert_int_equal(cr_buf_printf(&body, "}]}"), 0);
    is_refused_len((const char *)body.data, body.len, "entry 1 of its versions is wrong");
}

static void a_version_that_claims_too_large_a_disk_is_refused(void **state)
{
    (void)state;
    field_is_refused("disk_bytes", "0");
    field_is_refused("disk_bytes", "-1");
    field_is_refused("disk_bytes", "70368744177665");
    field_is_refused("disk_bytes", "9223372036854775807");
    field_is_refused("data_bytes", "-1");
    field_is_refused("data_bytes", "70368744177665");
    field_is_refused("stored_bytes", "-1");
}

static void a_version_with_another_root_than_64_digits_is_refused(void **state)
{
    (void)state;
    field_is_refused("root", "\"\"");
    field_is_refused("root", "\"abcd\"");
    field_is_refused("root", "\"" ROOT "a\"");
    field_is_refused("root", "\"g"
                             "bababababababababababababababababababababababababababababababab\"");
}

static void a_version_with_another_parent_than_a_reference_is_refused(void **state)
{
    (void)state;
    field_is_refused("parent", "\"../x\"");
    field_is_refused("parent", "\"x@0\"");
    field_is_refused("parent", "null");
}

static void a_message_longer_than_the_maximum_is_refused(void **state)
{
    (void)state;
    char message[CR_MESSAGE_BYTES_MAX + 4];
    memset(message, 'a', sizeof(message));
    message[0] = message[CR_MESSAGE_BYTES_MAX + 2] = '"';
    message[CR_MESSAGE_BYTES_MAX + 3] = '\0';
    field_is_refused("message", message);
}

static void a_message_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"\xff\",\"next\":1,\"versions\":[]}",
               "it is not JSON: unable to decode");
    is_refused("{\"name\":\"physics\xc0\x80\",\"next\":1,\"versions\":[]}", "it is not JSON");
}

static void a_zero_byte_in_a_text_is_refused(void **state)
{
    (void)state;
    is_refused("{\"name\":\"physics\\u0000x\",\"next\":1,\"versions\":[]}", "it is not JSON");
}

static void more_versions_than_the_maximum_are_refused(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(cr_buf_printf(&body, "{\"name\":\"physics\",\"next\":1,\"versions\":[0"), 0);
    for (unsigned i = 0; i < CR_HEAD_VERSIONS_MAX; i++)
        assert_int_equal(cr_buf_append(&body, ",0", 2), 0);
    assert_int_equal(cr_buf_append(&body, "]}", 2), 0);
    is_refused_len((const char *)body.data, body.len, "it lists more than 10000 versions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_names_an_image_or_one_version),
        cmocka_unit_test(the_longest_reference_fits_its_text),
        cmocka_unit_test(a_name_that_no_file_should_have_is_refused),
        cmocka_unit_test(a_name_of_65_characters_is_refused),
        cmocka_unit_test(a_version_that_is_no_number_from_1_is_refused),
        cmocka_unit_test(a_head_is_read_as_it_was_written),
        cmocka_unit_test(a_head_without_versions_is_read_as_it_was_written),
        cmocka_unit_test(a_number_is_never_used_again),
        cmocka_unit_test(a_full_head_takes_no_version_more_and_can_be_written),
        cmocka_unit_test(a_head_whose_numbers_are_used_up_takes_no_version_more),
        cmocka_unit_test(a_head_larger_than_its_maximum_is_not_written),
        cmocka_unit_test(a_message_that_is_not_utf8_is_not_written),
        cmocka_unit_test(a_head_written_by_hand_is_read),
        cmocka_unit_test(a_head_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_head_with_another_first_line_is_refused),
        cmocka_unit_test(a_head_with_any_byte_changed_is_refused),
        cmocka_unit_test(a_head_with_bytes_behind_it_is_refused),
        cmocka_unit_test(a_head_larger_than_the_maximum_is_refused),
        cmocka_unit_test(a_head_that_is_not_an_object_is_refused),
        cmocka_unit_test(a_head_nested_deeper_than_any_head_is_refused),
        cmocka_unit_test(a_head_with_duplicate_keys_is_refused),
        cmocka_unit_test(a_head_with_a_field_that_nobody_knows_is_refused),
        cmocka_unit_test(a_head_with_a_missing_field_is_refused),
        cmocka_unit_test(a_head_with_a_field_of_another_type_is_refused),
        cmocka_unit_test(the_head_of_another_image_is_refused),
        cmocka_unit_test(versions_out_of_order_are_refused),
        cmocka_unit_test(a_version_that_was_not_given_out_yet_is_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(a_version_that_claims_too_large_a_disk_is_refused),
        cmocka_unit_test(a_version_with_another_root_than_64_digits_is_refused),
        cmocka_unit_test(a_version_with_another_parent_than_a_reference_is_refused),
        cmocka_unit_test(a_message_longer_than_the_maximum_is_refused),
        cmocka_unit_test(a_message_that_is_not_utf8_is_refused),
        cmocka_unit_test(a_zero_byte_in_a_text_is_refused),
        cmocka_unit_test(more_versions_than_the_maximum_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
