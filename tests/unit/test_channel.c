/* SPDX-License-Identifier: MIT */
/* Channels: what form 2 of a head says of them, and where each points at which time. */
#include "lib/base/mem.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void head_make(struct cr_head *head, unsigned versions)
{
    *head = (struct cr_head){.name = "physics"};
    struct cr_version_info info = {.disk_bytes = CR_MIB};
    uint64_t number;
    for (unsigned i = 0; i < versions; i++)
        assert_int_equal(cr_head_add(head, &info, &number), 0);
}

static void change(struct cr_head *head, enum cr_change_kind kind, uint64_t number, int64_t set_s,
                   int64_t at_s)
{
    struct cr_change c = {"stable", kind, number, set_s, at_s, "eve", "because"};
    assert_int_equal(cr_head_change(head, &c), 0);
}

static void promote(struct cr_head *head, uint64_t number, int64_t set_s, int64_t at_s)
{
    change(head, CR_CHANGE_PROMOTE, number, set_s, at_s);
}

static void rollback(struct cr_head *head, uint64_t number, int64_t now_s)
{
    change(head, CR_CHANGE_ROLLBACK, number, now_s, now_s);
}

/* Where "stable" points; 0 = nowhere. */
static uint64_t stable(const struct cr_head *head, int64_t now_s)
{
    const struct cr_change *c = cr_head_channel(head, "stable", now_s);
    return c == NULL ? 0 : c->number;
}

static uint64_t before(const struct cr_head *head, int64_t now_s)
{
    uint64_t number = 0;
    int r = cr_head_before(head, "stable", now_s, &number);
    assert_true(r == 0 || r == -ENOENT);
    return number;
}

/* --- references ------------------------------------------------------------------------------ */

static void a_reference_names_a_channel(void **state)
{
    (void)state;
    struct cr_ref ref;
    char text[CR_REF_TEXT];
    assert_int_equal(cr_ref_parse("Lab-2:stable", &ref, NULL), 0);
    assert_string_equal(ref.name, "Lab-2");
    assert_string_equal(ref.channel, "stable");
    assert_int_equal(ref.number, 0);
    assert_string_equal(cr_ref_format(&ref, text), "Lab-2:stable");
}

static void a_channel_that_could_be_taken_for_something_else_is_refused(void **state)
{
    (void)state;
    static const char *const refs[] = {"a:",
                                       "a:7",
                                       "a:2026",
                                       "a:b:c",
                                       "a:b@1",
                                       "a@1:b",
                                       "a:/",
                                       "a:../b",
                                       "a:-b",
                                       "a: b",
                                       "a:\xc3",
                                       "a:.b",
                                       "a:012345678901234567890123456789abc"};
    for (size_t i = 0; i < CR_ARRAY_LEN(refs); i++) {
        struct cr_ref ref;
        struct cr_error err = {0};
        assert_int_equal(cr_ref_parse(refs[i], &ref, &err), -EINVAL);
        assert_non_null(strstr(err.text, "does not name a "));
    }
}

/* --- where a channel points ------------------------------------------------------------------- */

static void a_promotion_holds_from_its_date(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 3);
    promote(&head, 1, 100, 100);
    promote(&head, 2, 110, 200);
    assert_int_equal(stable(&head, 99), 0);
    assert_int_equal(stable(&head, 100), 1);
    assert_int_equal(stable(&head, 199), 1);
    assert_int_equal(stable(&head, 200), 2);
    assert_int_equal(cr_head_scheduled(&head, "stable", 150)->number, 2);
    assert_null(cr_head_scheduled(&head, "stable", 200));
    promote(&head, 3, 150, 150); /* at once: what is scheduled stays scheduled */
    assert_int_equal(stable(&head, 160), 3);
    assert_int_equal(stable(&head, 200), 2);
}

static void of_two_changes_of_one_time_the_last_made_holds(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 3);
    promote(&head, 1, 100, 100);
    promote(&head, 2, 100, 100);
    assert_int_equal(stable(&head, 100), 2);
}

static void a_rollback_ends_what_was_scheduled_before_it(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 3);
    promote(&head, 1, 100, 100);
    promote(&head, 2, 110, 110);
    promote(&head, 3, 120, 500);
    rollback(&head, 1, 200);
    assert_int_equal(stable(&head, 200), 1);
    assert_int_equal(stable(&head, 1000), 1);
    assert_null(cr_head_scheduled(&head, "stable", 200));
    promote(&head, 3, 210, 600); /* said after it: holds */
    assert_int_equal(stable(&head, 1000), 3);
}

static void rollbacks_lead_back_step_by_step(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 4);
    for (unsigned i = 1; i <= 3; i++)
        promote(&head, i, 100 * i, 100 * i);
    assert_int_equal(before(&head, 50), 0);
    assert_int_equal(before(&head, 100), 0);
    assert_int_equal(before(&head, 300), 2);
    rollback(&head, 2, 310);
    assert_int_equal(before(&head, 310), 1);
    rollback(&head, 1, 320);
    assert_int_equal(stable(&head, 320), 1);
    assert_int_equal(before(&head, 320), 0);
    promote(&head, 4, 330, 330);
    assert_int_equal(before(&head, 330), 1);
}

static void a_rollback_passes_over_removed_versions(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 3);
    for (unsigned i = 1; i <= 3; i++)
        promote(&head, i, 100 * i, 100 * i);
    assert_int_equal(cr_head_remove(&head, 2), 0);
    assert_int_equal(before(&head, 300), 1);
}

static void a_channel_ends_and_begins_again(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 2);
    promote(&head, 1, 100, 100);
    rollback(&head, 0, 200);
    assert_int_equal(stable(&head, 200), 0);
    assert_int_equal(before(&head, 200), 1);
    promote(&head, 2, 300, 300);
    assert_int_equal(stable(&head, 300), 2);
}

static void a_version_is_needed_while_a_channel_points_at_it_or_will(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 3);
    promote(&head, 1, 100, 100);
    promote(&head, 2, 110, 300);
    assert_non_null(cr_head_needed(&head, 1, 150));
    assert_int_equal(cr_head_needed(&head, 2, 150)->at_s, 300);
    assert_null(cr_head_needed(&head, 3, 150));
    assert_null(cr_head_needed(&head, 1, 300));
    rollback(&head, 1, 200);
    assert_null(cr_head_needed(&head, 2, 200));
    assert_non_null(cr_head_needed(&head, 1, 200));
}

static void what_a_reference_means_is_said_or_what_there_is_instead(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    const struct cr_version_info *info = NULL;
    struct cr_ref ref = {.name = "physics", .channel = "stable"};
    struct cr_error err = {0};
    head_make(&head, 3);
    assert_int_equal(cr_head_resolve(&head, &ref, 100, &info, &err), -ENOENT);
    assert_non_null(strstr(err.text, "carrel image promote physics@N stable"));
    promote(&head, 2, 110, 200);
    assert_int_equal(cr_head_resolve(&head, &ref, 150, &info, &err), -ENOENT);
    assert_non_null(strstr(err.text, "'physics@2' holds from 1970-01-01 00:03 UTC"));
    assert_int_equal(cr_head_resolve(&head, &ref, 200, &info, &err), 0);
    assert_int_equal(info->number, 2);
    snprintf(ref.channel, sizeof(ref.channel), "beta");
    assert_int_equal(cr_head_resolve(&head, &ref, 200, &info, &err), -ENOENT);
    assert_non_null(strstr(err.text, "has no channel 'beta'; it has: stable"));
    ref = (struct cr_ref){.name = "physics"};
    assert_int_equal(cr_head_resolve(&head, &ref, 200, &info, &err), 0);
    assert_int_equal(info->number, 3);
}

static void a_change_to_a_version_that_is_not_there_is_refused(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head;
    head_make(&head, 1);
    struct cr_change c = {"stable", CR_CHANGE_PROMOTE, 2, 0, 0, "", ""};
    assert_int_equal(cr_head_change(&head, &c), -ENOENT);
    c.number = 1;
    head.changes = cr_calloc(CR_CHANGES_MAX, sizeof(c));
    assert_non_null(head.changes);
    head.change_count = CR_CHANGES_MAX - 1;
    assert_int_equal(cr_head_change(&head, &c), 0);
    assert_int_equal(cr_head_change(&head, &c), -ENOSPC);
}

/* --- letting go ------------------------------------------------------------------------------ */

static uint64_t points(const struct cr_head *head, unsigned channel, int64_t now_s)
{
    char name[8];
    snprintf(name, sizeof(name), "c%u", channel);
    const struct cr_change *c = cr_head_channel(head, name, now_s);
    return c == NULL ? 0 : c->number;
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 16;
}

/* Changes of three channels at rising times, some scheduled, some rollbacks. */
static void random_changes(struct cr_head *head, unsigned *seed, unsigned count, int64_t *now_s)
{
    for (unsigned i = 0; i < count; i++) {
        struct cr_change c = {.kind = next_random(seed) % 4 == 0 ? CR_CHANGE_ROLLBACK
                                                                 : CR_CHANGE_PROMOTE,
                              .number = next_random(seed) % 5};
        snprintf(c.channel, sizeof(c.channel), "c%u", next_random(seed) % 3);
        *now_s += next_random(seed) % 3;
        c.set_s = c.at_s = *now_s;
        if (c.kind == CR_CHANGE_PROMOTE && next_random(seed) % 3 == 0)
            c.at_s += next_random(seed) % 200;
        assert_int_equal(cr_head_change(head, &c), 0);
    }
}

static void what_is_let_go_changes_no_channel_now_or_later(void **state)
{
    (void)state;
    unsigned folded = 0;
    for (unsigned round = 0; round < 400; round++) {
        CLEANUP(cr_head_done) struct cr_head head, before = {0};
        unsigned seed = round;
        int64_t now_s = 1000;
        uint32_t kept = 0;
        head_make(&head, 4);
        head_make(&before, 4);
        random_changes(&head, &seed, 60, &now_s);
        before.changes = cr_calloc(head.change_count, sizeof(*head.changes));
        memcpy(before.changes, head.changes, head.change_count * sizeof(*head.changes));
        before.change_count = head.change_count;
        int gone = cr_head_fold(&head, round % 50, now_s);
        assert_true(gone >= 0);
        assert_int_equal(head.change_count, before.change_count - (uint32_t)gone);
        assert_true(head.change_count >= round % 50);
        folded += gone > 0;
        for (unsigned channel = 0; channel < 3; channel++)
            for (int64_t t = now_s; t < now_s + 250; t++)
                assert_int_equal(points(&head, channel, t), points(&before, channel, t));
        assert_true(cr_head_goes_on(&before, &head, now_s, &kept));
        assert_int_equal(kept, head.change_count);
        const uint32_t still = kept;
        random_changes(&head, &seed, 5, &now_s);
        assert_true(cr_head_goes_on(&before, &head, now_s, &kept));
        assert_true(kept >= still);
    }
    assert_true(folded > 300);
}

static void a_change_that_is_taken_back_is_no_continuation(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head before, after;
    uint32_t kept = 0;
    head_make(&before, 3);
    head_make(&after, 3);
    promote(&before, 1, 1, 1);
    promote(&before, 2, 2, 2);
    promote(&after, 1, 1, 1);
    assert_true(cr_head_goes_on(&after, &before, 5, &kept));
    assert_int_equal(kept, 1);
    assert_false(cr_head_goes_on(&before, &after, 5, &kept)); /* it pointed at 2 */
    promote(&after, 3, 3, 3);
    assert_false(cr_head_goes_on(&before, &after, 5, &kept));
    /* The first one may go: at no time to come it meant anything. */
    after.change_count = 0;
    promote(&after, 2, 2, 2);
    promote(&after, 3, 3, 3);
    assert_true(cr_head_goes_on(&before, &after, 5, &kept));
    assert_int_equal(kept, 1);
    /* A rollback that goes alone would let what it ended hold again. */
    before.change_count = after.change_count = 0;
    promote(&before, 1, 1, 1);
    promote(&before, 3, 2, 9);
    rollback(&before, 1, 3);
    promote(&after, 1, 1, 1);
    promote(&after, 3, 2, 9);
    assert_false(cr_head_goes_on(&before, &after, 5, &kept));
}

/* --- as bytes --------------------------------------------------------------------------------- */

static void channels_and_pins_are_read_as_they_were_written(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head, again = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    head_make(&head, 2);
    assert_int_equal(cr_head_pin(&head, 2, true), 0);
    assert_int_equal(cr_head_pin(&head, 3, true), -ENOENT);
    snprintf(head.versions[0].by, sizeof(head.versions[0].by), "eve@b\xc3\xbcro");
    memset(&head.versions[0].record, 0x22, CR_ID_BYTES);
    promote(&head, 1, -5, INT64_MAX);
    rollback(&head, 0, 7);
    assert_int_equal(cr_head_format(&head, &buf), 0);
    assert_memory_equal(buf.data, "carrel-head 2 ", 14);
    assert_int_equal(cr_head_parse(buf.data, buf.len, "physics", &again, NULL), 0);
    assert_false(again.versions[0].pinned);
    assert_true(again.versions[1].pinned);
    assert_string_equal(again.versions[0].by, head.versions[0].by);
    assert_true(cr_id_equal(&again.versions[0].record, &head.versions[0].record));
    assert_true(cr_id_is_hole(&again.versions[1].record));
    assert_int_equal(again.change_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_string_equal(again.changes[i].channel, "stable");
        assert_int_equal(again.changes[i].kind, head.changes[i].kind);
        assert_true(again.changes[i].number == head.changes[i].number);
        assert_true(again.changes[i].set_s == head.changes[i].set_s);
        assert_true(again.changes[i].at_s == head.changes[i].at_s);
        assert_string_equal(again.changes[i].by, "eve");
        assert_string_equal(again.changes[i].why, "because");
    }
}

#define CHANGE(channel, kind, number, rest)                                                        \
    "{\"channel\":\"" channel "\",\"kind\":\"" kind "\",\"number\":" number                        \
    ",\"set_s\":1,\"at_s\":1,\"by\":\"\",\"why\":\"\"" rest "}"

static int parse(int form, const char *tail, struct cr_head *head, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf body = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_id id;
    char hex[CR_ID_HEX];
    assert_int_equal(
        cr_buf_printf(&body, "{\"name\":\"physics\",\"next\":3,\"versions\":[]%s}", tail), 0);
    cr_hash(body.data, body.len, &id);
    assert_int_equal(cr_buf_printf(&buf, "carrel-head %d %s\n", form, cr_id_format(&id, hex)), 0);
    assert_int_equal(cr_buf_append(&buf, body.data, body.len), 0);
    return cr_head_parse(buf.data, buf.len, "physics", head, err);
}

static void wrong_changes_are_refused(void **state)
{
    (void)state;
    static const char *const tails[] = {
        "",
        ",\"changes\":{}",
        ",\"changes\":null",
        ",\"changes\":[7]",
        ",\"changes\":[" CHANGE("../x", "promote", "1", "") "]",
        ",\"changes\":[" CHANGE("7", "promote", "1", "") "]",
        ",\"changes\":[" CHANGE("", "promote", "1", "") "]",
        ",\"changes\":[" CHANGE("a", "demote", "1", "") "]",
        ",\"changes\":[" CHANGE("a", "promote", "3", "") "]",
        ",\"changes\":[" CHANGE("a", "promote", "-1", "") "]",
        ",\"changes\":[" CHANGE("a", "promote", "1.0", "") "]",
        ",\"changes\":[" CHANGE("a", "promote", "1", ",\"hot\":0") "]",
        ",\"changes\":[" CHANGE("a", "promote", "1", "") ",{}]",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(tails); i++) {
        struct cr_head head = {.next = 77};
        struct cr_error err = {0};
        assert_int_equal(parse(2, tails[i], &head, &err), -EBADMSG);
        assert_int_equal(head.next, 77);
        assert_non_null(strstr(err.text, "changes"));
    }
}

static void form_1_has_no_changes_and_is_still_read(void **state)
{
    (void)state;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_error err = {0};
    assert_int_equal(parse(1, ",\"changes\":[]", &head, &err), -EBADMSG);
    assert_int_equal(parse(1, "", &head, &err), 0);
    assert_int_equal(head.change_count, 0);
    cr_head_done(&head);
    assert_int_equal(parse(2, ",\"changes\":[" CHANGE("a", "promote", "2", "") "]", &head, &err),
                     0);
    assert_int_equal(head.change_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_names_a_channel),
        cmocka_unit_test(a_channel_that_could_be_taken_for_something_else_is_refused),
        cmocka_unit_test(a_promotion_holds_from_its_date),
        cmocka_unit_test(of_two_changes_of_one_time_the_last_made_holds),
        cmocka_unit_test(a_rollback_ends_what_was_scheduled_before_it),
        cmocka_unit_test(rollbacks_lead_back_step_by_step),
        cmocka_unit_test(a_rollback_passes_over_removed_versions),
        cmocka_unit_test(a_channel_ends_and_begins_again),
        cmocka_unit_test(a_version_is_needed_while_a_channel_points_at_it_or_will),
        cmocka_unit_test(what_a_reference_means_is_said_or_what_there_is_instead),
        cmocka_unit_test(a_change_to_a_version_that_is_not_there_is_refused),
        cmocka_unit_test(what_is_let_go_changes_no_channel_now_or_later),
        cmocka_unit_test(a_change_that_is_taken_back_is_no_continuation),
        cmocka_unit_test(channels_and_pins_are_read_as_they_were_written),
        cmocka_unit_test(wrong_changes_are_refused),
        cmocka_unit_test(form_1_has_no_changes_and_is_still_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
