/* SPDX-License-Identifier: MIT */
/* What the backend for Ceph promises below a store, tried on a real one. */
#include "lib/base/mem.h"
#include "lib/rados/cluster.h"
#include "lib/rados/rados.h"
#include "lib/store/publish.h"
#include "tests/unit/rados_store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct fixture {
    char uri[RADOS_URI_BYTES];
    struct cr_rados *rados;
    struct cr_blobs *blobs;
    const struct cr_blob_ops *ops;
};

static struct cr_rados *another(const struct fixture *f)
{
    struct cr_rados *rados = NULL;
    struct cr_error err = {0};
    if (cr_rados_open(f->uri + strlen("rados:"), &rados, &err) < 0)
        fail_msg("%s", err.text);
    return rados;
}

static int set_up(void **state)
{
    static unsigned serial;
    struct fixture *f = cr_calloc(1, sizeof(*f));
    struct cr_error err = {0};
    char name[16];
    snprintf(name, sizeof(name), "%u", serial++);
    rados_uri(name, "&lease=2", f->uri);
    if (cr_store_init(f->uri, &err) < 0) {
        print_message("%s\n", err.text);
        return -1;
    }
    f->rados = another(f);
    f->blobs = &f->rados->base;
    f->ops = f->blobs->ops;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cr_rados_disconnect(f->rados);
    free(f);
    return 0;
}

static void put(struct fixture *f, enum cr_space space, const char *name, const char *text)
{
    struct cr_error err = {0};
    if (f->ops->put(f->blobs, space, name, text, strlen(text), &err) < 0 ||
        f->ops->sync(f->blobs, &err) < 0)
        fail_msg("%s", err.text);
}

static void short_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

/* --- blobs ----------------------------------------------------------------------------------- */

static void a_blob_reads_back(void **state)
{
    struct fixture *f = *state;
    struct cr_error err = {0};
    uint64_t size;
    char bytes[8] = {0};
    put(f, CR_SPACE_PACKS, "p", "0123456789");
    assert_int_equal(f->ops->size(f->blobs, CR_SPACE_PACKS, "p", &size, NULL), 0);
    assert_int_equal(size, 10);
    assert_int_equal(f->ops->read(f->blobs, CR_SPACE_PACKS, "p", bytes, 3, 7, NULL), 0);
    assert_string_equal(bytes, "789");
    assert_int_equal(f->ops->read(f->blobs, CR_SPACE_PACKS, "p", bytes, 4, 7, &err), -ENODATA);
    assert_non_null(strstr(err.text, "cut off before byte 11"));
    assert_int_equal(f->ops->read(f->blobs, CR_SPACE_PACKS, "q", bytes, 1, 0, &err), -ENOENT);
    assert_non_null(strstr(err.text, "packs/q'"));
    assert_int_equal(f->ops->size(f->blobs, CR_SPACE_SEGMENTS, "p", &size, &err), -ENOENT);
    put(f, CR_SPACE_PACKS, "p", "ab"); /* over it */
    assert_int_equal(f->ops->size(f->blobs, CR_SPACE_PACKS, "p", &size, NULL), 0);
    assert_int_equal(size, 2);
    assert_int_equal(f->ops->remove(f->blobs, CR_SPACE_PACKS, "p", NULL), 0);
    assert_int_equal(f->ops->remove(f->blobs, CR_SPACE_PACKS, "p", NULL), -ENOENT);
}

static void each_of_many_reads_has_its_own_result(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 400 };
    static struct cr_blob_read reads[COUNT];
    static char names[COUNT][16], bytes[COUNT][4];
    for (int i = 0; i < 9; i++) {
        char name[16], text[32];
        snprintf(name, sizeof(name), "p%d", i);
        snprintf(text, sizeof(text), "%dabcdefghi", i);
        put(f, CR_SPACE_PACKS, name, text);
    }
    /* Runs of reads of one pack, some past its end; every tenth pack does not exist. */
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "p%d", i / 7 % 10);
        reads[i] = (struct cr_blob_read){
            .name = names[i], .data = bytes[i], .len = 2, .offset = i % 7 == 6 ? 9 : i % 7};
    }
    cr_blobs_read_many(f->blobs, CR_SPACE_PACKS, reads, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%dabcdefghi", i / 7 % 10);
        if (i / 7 % 10 == 9) {
            assert_int_equal(reads[i].result, -ENOENT);
            assert_non_null(strstr(reads[i].err.text, "packs/p9'"));
        } else if (i % 7 == 6) {
            assert_int_equal(reads[i].result, -ENODATA);
        } else {
            assert_int_equal(reads[i].result, 0);
            assert_memory_equal(bytes[i], text + i % 7, 2);
        }
    }
}

static int count_name(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return 0;
}

static int names_in(struct fixture *f, enum cr_space space)
{
    int count = 0;
    assert_int_equal(f->ops->list(f->blobs, space, count_name, &count, NULL), 0);
    return count;
}

static void a_list_holds_the_names_of_its_space(void **state)
{
    struct fixture *f = *state;
    struct cr_store_lock *lock;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        put(f, i % 4 == 0 ? CR_SPACE_SEGMENTS : CR_SPACE_PACKS, name, "x");
    }
    assert_int_equal(names_in(f, CR_SPACE_PACKS), 15);
    assert_int_equal(names_in(f, CR_SPACE_SEGMENTS), 5);
    assert_int_equal(names_in(f, CR_SPACE_STATE), 0);
    /* An image that is only being written has no head. */
    assert_int_equal(f->ops->lock(f->blobs, "new", &lock, NULL), 0);
    assert_int_equal(names_in(f, CR_SPACE_HEADS), 0);
    f->ops->unlock(f->blobs, lock);
    assert_int_equal(names_in(f, CR_SPACE_HEADS), 0);
}

static void a_blob_is_replaced_only_if_it_is_what_was_expected(void **state)
{
    struct fixture *f = *state;
    struct cr_id one, two;
    char bytes[4] = {0};
    cr_hash("one", 3, &one);
    cr_hash("two", 3, &two);
    const struct cr_blob_ops *ops = f->ops;
    enum cr_space space = CR_SPACE_STATE;
    assert_int_equal(ops->replace(f->blobs, space, "s", &one, "two", 3, NULL), -EAGAIN);
    assert_int_equal(ops->replace(f->blobs, space, "s", NULL, "one", 3, NULL), 0);
    assert_int_equal(ops->replace(f->blobs, space, "s", NULL, "two", 3, NULL), -EAGAIN);
    assert_int_equal(ops->replace(f->blobs, space, "s", &two, "two", 3, NULL), -EAGAIN);
    assert_int_equal(ops->replace(f->blobs, space, "s", &one, "two", 3, NULL), 0);
    put(f, space, "s", "one"); /* what was put can be replaced too */
    assert_int_equal(ops->replace(f->blobs, space, "s", &one, "two", 3, NULL), 0);
    assert_int_equal(ops->read(f->blobs, space, "s", bytes, 3, 0, NULL), 0);
    assert_string_equal(bytes, "two");
}

/* --- marks ----------------------------------------------------------------------------------- */

static int sum_mark(void *context, const struct cr_mark *mark)
{
    int64_t *sums = context;
    sums[0]++;
    sums[1] += (int64_t)mark->generation;
    sums[2] += mark->marked_s;
    return 0;
}

static void expect_marks(struct fixture *f, int64_t count, int64_t generations, int64_t times)
{
    int64_t sums[3] = {0};
    assert_int_equal(f->ops->marks(f->blobs, sum_mark, sums, NULL), 0);
    assert_int_equal(sums[0], count);
    assert_int_equal(sums[1], generations);
    assert_int_equal(sums[2], times);
}

static void mark(struct fixture *f, const char *name, uint64_t generation, int64_t at)
{
    const struct cr_mark mark = {CR_SPACE_PACKS, name, generation, at};
    struct cr_error err = {0};
    if (f->ops->mark(f->blobs, &mark, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_condemned_blob_is_removed_only_while_its_mark_stands(void **state)
{
    struct fixture *f = *state;
    const struct cr_mark absent = {CR_SPACE_PACKS, "absent", 1, 1};
    uint64_t size;
    assert_int_equal(f->ops->mark(f->blobs, &absent, NULL), -ENOENT);
    put(f, CR_SPACE_PACKS, "a", "a");
    put(f, CR_SPACE_PACKS, "b", "b");
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "a", 1, NULL), -EAGAIN);
    mark(f, "a", 7, 100);
    mark(f, "b", 7, 100);
    expect_marks(f, 2, 14, 200);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "a", 6, NULL), -EAGAIN);
    mark(f, "a", 8, 101);
    expect_marks(f, 2, 15, 201);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "a", 7, NULL), -EAGAIN);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "a", 8, NULL), 0);
    assert_int_equal(f->ops->size(f->blobs, CR_SPACE_PACKS, "a", &size, NULL), -ENOENT);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "a", 8, NULL), -EAGAIN);
    expect_marks(f, 1, 7, 100);
    put(f, CR_SPACE_PACKS, "b", "b"); /* writing it again takes the mark away */
    expect_marks(f, 0, 0, 0);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "b", 7, NULL), -EAGAIN);
    mark(f, "b", 9, 102);
    assert_int_equal(f->ops->unmark(f->blobs, CR_SPACE_PACKS, "b", NULL), 0);
    assert_int_equal(f->ops->unmark(f->blobs, CR_SPACE_PACKS, "b", NULL), 0);
    expect_marks(f, 0, 0, 0);
    assert_int_equal(f->ops->remove_marked(f->blobs, CR_SPACE_PACKS, "b", 9, NULL), -EAGAIN);
}

static void every_mark_is_told_of_and_the_collector_tidies_their_lists(void **state)
{
    struct fixture *f = *state;
    struct cr_store_lock *lock;
    enum { COUNT = 150 };
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof(name), "pack%d", i);
        put(f, CR_SPACE_PACKS, name, "x");
        mark(f, name, 3, 5);
    }
    expect_marks(f, COUNT, (int64_t)3 * COUNT, (int64_t)5 * COUNT);
    for (int i = 0; i < COUNT; i += 2) {
        char name[16];
        snprintf(name, sizeof(name), "pack%d", i);
        put(f, CR_SPACE_PACKS, name, "y");
    }
    expect_marks(f, COUNT / 2, (int64_t)3 * COUNT / 2, (int64_t)5 * COUNT / 2);
    assert_int_equal(f->ops->lock(f->blobs, CR_LOCK_COLLECTOR, &lock, NULL), 0);
    expect_marks(f, COUNT / 2, (int64_t)3 * COUNT / 2, (int64_t)5 * COUNT / 2);
    f->ops->unlock(f->blobs, lock);
    expect_marks(f, COUNT / 2, (int64_t)3 * COUNT / 2, (int64_t)5 * COUNT / 2);
}

/* --- locks ----------------------------------------------------------------------------------- */

static int sum_lease(void *context, const char *name, uint64_t seen)
{
    uint64_t *sums = context;
    sums[0]++;
    sums[1] += seen;
    assert_string_equal(name, "img");
    return 0;
}

static void expect_leases(struct cr_rados *rados, uint64_t count, uint64_t seen)
{
    uint64_t sums[2] = {0};
    assert_int_equal(rados->base.ops->leases(&rados->base, sum_lease, sums, NULL), 0);
    assert_int_equal(sums[0], count);
    assert_int_equal(sums[1], seen);
}

static void a_lock_has_one_holder_and_is_a_lease(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock, *other;
    struct cr_error err = {0};
    expect_leases(second, 0, 0);
    assert_int_equal(f->ops->lock(f->blobs, "img", &lock, NULL), 0);
    assert_int_equal(f->ops->lock(&second->base, "img", &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "image 'img'"));
    assert_non_null(strstr(err.text, "pid "));
    assert_int_equal(f->ops->lock(f->blobs, "img", &other, &err), -EBUSY);
    expect_leases(second, 1, 0);
    assert_int_equal(f->ops->lock_seen(f->blobs, lock, 41, NULL), 0);
    expect_leases(second, 1, 41);
    expect_leases(f->rados, 1, 41);
    f->ops->unlock(f->blobs, lock);
    expect_leases(second, 0, 0);
    assert_int_equal(f->ops->lock(&second->base, "img", &other, NULL), 0);
    expect_leases(f->rados, 1, 0); /* what an earlier holder has seen counts for nothing */
    f->ops->unlock(&second->base, other);
    cr_rados_disconnect(second);
}

static void a_lease_is_renewed_while_its_process_lives(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock, *other;
    struct timespec begin, now;
    assert_int_equal(f->ops->lock(f->blobs, "img", &lock, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do { /* for longer than one lease */
        assert_int_equal(f->ops->lock(&second->base, "img", &other, NULL), -EBUSY);
        short_pause();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 4);
    assert_int_equal(f->ops->replace(f->blobs, CR_SPACE_HEADS, "img", NULL, "one", 3, NULL), 0);
    f->ops->unlock(f->blobs, lock);
    cr_rados_disconnect(second);
}

static void who_was_silent_too_long_sets_no_head_once_another_writes(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock, *other;
    struct cr_error err = {0};
    struct cr_id one;
    cr_hash("one", 3, &one);
    assert_int_equal(f->ops->lock(f->blobs, "img", &lock, NULL), 0);
    cr_rados_keeper_stop(f->rados); /* as if the process stood still */
    while (f->ops->lock(&second->base, "img", &other, NULL) == -EBUSY)
        short_pause();
    assert_int_equal(f->ops->replace(f->blobs, CR_SPACE_HEADS, "img", NULL, "one", 3, &err),
                     -ESTALE);
    assert_non_null(strstr(err.text, "image 'img' was not changed"));
    assert_int_equal(f->ops->replace(&second->base, CR_SPACE_HEADS, "img", NULL, "one", 3, NULL),
                     0);
    f->ops->unlock(f->blobs, lock); /* is not the other's */
    assert_int_equal(f->ops->replace(&second->base, CR_SPACE_HEADS, "img", &one, "two", 3, NULL),
                     0);
    f->ops->unlock(&second->base, other);
    cr_rados_disconnect(second);
}

static void who_is_no_lease_any_more_sets_no_head(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock;
    struct cr_error err = {0};
    uint64_t sums[2];
    assert_int_equal(f->ops->lock(f->blobs, "img", &lock, NULL), 0);
    cr_rados_keeper_stop(f->rados);
    do {
        memset(sums, 0, sizeof(sums));
        assert_int_equal(f->ops->leases(&second->base, sum_lease, sums, NULL), 0);
        short_pause();
    } while (sums[0] > 0);
    assert_int_equal(f->ops->replace(f->blobs, CR_SPACE_HEADS, "img", NULL, "one", 3, &err),
                     -ESTALE);
    /* Nor once it has woken up. */
    cr_rados_locks_renew(f->rados);
    assert_int_equal(f->ops->replace(f->blobs, CR_SPACE_HEADS, "img", NULL, "one", 3, &err),
                     -ESTALE);
    f->ops->unlock(f->blobs, lock);
    assert_int_equal(names_in(f, CR_SPACE_HEADS), 0);
    cr_rados_disconnect(second);
}

static void a_lease_that_nobody_missed_comes_back(void **state)
{
    struct fixture *f = *state;
    struct cr_store_lock *lock;
    int exclusive;
    char text[4][256];
    size_t lens[4];
    ssize_t lockers;
    assert_int_equal(f->ops->lock(f->blobs, "img", &lock, NULL), 0);
    cr_rados_keeper_stop(f->rados);
    do {
        short_pause();
        for (int i = 0; i < 4; i++)
            lens[i] = sizeof(text[i]);
        lockers = f->rados->api->list_lockers(f->rados->locks, "img", CR_RADOS_LOCK, &exclusive,
                                              text[0], &lens[0], text[1], &lens[1], text[2],
                                              &lens[2], text[3], &lens[3]);
    } while (lockers > 0);
    cr_rados_locks_renew(f->rados);
    expect_leases(f->rados, 1, 0);
    assert_int_equal(f->ops->replace(f->blobs, CR_SPACE_HEADS, "img", NULL, "one", 3, NULL), 0);
    f->ops->unlock(f->blobs, lock);
}

static void a_collector_that_was_late_condemns_nothing(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock, *other;
    struct cr_error err = {0};
    const struct cr_mark m = {CR_SPACE_PACKS, "p", 1, 1};
    put(f, CR_SPACE_PACKS, "p", "p");
    assert_int_equal(f->ops->lock(f->blobs, CR_LOCK_COLLECTOR, &lock, NULL), 0);
    assert_int_equal(f->ops->mark(f->blobs, &m, NULL), 0);
    assert_int_equal(f->ops->lock(&second->base, CR_LOCK_COLLECTOR, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "being collected"));
    cr_rados_keeper_stop(f->rados);
    while (f->ops->lock(&second->base, CR_LOCK_COLLECTOR, &other, NULL) == -EBUSY)
        short_pause();
    short_pause();
    assert_int_equal(f->ops->mark(f->blobs, &m, &err), -ESTALE);
    f->ops->unlock(f->blobs, lock);
    f->ops->unlock(&second->base, other);
    cr_rados_disconnect(second);
}

/* --- watching -------------------------------------------------------------------------------- */

struct told {
    atomic_int count;
    char name[CR_NAME_MAX + 1];
};

static void told(void *context, const char *name)
{
    struct told *seen = context;
    snprintf(seen->name, sizeof(seen->name), "%s", name != NULL ? name : "any");
    atomic_fetch_add(&seen->count, 1);
}

static void a_new_head_is_told_to_who_watches(void **state)
{
    struct fixture *f = *state;
    struct cr_rados *second = another(f);
    struct cr_store_lock *lock;
    struct told seen = {0};
    assert_false(f->ops->watching(f->blobs));
    assert_int_equal(f->ops->watch(f->blobs, told, &seen, NULL), 0);
    assert_true(f->ops->watching(f->blobs));
    assert_int_equal(f->ops->lock(&second->base, "img", &lock, NULL), 0);
    assert_int_equal(f->ops->replace(&second->base, CR_SPACE_HEADS, "img", NULL, "one", 3, NULL),
                     0);
    while (atomic_load(&seen.count) == 0)
        short_pause();
    assert_string_equal(seen.name, "img");
    f->ops->unlock(&second->base, lock);
    /* A watch that was lost is taken up again, and whatever was missed is to be asked for. */
    pthread_mutex_lock(&f->rados->mutex);
    f->rados->watch_is_lost = true;
    pthread_mutex_unlock(&f->rados->mutex);
    while (atomic_load(&seen.count) == 1)
        short_pause();
    assert_string_equal(seen.name, "any");
    assert_true(f->ops->watching(f->blobs));
    cr_rados_disconnect(second);
}

/* --- opening --------------------------------------------------------------------------------- */

static void what_cannot_be_opened_says_why(void **state)
{
    struct fixture *f = *state;
    struct cr_store *store = NULL;
    struct cr_error err = {0};
    char uri[RADOS_URI_BYTES];
    assert_int_equal(cr_store_init(f->uri, &err), -EEXIST);
    assert_int_equal(cr_store_open(rados_uri("none", "", uri), &store, &err), -ENOENT);
    assert_non_null(strstr(err.text, "carrel store init"));
    const char *settings = strchr(f->uri, '?');
    snprintf(uri, sizeof(uri), "rados:no-such-pool%s", settings);
    assert_int_equal(cr_store_open(uri, &store, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no-such-pool'"));
    rados_uri("none", "&id=nobody", uri);
    assert_true(cr_store_open(uri, &store, &err) < 0);
    assert_non_null(strstr(err.text, "client.nobody"));
    snprintf(uri, sizeof(uri), "rados:carrel?conf=/nonexistent");
    assert_int_equal(cr_store_open(uri, &store, &err), -ENOENT);
    assert_non_null(strstr(err.text, "'/nonexistent'"));
}

#define ON_CEPH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CEPH(a_blob_reads_back),
        ON_CEPH(each_of_many_reads_has_its_own_result),
        ON_CEPH(a_list_holds_the_names_of_its_space),
        ON_CEPH(a_blob_is_replaced_only_if_it_is_what_was_expected),
        ON_CEPH(a_condemned_blob_is_removed_only_while_its_mark_stands),
        ON_CEPH(every_mark_is_told_of_and_the_collector_tidies_their_lists),
        ON_CEPH(a_lock_has_one_holder_and_is_a_lease),
        ON_CEPH(a_lease_is_renewed_while_its_process_lives),
        ON_CEPH(who_was_silent_too_long_sets_no_head_once_another_writes),
        ON_CEPH(who_is_no_lease_any_more_sets_no_head),
        ON_CEPH(a_lease_that_nobody_missed_comes_back),
        ON_CEPH(a_collector_that_was_late_condemns_nothing),
        ON_CEPH(a_new_head_is_told_to_who_watches),
        ON_CEPH(what_cannot_be_opened_says_why),
    };
    if (!rados_is_there())
        return 77;
    cr_rados_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
