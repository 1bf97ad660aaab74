/* SPDX-License-Identifier: MIT */
/*
 * Claims and commits on a store: who is in charge publishes, others branch; what was answered once
 * is answered again; what is not all there, or was collected meanwhile, is no version.
 */
#include "lib/store/gc.h"
#include "lib/sync/fence.h"
#include "tests/unit/known_store.h"

#define CHUNKS 3U

static uint64_t claim(struct fixture *f, const char *name, const char *holder, uint64_t newest)
{
    struct cr_claim_answer answer = {0};
    struct cr_error err = {0};
    FAIL_ON(cr_fence_claim(f->store, name, holder, &answer, &err), err);
    assert_int_equal(answer.newest, newest);
    return answer.epoch;
}

/* What a seat sends, without the head. */
static struct cr_id content(struct fixture *f, const char *name, uint32_t seed)
{
    struct cr_publish *p = begin(f->store, name, CHUNKS, NULL);
    struct cr_version_info info;
    struct cr_error err = {0};
    chunks(p, 0, seed, CHUNKS);
    FAIL_ON(cr_publish_content(p, NULL, &info, &err), err);
    return info.root;
}

static int commit_try(struct fixture *f, const char *name, const char *holder, uint64_t epoch,
                      uint64_t expected, const struct cr_id *root, struct cr_commit_answer *answer)
{
    struct cr_commit_request request = {.epoch = epoch, .expected = expected, .root = *root};
    struct cr_error err = {0};
    snprintf(request.name, sizeof(request.name), "%s", name);
    int r = cr_fence_commit(f->store, &request, holder, answer, &err);
    assert_int_equal(r < 0, err.text[0] != '\0' && r != 0);
    return r;
}

static void becomes(struct fixture *f, const char *holder, uint64_t epoch, uint64_t expected,
                    const struct cr_id *root, const char *want)
{
    struct cr_commit_answer answer = {0};
    char got[CR_REF_TEXT];
    assert_int_equal(commit_try(f, "disk", holder, epoch, expected, root, &answer), 0);
    struct cr_ref ref = {.number = answer.number};
    memcpy(ref.name, answer.name, sizeof(ref.name));
    assert_string_equal(cr_ref_format(&ref, got), want);
    assert_int_equal(answer.branch, strcmp(answer.name, "disk") != 0);
}

static void who_is_in_charge_publishes(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "disk", 1, CHUNKS);
    uint64_t epoch = claim(f, "disk", "a", 1);
    assert_int_equal(epoch, 1);
    struct cr_id one = content(f, "disk", 100), two = content(f, "disk", 200);
    becomes(f, "a", epoch, 1, &one, "disk@2");
    becomes(f, "a", epoch, 1, &one, "disk@2"); /* the answer was lost */
    becomes(f, "a", epoch, 1, &two, "disk@3"); /* and what follows our own is no conflict */
    becomes(f, "a", epoch, 3, &two, "disk@3"); /* nothing new */
    expect(f->store, "disk@2", 0, 100, CHUNKS);
    expect(f->store, "disk@3", 0, 200, CHUNKS);
}

static void others_branch(void **state)
{
    struct fixture *f = *state;
    uint64_t a = claim(f, "disk", "a", 0), b = claim(f, "disk", "b", 0);
    assert_int_equal(b, a + 1);
    struct cr_id of_a = content(f, "disk", 100), of_b = content(f, "disk", 200);
    becomes(f, "a", a, 0, &of_a, "disk.a@1"); /* its version would fit, but b is in charge */
    becomes(f, "a", a, 0, &of_a, "disk.a@1");
    becomes(f, "a", b, 0, &of_a, "disk.a@1"); /* b's epoch is b's */
    becomes(f, "b", b, 0, &of_b, "disk@1");
    becomes(f, "a", a, 1, &of_b, "disk.a@2");
    becomes(f, "a", 0, 1, &of_a, "disk.a@3"); /* never claimed */
    becomes(f, "a", b + 1, 1, &of_b, "disk.a@4");
    expect(f->store, "disk@1", 0, 200, CHUNKS);
    expect(f->store, "disk.a@1", 0, 100, CHUNKS);
}

static void a_version_that_nobody_expected_is_not_covered(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "disk", 1, CHUNKS);
    uint64_t epoch = claim(f, "disk", "a", 1);
    struct cr_id root = content(f, "disk", 100), more = content(f, "disk", 150);
    publish(f->store, "disk", 50, CHUNKS); /* disk@2, by a person */
    becomes(f, "a", epoch, 1, &root, "disk.a@1");
    becomes(f, "a", epoch, 2, &root, "disk@3"); /* who has seen it may */
    publish(f->store, "disk", 60, CHUNKS);
    becomes(f, "a", epoch, 3, &more, "disk.a@2");
}

static void what_is_not_there_is_no_version(void **state)
{
    struct fixture *f = *state;
    struct cr_commit_answer answer;
    struct cr_id nothing = {{7}}, root = content(f, "disk", 100);
    uint64_t epoch = claim(f, "disk", "a", 0);
    char name[CR_BLOB_NAME_MAX + 1];
    assert_int_equal(commit_try(f, "disk", "a", epoch, 0, &nothing, &answer), -ESTALE);
    some_blob(f->b, CR_SPACE_SEGMENTS, name);
    assert_int_equal(f->b->ops->remove(f->b, CR_SPACE_SEGMENTS, name, NULL), 0);
    assert_int_equal(commit_try(f, "disk", "a", epoch, 0, &root, &answer), -ESTALE);
    assert_int_equal(blobs_in(f->b, CR_SPACE_HEADS), 0);
    root = content(f, "disk", 100);
    becomes(f, "a", epoch, 0, &root, "disk@1");
    assert_int_equal(commit_try(f, "disk", "a", epoch, 1, &nothing, &answer), -ESTALE);
    assert_int_equal(commit_try(f, "disk", "b", epoch, 1, &nothing, &answer), -ESTALE);
}

static void collect(struct fixture *f, int64_t now_s, int64_t grace_s)
{
    struct cr_gc_options options = {.now_s = now_s, .grace_s = grace_s, .live_percent_min = 40};
    struct cr_gc_stat stat;
    struct cr_error err = {0};
    FAIL_ON(cr_gc_run(f->store, &options, &stat, &err), err);
}

static void what_was_condemned_meanwhile_is_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t epoch = claim(f, "disk", "a", 0);
    struct cr_id root = content(f, "disk", 100);
    collect(f, 1000, 100); /* nobody refers to it yet: condemned */
    becomes(f, "a", epoch, 0, &root, "disk@1");
    collect(f, 2000, 100);
    collect(f, 3000, 100);
    expect(f->store, "disk@1", 0, 100, CHUNKS);
}

static void what_was_collected_meanwhile_must_be_sent_again(void **state)
{
    struct fixture *f = *state;
    struct cr_commit_answer answer;
    uint64_t epoch = claim(f, "disk", "a", 0);
    struct cr_id root = content(f, "disk", 100);
    collect(f, 1000, 100);
    collect(f, 2000, 100);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 0);
    assert_int_equal(commit_try(f, "disk", "a", epoch, 0, &root, &answer), -ESTALE);
    root = content(f, "disk", 100);
    becomes(f, "a", epoch, 0, &root, "disk@1");
    expect(f->store, "disk@1", 0, 100, CHUNKS);
}

static void a_busy_image_is_waited_for_and_then_told(void **state)
{
    struct fixture *f = *state;
    struct cr_store_lock *lock = NULL;
    struct cr_claim_answer answer;
    struct cr_error err = {0};
    assert_int_equal(f->store->ops->image_lock(f->store, "disk", &lock, &err), 0);
    assert_int_equal(cr_fence_claim(f->store, "disk", "a", &answer, &err), -EBUSY);
    assert_non_null(strstr(err.text, "disk"));
    f->store->ops->image_unlock(f->store, lock);
    assert_int_equal(claim(f, "disk", "a", 0), 1);
}

static void names_of_branches_fit(void **state)
{
    struct fixture *f = *state;
    static const char *const holders[] = {
        "h", "steps", "a23456789012345678901234567890123456789012345678901234567890abcd"};
    static const char *const names[] = {
        "n", "n23456789012345678901234567890123456789012345678901234567890abcd"};
    struct cr_id root = content(f, "disk", 100);
    for (size_t i = 0; i < CR_ARRAY_LEN(holders); i++)
        for (size_t j = 0; j < CR_ARRAY_LEN(names); j++) {
            struct cr_commit_answer answer;
            struct cr_ref ref;
            assert_int_equal(commit_try(f, names[j], holders[i], 0, 0, &root, &answer), 0);
            assert_true(answer.branch);
            assert_int_equal(cr_ref_parse(answer.name, &ref, NULL), 0);
            assert_null(strstr(answer.name, ".steps"));
        }
    /* A holder that nobody else is, even where both names had to be cut. */
    struct cr_commit_answer answer;
    assert_int_equal(commit_try(f, names[1], holders[2], 0, 0, &root, &answer), 0);
    assert_true(strlen(answer.name) <= CR_NAME_MAX);
}

static void fences_are_read_in_one_form(void **state)
{
    static const char good[] = "carrel-fence 1\nepoch 3\nholder pc-1\ncommitted 2 "
                               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    struct cr_fence fence;
    struct cr_error err = {0};
    char text[sizeof(good)];
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(1024);
    (void)state;
    assert_int_equal(cr_fence_parse(good, strlen(good), &fence, &err), 0);
    assert_int_equal(fence.epoch, 3);
    assert_int_equal(fence.committed, 2);
    assert_string_equal(fence.holder, "pc-1");
    assert_int_equal(cr_fence_format(&fence, &again), 0);
    assert_int_equal(again.len, strlen(good));
    assert_memory_equal(again.data, good, again.len);
    for (size_t i = 0; i < strlen(good); i++) {
        assert_int_equal(cr_fence_parse(good, i, &fence, &err), -EBADMSG);
        memcpy(text, good, sizeof(good));
        text[i] = '\0';
        assert_int_equal(cr_fence_parse(text, strlen(good), &fence, &err), -EBADMSG);
    }
}

int main(void)
{
    struct CMUnitTest tests[] = {
        FOR_EACH_BACKEND(who_is_in_charge_publishes),
        FOR_EACH_BACKEND(others_branch),
        FOR_EACH_BACKEND(a_version_that_nobody_expected_is_not_covered),
        FOR_DIR(what_is_not_there_is_no_version),
        FOR_EACH_BACKEND(what_was_condemned_meanwhile_is_kept),
        FOR_EACH_BACKEND(what_was_collected_meanwhile_must_be_sent_again),
        FOR_DIR(a_busy_image_is_waited_for_and_then_told),
        FOR_DIR(names_of_branches_fit),
        cmocka_unit_test(fences_are_read_in_one_form),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
