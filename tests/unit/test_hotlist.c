/* SPDX-License-Identifier: MIT */
#include "lib/hotlist/hotstore.h"
#include "lib/store/copy.h"
#include "lib/store/gc.h"
#include "lib/store/side.h"
#include "tests/unit/known_store.h"

#define DISK (1000ULL * CR_CHUNK_BYTES)

#define LIST(...)                                                                                  \
    list_make((const uint32_t[]){__VA_ARGS__}, CR_ARRAY_LEN(((const uint32_t[]){__VA_ARGS__})))

static struct cr_hotlist list_make(const uint32_t *chunks, uint32_t count)
{
    struct cr_hotlist list = {.disk_bytes = DISK, .count = count};
    memset(&list.root, 7, sizeof(list.root));
    list.chunks = cr_calloc(count, sizeof(*chunks));
    for (uint32_t i = 0; i < count; i++)
        list.chunks[i] = chunks[i];
    return list;
}

static void list_is(const struct cr_hotlist *list, const struct cr_hotlist *expected)
{
    assert_int_equal(list->count, expected->count);
    for (uint32_t i = 0; i < list->count; i++)
        assert_int_equal(list->chunks[i], expected->chunks[i]);
}

static void a_list_reads_as_it_was_written(void **state)
{
    (void)state;
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = LIST(0, 1, 999, 500, 501, 3);
    CLEANUP(cr_hotlist_done) struct cr_hotlist again = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX);
    struct cr_error err = {0};
    assert_int_equal(cr_hotlist_format(&list, &bytes), 0);
    FAIL_ON(cr_hotlist_parse(bytes.data, bytes.len, &again, &err), err);
    list_is(&again, &list);
    assert_true(cr_id_equal(&again.root, &list.root));
    assert_int_equal(again.disk_bytes, DISK);
    /* Neighbours cost a byte each. */
    assert_true(bytes.len <= 88 + 3 * 1 + 3 * 2);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 4;
        struct cr_hotlist damaged = {0};
        assert_int_equal(cr_hotlist_parse(bytes.data, bytes.len, &damaged, &err), -EBADMSG);
        bytes.data[i] ^= 4;
    }
}

static void the_longest_list_fits_its_limit(void **state)
{
    (void)state;
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0}, again = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX);
    list.disk_bytes = CR_DISK_BYTES_MAX;
    list.count = CR_HOT_CHUNKS_MAX;
    list.chunks = cr_calloc(list.count, sizeof(*list.chunks));
    for (uint32_t i = 0; i < list.count; i++) /* each step as far as it can be */
        list.chunks[i] = i % 2 == 0 ? i : (1U << 30) - 1 - i;
    assert_int_equal(cr_hotlist_format(&list, &bytes), 0);
    assert_int_equal(cr_hotlist_parse(bytes.data, bytes.len, &again, NULL), 0);
    list_is(&again, &list);
}

static void merged_is(struct cr_hotlist *boots, uint32_t count, struct cr_hotlist expected)
{
    struct cr_hotlist merged = {0};
    assert_int_equal(cr_hotlist_merge(boots, count, &merged), 0);
    list_is(&merged, &expected);
    cr_hotlist_done(&merged);
    cr_hotlist_done(&expected);
    for (uint32_t i = 0; i < count; i++)
        cr_hotlist_done(&boots[i]);
}

static void boots_are_merged_by_the_median_place_and_a_minority_is_left_out(void **state)
{
    (void)state;
    struct cr_hotlist one[] = {LIST(5, 3, 9)};
    merged_is(one, 1, LIST(5, 3, 9));
    /* 7 stands in one of three: out. 3 before 9 twice of three. */
    struct cr_hotlist three[] = {LIST(0, 3, 9), LIST(0, 9, 3), LIST(0, 3, 9, 7)};
    merged_is(three, 3, LIST(0, 3, 9));
    /* What half of the boots touched comes last, however early they did. */
    struct cr_hotlist two[] = {LIST(8, 0, 1), LIST(0, 1, 2)};
    merged_is(two, 2, LIST(0, 1, 8, 2));
    /* One boot that says the contrary of all others moves nothing. */
    struct cr_hotlist liar[] = {LIST(0, 1, 2, 3), LIST(0, 1, 2, 3), LIST(900, 3, 2, 1, 0),
                                LIST(0, 1, 2, 3)};
    merged_is(liar, 4, LIST(0, 1, 2, 3));
    struct cr_hotlist none[] = {LIST(1), LIST(2), LIST(3)};
    struct cr_hotlist empty = {.disk_bytes = DISK};
    merged_is(none, 3, empty);
}

static void a_client_counts_once_and_the_oldest_boot_goes(void **state)
{
    (void)state;
    struct cr_boots boots = {0}, again = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_error err = {0};
    for (uint8_t i = 0; i < CR_HOT_BOOTS_MAX + 3; i++) {
        struct cr_boot boot = {.client.bytes = {i}, .when_s = i, .list = LIST(i)};
        cr_boots_add(&boots, &boot);
        assert_null(boot.list.chunks);
    }
    assert_int_equal(boots.count, CR_HOT_BOOTS_MAX);
    assert_int_equal(boots.boots[0].client.bytes[0], 3);
    struct cr_boot twice = {.client.bytes = {5}, .when_s = 100, .list = LIST(50)};
    cr_boots_add(&boots, &twice);
    assert_int_equal(boots.count, CR_HOT_BOOTS_MAX);
    assert_int_equal(boots.boots[CR_HOT_BOOTS_MAX - 1].list.chunks[0], 50);
    assert_int_equal(cr_boots_format(&boots, &bytes), 0);
    FAIL_ON(cr_boots_parse(bytes.data, bytes.len, &again, &err), err);
    assert_int_equal(again.count, CR_HOT_BOOTS_MAX);
    assert_int_equal(cr_boots_find(&again, &(struct cr_id){{5}})->when_s, 100);
    assert_null(cr_boots_find(&again, &(struct cr_id){{2}}));
    cr_boots_done(&boots);
    cr_boots_done(&again);
}

/* --- in stores -------------------------------------------------------------------------------- */

static int boot_send(struct fixture *f, const struct cr_version_info *info, uint8_t client,
                     int64_t now_s, struct cr_hotlist list)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX);
    struct cr_id id = {{client}};
    struct cr_error err = {0};
    list.root = info->root;
    list.disk_bytes = info->disk_bytes;
    assert_int_equal(cr_hotlist_format(&list, &bytes), 0);
    int r = cr_hot_boot_take(f->store, &info->root, &id, now_s, bytes.data, bytes.len, &err);
    assert_true(r == 0 || err.text[0] != '\0');
    cr_hotlist_done(&list);
    return r;
}

static void stored_is(struct cr_store *store, const struct cr_version_info *info,
                      const struct cr_version_info *from, struct cr_hotlist expected)
{
    struct cr_hotlist found = {0};
    struct cr_id whose;
    struct cr_error err = {0};
    FAIL_ON(cr_hot_find(store, &info->root, &found, &whose, &err), err);
    assert_true(cr_id_equal(&found.root, &info->root));
    assert_true(cr_id_equal(&whose, &from->root));
    assert_int_equal(found.disk_bytes, info->disk_bytes);
    list_is(&found, &expected);
    cr_hotlist_done(&found);
    cr_hotlist_done(&expected);
}

static void a_child_has_its_parents_list_until_it_is_booted(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_error err = {0};
    struct cr_hotlist none = {0};
    struct cr_id whose;
    struct cr_version_info first = publish(f->store, "img", 1, 10);
    assert_int_equal(cr_hot_find(f->store, &first.root, &none, &whose, &err), -ENOENT);
    assert_int_equal(boot_send(f, &first, 1, 1000, LIST(0, 4, 9, 2)), 0);
    stored_is(f->store, &first, &first, LIST(0, 4, 9, 2));
    /* A child, whose disk is smaller, and its child. */
    struct cr_ref ref = ref_of("img@1");
    FAIL_ON(cr_version_open(f->store, &ref, &base, &err), err);
    struct cr_publish *p = begin(f->store, "img", 8, base);
    chunks(p, 0, 50, 2);
    struct cr_publish_note note = {.parent = &ref};
    struct cr_version_info second = {0};
    FAIL_ON(cr_publish_commit(p, &note, &second, NULL, &err), err);
    stored_is(f->store, &second, &first, LIST(0, 4, 2));
    ref = ref_of("img@2");
    p = begin(f->store, "img", 8, NULL);
    chunks(p, 0, 70, 8);
    struct cr_version_info third = {0};
    FAIL_ON(cr_publish_commit(p, &note, &third, NULL, &err), err);
    stored_is(f->store, &third, &first, LIST(0, 4, 2));
    /* The parent is taken away: what the version before has holds. */
    version_remove(f->store, "img@2");
    stored_is(f->store, &third, &first, LIST(0, 4, 2));
    assert_int_equal(boot_send(f, &third, 1, 2000, LIST(7, 1)), 0);
    stored_is(f->store, &third, &third, LIST(7, 1));
    stored_is(f->store, &first, &first, LIST(0, 4, 9, 2));
}

static void boots_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    struct cr_version_info info = publish(f->store, "img", 1, 10), strange = info;
    assert_int_equal(boot_send(f, &info, 1, 1000, LIST(0, 1)), 0);
    assert_int_equal(boot_send(f, &info, 1, 1000 + CR_HOT_AGAIN_S - 1, LIST(5)), -EBUSY);
    assert_int_equal(boot_send(f, &info, 1, 1000 + CR_HOT_AGAIN_S, LIST(0, 1)), 0);
    strange.root.bytes[3] ^= 1;
    assert_int_equal(boot_send(f, &strange, 2, 1000, LIST(0)), -ENOENT);
    strange = info;
    strange.disk_bytes++;
    assert_int_equal(boot_send(f, &strange, 2, 1000, LIST(0)), -EBADMSG);
    struct cr_id id = {{2}};
    assert_int_equal(cr_hot_boot_take(f->store, &info.root, &id, 1000, "rubbish", 7, NULL),
                     -EBADMSG);
    stored_is(f->store, &info, &info, LIST(0, 1));
    /* Recorded boots that rot are begun anew. */
    char name[CR_ID_HEX + 8], hex[CR_ID_HEX];
    snprintf(name, sizeof(name), "%s.boots", cr_id_format(&info.root, hex));
    damage(f->b, CR_SPACE_HOT, name, 50);
    assert_int_equal(boot_send(f, &info, 3, 1000, LIST(3, 1)), 0);
    stored_is(f->store, &info, &info, LIST(3, 1));
}

static void hot_lists_go_with_their_version_and_are_copied_with_it(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *to = NULL;
    struct cr_copy_options options = {.threads = 1};
    struct cr_copy_stat copied;
    struct cr_gc_options gc = {.now_s = 1000, .grace_s = 10};
    struct cr_gc_stat stat;
    struct cr_error err = {0};
    struct cr_version_info first = publish(f->store, "img", 1, 10);
    struct cr_version_info second = publish(f->store, "img", 40, 10);
    assert_int_equal(boot_send(f, &first, 1, 1000, LIST(0, 4)), 0);
    assert_int_equal(boot_send(f, &second, 1, 1000, LIST(0, 5)), 0);

    assert_int_equal(cr_store_open("mem:", &to, NULL), 0);
    FAIL_ON(cr_store_copy(f->store, to, &options, &copied, &err), err);
    assert_int_equal(copied.side_copied, 4);
    stored_is(to, &second, &second, LIST(0, 5));
    /* What the copy has learned stays, unless it mirrors. */
    struct fixture there = {.store = to};
    assert_int_equal(boot_send(&there, &second, 1, 9000, LIST(6)), 0);
    FAIL_ON(cr_store_copy(f->store, to, &options, &copied, &err), err);
    stored_is(to, &second, &second, LIST(6));
    options.mirror = true;
    FAIL_ON(cr_store_copy(f->store, to, &options, &copied, &err), err);
    stored_is(to, &second, &second, LIST(0, 5));

    version_remove(f->store, "img@1");
    FAIL_ON(cr_gc_run(f->store, &gc, &stat, &err), err);
    assert_int_equal(stat.side_removed, 2);
    assert_int_equal(blobs_in(f->b, CR_SPACE_HOT), 2);
    stored_is(f->store, &second, &second, LIST(0, 5));
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_reads_as_it_was_written),
        cmocka_unit_test(the_longest_list_fits_its_limit),
        cmocka_unit_test(boots_are_merged_by_the_median_place_and_a_minority_is_left_out),
        cmocka_unit_test(a_client_counts_once_and_the_oldest_boot_goes),
        FOR_EACH_BACKEND(a_child_has_its_parents_list_until_it_is_booted),
        FOR_EACH_BACKEND(boots_that_are_none_are_refused),
        FOR_EACH_BACKEND(hot_lists_go_with_their_version_and_are_copied_with_it),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
