/* SPDX-License-Identifier: MIT */
/* What a place underneath a store promises to a collector: locks that tell, marks, removal. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/packstore.h"
#include "tests/unit/rados_store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
    char folder[32]; /* "" for mem */
    struct cr_store *store;
    struct cr_blobs *b;
};

static int open_mem(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    int r = cr_store_open("mem:", &f->store, NULL);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static int open_dir(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    snprintf(f->folder, sizeof(f->folder), "/tmp/carrel-blobs-XXXXXX");
    if (mkdtemp(f->folder) == NULL || cr_store_init(f->folder, NULL) < 0)
        return -1;
    int r = cr_store_open(f->folder, &f->store, NULL);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static int open_rados(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    int r = rados_store_open(&f->store);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static int close_store(void **state)
{
    struct fixture *f = *state;
    cr_store_close(f->store);
    if (f->folder[0] != '\0')
        cr_dir_remove(AT_FDCWD, f->folder);
    free(f);
    return 0;
}

static void put(struct cr_blobs *b, enum cr_space space, const char *name, const char *text)
{
    struct cr_error err = {0};
    if (b->ops->put(b, space, name, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
}

static bool there(struct cr_blobs *b, enum cr_space space, const char *name)
{
    uint64_t bytes;
    int r = b->ops->size(b, space, name, &bytes, NULL);
    assert_true(r == 0 || r == -ENOENT);
    return r == 0;
}

static void mark(struct cr_blobs *b, enum cr_space space, const char *name, uint64_t generation)
{
    struct cr_error err = {0};
    struct cr_mark m = {.space = space,
                        .name = name,
                        .generation = generation,
                        .marked_s = 1000 + (int64_t)generation};
    if (b->ops->mark(b, &m, &err) < 0)
        fail_msg("%s", err.text);
}

struct seen_marks {
    unsigned count;
    enum cr_space space;
    char name[CR_BLOB_NAME_MAX + 1];
    uint64_t generation;
    int64_t marked_s;
};

static int see_mark(void *context, const struct cr_mark *m)
{
    struct seen_marks *seen = context;
    seen->count++;
    seen->space = m->space;
    snprintf(seen->name, sizeof(seen->name), "%s", m->name);
    seen->generation = m->generation;
    seen->marked_s = m->marked_s;
    return 0;
}

static struct seen_marks marks_of(struct cr_blobs *b)
{
    struct seen_marks seen = {0};
    assert_int_equal(b->ops->marks(b, see_mark, &seen, NULL), 0);
    return seen;
}

static void a_mark_is_listed_with_its_generation_and_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(marks_of(f->b).count, 0);
    put(f->b, CR_SPACE_SEGMENTS, "a.b-c_d", "x");
    mark(f->b, CR_SPACE_SEGMENTS, "a.b-c_d", 7);
    struct seen_marks seen = marks_of(f->b);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.space, CR_SPACE_SEGMENTS);
    assert_string_equal(seen.name, "a.b-c_d");
    assert_int_equal(seen.generation, 7);
    assert_int_equal(seen.marked_s, 1007);
    mark(f->b, CR_SPACE_SEGMENTS, "a.b-c_d", 9); /* anew */
    seen = marks_of(f->b);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.generation, 9);
    assert_int_equal(f->b->ops->unmark(f->b, CR_SPACE_SEGMENTS, "a.b-c_d", NULL), 0);
    assert_int_equal(f->b->ops->unmark(f->b, CR_SPACE_SEGMENTS, "a.b-c_d", NULL), 0);
    assert_int_equal(marks_of(f->b).count, 0);
    struct cr_mark absent = {.space = CR_SPACE_PACKS, .name = "absent", .generation = 1};
    assert_int_equal(f->b->ops->mark(f->b, &absent, NULL), -ENOENT);
    assert_int_equal(marks_of(f->b).count, 0);
}

static void what_is_put_again_is_not_condemned(void **state)
{
    struct fixture *f = *state;
    put(f->b, CR_SPACE_PACKS, "p", "one");
    mark(f->b, CR_SPACE_PACKS, "p", 3);
    put(f->b, CR_SPACE_PACKS, "p", "two");
    assert_int_equal(marks_of(f->b).count, 0);
    assert_int_equal(f->b->ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 3, NULL), -EAGAIN);
    assert_true(there(f->b, CR_SPACE_PACKS, "p"));
}

static void only_the_very_mark_lets_a_blob_be_removed(void **state)
{
    struct fixture *f = *state;
    const struct cr_blob_ops *ops = f->b->ops;
    put(f->b, CR_SPACE_PACKS, "p", "one");
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 0, NULL), -EAGAIN);
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 3, NULL), -EAGAIN);
    mark(f->b, CR_SPACE_PACKS, "p", 3);
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 2, NULL), -EAGAIN);
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 4, NULL), -EAGAIN);
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_SEGMENTS, "p", 3, NULL), -EAGAIN);
    assert_true(there(f->b, CR_SPACE_PACKS, "p"));
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 3, NULL), 0);
    assert_false(there(f->b, CR_SPACE_PACKS, "p"));
    assert_int_equal(marks_of(f->b).count, 0);
    assert_int_equal(ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 3, NULL), -EAGAIN);
}

static void a_removed_blob_is_gone_with_its_mark(void **state)
{
    struct fixture *f = *state;
    put(f->b, CR_SPACE_DELTAS, "d", "one");
    mark(f->b, CR_SPACE_DELTAS, "d", 1);
    assert_int_equal(f->b->ops->remove(f->b, CR_SPACE_DELTAS, "d", NULL), 0);
    assert_int_equal(f->b->ops->remove(f->b, CR_SPACE_DELTAS, "d", NULL), -ENOENT);
    assert_false(there(f->b, CR_SPACE_DELTAS, "d"));
    assert_int_equal(marks_of(f->b).count, 0);
}

struct seen_leases {
    unsigned count;
    uint64_t seen;
    char name[CR_BLOB_NAME_MAX + 1];
};

static int see_lease(void *context, const char *name, uint64_t seen)
{
    struct seen_leases *leases = context;
    leases->count++;
    leases->seen = seen;
    snprintf(leases->name, sizeof(leases->name), "%s", name);
    return 0;
}

static struct seen_leases leases_of(struct cr_blobs *b)
{
    struct seen_leases seen = {0};
    assert_int_equal(b->ops->leases(b, see_lease, &seen, NULL), 0);
    return seen;
}

static void a_lease_tells_who_holds_it_and_what_it_has_seen(void **state)
{
    struct fixture *f = *state;
    const struct cr_blob_ops *ops = f->b->ops;
    struct cr_store_lock *lock = NULL, *other = NULL;
    assert_int_equal(leases_of(f->b).count, 0);
    assert_int_equal(ops->lock(f->b, "img", &lock, NULL), 0);
    struct seen_leases seen = leases_of(f->b);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.name, "img");
    assert_int_equal(seen.seen, 0);
    assert_int_equal(ops->lock_seen(f->b, lock, 1234567, NULL), 0);
    assert_int_equal(leases_of(f->b).seen, 1234567);
    /* Looking at a lock neither takes nor breaks it. */
    assert_int_equal(ops->lock(f->b, "img", &other, NULL), -EBUSY);
    assert_int_equal(ops->lock(f->b, CR_LOCK_COLLECTOR, &other, NULL), 0);
    assert_int_equal(leases_of(f->b).count, 2);
    ops->unlock(f->b, other);
    ops->unlock(f->b, lock);
    assert_int_equal(leases_of(f->b).count, 0);
    assert_int_equal(ops->lock(f->b, "img", &lock, NULL), 0);
    assert_int_equal(leases_of(f->b).seen, 0); /* a new holder has seen nothing */
    ops->unlock(f->b, lock);
}

static void a_lease_is_seen_from_another_process_and_ends_with_its_holder(void **state)
{
    struct fixture *f = *state;
    struct cr_store *other = NULL;
    int ready[2], end[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t holder = fork();
    if (holder == 0) {
        struct cr_store_lock *lock = NULL;
        int r = cr_store_open(f->folder, &other, NULL);
        struct cr_blobs *b = r < 0 ? NULL : packstore_of(other)->blobs;
        if (r == 0)
            r = b->ops->lock(b, "img", &lock, NULL);
        if (r == 0)
            r = b->ops->lock_seen(b, lock, 41, NULL);
        (void)!write(ready[1], r == 0 ? "y" : "n", 1);
        (void)!read(end[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    for (int i = 0; i < 100; i++) {
        struct seen_leases seen = leases_of(f->b);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.seen, 41);
    }
    assert_int_equal(write(end[1], "e", 1), 1);
    waitpid(holder, NULL, 0);
    assert_int_equal(leases_of(f->b).count, 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(end[i]);
    }
}

static void the_longest_name_fits(void **state)
{
    struct fixture *f = *state;
    char name[CR_BLOB_NAME_MAX + 1] = {0};
    memset(name, 'x', CR_BLOB_NAME_MAX);
    put(f->b, CR_SPACE_MANIFESTS, name, "one");
    mark(f->b, CR_SPACE_MANIFESTS, name, 5);
    assert_string_equal(marks_of(f->b).name, name);
    assert_int_equal(f->b->ops->remove_marked(f->b, CR_SPACE_MANIFESTS, name, 5, NULL), 0);
    assert_false(there(f->b, CR_SPACE_MANIFESTS, name));
}

static void replace_in_other_spaces_compares_and_sets(void **state)
{
    struct fixture *f = *state;
    const struct cr_blob_ops *ops = f->b->ops;
    struct cr_id one;
    cr_hash("one", 3, &one);
    assert_int_equal(ops->replace(f->b, CR_SPACE_STATE, "s", &one, "x", 1, NULL), -EAGAIN);
    assert_int_equal(ops->replace(f->b, CR_SPACE_STATE, "s", NULL, "one", 3, NULL), 0);
    assert_int_equal(ops->replace(f->b, CR_SPACE_STATE, "s", NULL, "one", 3, NULL), -EAGAIN);
    assert_int_equal(ops->replace(f->b, CR_SPACE_STATE, "s", &one, "two", 3, NULL), 0);
}

static void side_objects_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    const struct cr_store_ops *ops = f->store->ops;
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_id one;
    cr_hash("one", 3, &one);
    assert_int_equal(ops->side_get(f->store, CR_SPACE_TRUST, "1.root.json", &out, NULL), -ENOENT);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_TRUST, "1.root.json", "one", 3, NULL), 0);
    assert_int_equal(ops->side_get(f->store, CR_SPACE_TRUST, "1.root.json", &out, NULL), 0);
    assert_memory_equal(out.data, "one", 3);
    assert_int_equal(ops->side_replace(f->store, CR_SPACE_TRUST, "1.root.json", NULL, "x", 1, NULL),
                     -EAGAIN);
    assert_int_equal(
        ops->side_replace(f->store, CR_SPACE_TRUST, "1.root.json", &one, "two", 3, NULL), 0);
    assert_int_equal(ops->side_remove(f->store, CR_SPACE_TRUST, "1.root.json", NULL), 0);
    assert_int_equal(ops->side_remove(f->store, CR_SPACE_TRUST, "1.root.json", NULL), -ENOENT);
    static const char *const wrong[] = {"", ".x", "../heads/img", "a/b", "a b"};
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        assert_int_equal(ops->side_put(f->store, CR_SPACE_TRUST, wrong[i], "x", 1, NULL), -EINVAL);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_HEADS, "img", "x", 1, NULL), -EINVAL);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_TRUST, "x", "x", CR_SIDE_BYTES_MAX + 1, NULL),
                     -EFBIG);
}

static void a_damaged_mark_is_of_no_generation(void **state)
{
    struct fixture *f = *state;
    char path[128];
    put(f->b, CR_SPACE_PACKS, "p", "one");
    mark(f->b, CR_SPACE_PACKS, "p", 3);
    static const char *const texts[] = {"", "generation 3\nmark", "generation 0\nmarked_s 4\n",
                                        "generation 3\nmarked_s 10"};
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        snprintf(path, sizeof(path), "%s/marks/packs.p", f->folder);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(cr_write_full(fd, texts[i], strlen(texts[i])), 0);
        struct seen_marks seen = marks_of(f->b);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.generation, UINT64_MAX);
        assert_int_equal(f->b->ops->remove_marked(f->b, CR_SPACE_PACKS, "p", 3, NULL), -EAGAIN);
    }
}

static void a_store_made_before_lacks_folders_and_works(void **state)
{
    struct fixture *f = *state;
    static const char *const later[] = {"deltas", "records", "trust", "state", "marks"};
    char path[128];
    for (size_t i = 0; i < CR_ARRAY_LEN(later); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->folder, later[i]);
        assert_int_equal(rmdir(path), 0);
    }
    CLEANUP(cr_store_cleanup) struct cr_store *old = NULL;
    assert_int_equal(cr_store_open(f->folder, &old, NULL), 0);
    struct cr_blobs *b = packstore_of(old)->blobs;
    assert_int_equal(marks_of(b).count, 0);
    assert_false(there(b, CR_SPACE_TRUST, "x"));
    assert_int_equal(access(path, F_OK), -1); /* reading made none */
    put(b, CR_SPACE_TRUST, "x", "one");
    put(f->b, CR_SPACE_PACKS, "p", "one");
    mark(b, CR_SPACE_PACKS, "p", 1);
    assert_true(there(b, CR_SPACE_TRUST, "x"));
    assert_int_equal(b->ops->sync(b, NULL), 0);
}

#define FOR_EACH_BACKEND(test)                                                                     \
    {#test " [mem]", test, open_mem, close_store, NULL},                                           \
        {#test " [dir]", test, open_dir, close_store, NULL},                                       \
    {                                                                                              \
#test RADOS_BACKEND, test, open_rados, close_store, NULL                                   \
    }
#define FOR_DIR(test) cmocka_unit_test_setup_teardown(test, open_dir, close_store)

int main(void)
{
    struct CMUnitTest tests[] = {
        FOR_EACH_BACKEND(a_mark_is_listed_with_its_generation_and_time),
        FOR_EACH_BACKEND(what_is_put_again_is_not_condemned),
        FOR_EACH_BACKEND(only_the_very_mark_lets_a_blob_be_removed),
        FOR_EACH_BACKEND(a_removed_blob_is_gone_with_its_mark),
        FOR_EACH_BACKEND(a_lease_tells_who_holds_it_and_what_it_has_seen),
        FOR_EACH_BACKEND(the_longest_name_fits),
        FOR_EACH_BACKEND(replace_in_other_spaces_compares_and_sets),
        FOR_EACH_BACKEND(side_objects_are_kept_by_name),
        FOR_DIR(a_lease_is_seen_from_another_process_and_ends_with_its_holder),
        FOR_DIR(a_damaged_mark_is_of_no_generation),
        FOR_DIR(a_store_made_before_lacks_folders_and_works),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
