/* SPDX-License-Identifier: MIT */
/* The promises of a store, kept by every backend that can be written. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/store/publish.h"
#include "tests/unit/rados_store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char folder[32]; /* "" for mem */
    struct cr_store *store;
};

static int open_mem(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    return cr_store_open("mem:", &f->store, NULL);
}

static int open_dir(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    snprintf(f->folder, sizeof(f->folder), "/tmp/carrel-store-XXXXXX");
    if (mkdtemp(f->folder) == NULL || cr_store_init(f->folder, NULL) < 0)
        return -1;
    return cr_store_open(f->folder, &f->store, NULL);
}

static int open_rados(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    int r = rados_store_open(&f->store);
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

/* A disk's bytes: chunk i is filled from seed[i]; 0 = a hole. */
static void fill(uint8_t *chunk, uint32_t seed)
{
    uint32_t x = seed * 2654435761U;
    for (size_t i = 0; i < CR_CHUNK_BYTES; i++) {
        x = x * 1664525U + 1013904223U;
        chunk[i] = seed == 0 ? 0 : (uint8_t)(x >> 28);
    }
}

static struct cr_ref ref_of(const char *text)
{
    struct cr_ref ref;
    assert_int_equal(cr_ref_parse(text, &ref, NULL), 0);
    return ref;
}

static struct cr_version_info publish(struct cr_store *store, const char *base_ref,
                                      uint64_t disk_bytes, const uint32_t *seeds, size_t count,
                                      const uint64_t *at, struct cr_publish_stat *ret_stat)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    struct cr_version *base = NULL;
    struct cr_publish *p = NULL;
    struct cr_error err = {0};
    struct cr_version_info info;
    if (base_ref != NULL) {
        struct cr_ref ref = ref_of(base_ref);
        assert_int_equal(cr_version_open(store, &ref, &base, &err), 0);
    }
    if (cr_publish_begin(store, "img", disk_bytes, base, &p, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        fill(chunk, seeds[i]);
        assert_int_equal(cr_publish_chunk(p, i % 3, at ? at[i] : i, chunk, &err), 0);
    }
    struct cr_publish_note note = {.parent = base ? cr_version_ref(base) : NULL,
                                   .message = "a message"};
    if (cr_publish_commit(p, &note, &info, ret_stat, &err) < 0)
        fail_msg("%s", err.text);
    cr_version_close(base);
    return info;
}

static void expect_chunks(struct cr_store *store, const char *text, const uint32_t *seeds,
                          size_t count)
{
    uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
    struct cr_error err = {0};
    struct cr_ref ref = ref_of(text);
    if (cr_version_open(store, &ref, &v, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(cr_version_chunks(v), count);
    for (size_t i = 0; i < count; i++) {
        struct cr_id id;
        size_t len = cr_chunk_bytes(cr_version_disk_bytes(v), i);
        assert_int_equal(cr_version_chunk(v, i, &id, &err), 0);
        assert_int_equal(cr_id_is_hole(&id), seeds[i] == 0);
        if (cr_store_chunk_read(store, &id, got, len, &err) < 0)
            fail_msg("%s", err.text);
        fill(want, seeds[i]);
        assert_memory_equal(got, want, len);
    }
}

static void what_is_published_reads_back(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1, 0, 2, 1, 3};
    struct cr_publish_stat stat;
    struct cr_version_info info =
        publish(f->store, NULL, 4 * CR_CHUNK_BYTES + 100, seeds, 5, NULL, &stat);
    assert_int_equal(info.number, 1);
    assert_int_equal(info.data_bytes, 4 * CR_CHUNK_BYTES);
    assert_int_equal(stat.new_chunks, 3); /* identical chunks are stored once */
    expect_chunks(f->store, "img@1", seeds, 5);
    expect_chunks(f->store, "img", seeds, 5);
}

static void a_child_costs_what_it_changed(void **state)
{
    struct fixture *f = *state;
    uint32_t seeds[8] = {1, 2, 3, 4, 5, 6, 0, 8};
    publish(f->store, NULL, 8 * CR_CHUNK_BYTES, seeds, 8, NULL, NULL);
    const uint32_t change[] = {9, 0, 2};
    const uint64_t at[] = {3, 4, 6};
    struct cr_publish_stat stat;
    struct cr_version_info info =
        publish(f->store, "img@1", 8 * CR_CHUNK_BYTES, change, 3, at, &stat);
    assert_int_equal(stat.new_chunks, 1);
    assert_int_equal(info.number, 2);
    assert_string_equal(info.parent.name, "img");
    assert_int_equal(info.parent.number, 1);
    assert_int_equal(info.data_bytes, 7 * CR_CHUNK_BYTES);
    expect_chunks(f->store, "img@1", seeds, 8);
    seeds[3] = 9, seeds[4] = 0, seeds[6] = 2;
    expect_chunks(f->store, "img@2", seeds, 8);
}

static void the_same_disk_has_the_same_root(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1, 0, 2};
    struct cr_publish_stat stat;
    struct cr_version_info a = publish(f->store, NULL, 3 * CR_CHUNK_BYTES, seeds, 3, NULL, NULL);
    struct cr_version_info b = publish(f->store, NULL, 3 * CR_CHUNK_BYTES, seeds, 3, NULL, &stat);
    assert_memory_equal(&a.root, &b.root, sizeof(a.root));
    assert_int_equal(b.stored_bytes, 0);
    assert_int_equal(b.number, 2);
}

static void a_child_may_grow_and_shrink(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1, 2, 3};
    uint8_t got[CR_CHUNK_BYTES], want[CR_CHUNK_BYTES];
    publish(f->store, NULL, 2 * CR_CHUNK_BYTES + 100, seeds, 3, NULL, NULL);
    struct cr_version_info grown = publish(
        f->store, "img@1", (CR_SEGMENT_CHUNKS + 1) * (uint64_t)CR_CHUNK_BYTES, NULL, 0, NULL, NULL);
    assert_int_equal(grown.data_bytes, 3 * CR_CHUNK_BYTES);
    CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
    struct cr_ref ref = ref_of("img@2");
    struct cr_id id;
    assert_int_equal(cr_version_open(f->store, &ref, &v, NULL), 0);
    assert_int_equal(cr_version_chunk(v, 2, &id, NULL), 0);
    assert_int_equal(cr_store_chunk_read(f->store, &id, got, CR_CHUNK_BYTES, NULL), 0);
    fill(want, 3);
    memset(want + 100, 0, sizeof(want) - 100);
    assert_memory_equal(got, want, sizeof(want));
    struct cr_version_info shrunk =
        publish(f->store, "img@2", CR_CHUNK_BYTES + 7, NULL, 0, NULL, NULL);
    assert_int_equal(shrunk.data_bytes, 2 * CR_CHUNK_BYTES);
    expect_chunks(f->store, "img@3", seeds, 2);
}

static void an_image_has_one_writer(void **state)
{
    struct fixture *f = *state;
    struct cr_publish *p = NULL, *q = NULL;
    struct cr_error err = {0};
    assert_int_equal(cr_publish_begin(f->store, "img", 1000, NULL, &p, &err), 0);
    assert_int_equal(cr_publish_begin(f->store, "img", 1000, NULL, &q, &err), -EBUSY);
    assert_non_null(strstr(err.text, "image 'img'"));
    assert_int_equal(cr_publish_begin(f->store, "other", 1000, NULL, &q, &err), 0);
    cr_publish_abort(q);
    cr_publish_abort(p);
    assert_int_equal(cr_publish_begin(f->store, "img", 1000, NULL, &p, &err), 0);
    cr_publish_abort(p);
    struct cr_head head;
    assert_int_equal(cr_store_head_read(f->store, "img", &head, NULL, &err), -ENOENT);
}

static void a_head_changes_only_from_what_was_expected(void **state)
{
    struct fixture *f = *state;
    struct cr_store_lock *lock;
    struct cr_id one, other = {.bytes = {1}};
    cr_hash("one", 3, &one);
    const struct cr_store_ops *ops = f->store->ops;
    assert_int_equal(ops->image_lock(f->store, "h", &lock, NULL), 0);
    assert_int_equal(ops->head_set(f->store, "h", &other, "one", 3, NULL), -EAGAIN);
    assert_int_equal(ops->head_set(f->store, "h", NULL, "one", 3, NULL), 0);
    assert_int_equal(ops->head_set(f->store, "h", NULL, "two", 3, NULL), -EAGAIN);
    assert_int_equal(ops->head_set(f->store, "h", &other, "two", 3, NULL), -EAGAIN);
    assert_int_equal(ops->head_set(f->store, "h", &one, "two", 3, NULL), 0);
    ops->image_unlock(f->store, lock);
    CLEANUP_BUF struct cr_buf head = CR_BUF_INIT(10);
    assert_int_equal(ops->head_get(f->store, "h", &head, NULL), 0);
    assert_memory_equal(head.data, "two", 3);
}

static void what_does_not_exist_is_named(void **state)
{
    struct fixture *f = *state;
    struct cr_version *v = NULL;
    struct cr_error err = {0};
    const uint32_t seeds[] = {1};
    struct cr_ref ref = ref_of("img@7");
    uint8_t plain[CR_CHUNK_BYTES];
    assert_int_equal(cr_version_open(f->store, &ref, &v, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no image 'img'"));
    publish(f->store, NULL, CR_CHUNK_BYTES, seeds, 1, NULL, NULL);
    assert_int_equal(cr_version_open(f->store, &ref, &v, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no version 7"));
    struct cr_id id = {.bytes = {0xab}};
    assert_int_equal(cr_store_chunk_read(f->store, &id, plain, CR_CHUNK_BYTES, &err), -ENOENT);
    assert_non_null(strstr(err.text, "chunk 'ab00"));
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(1000);
    assert_int_equal(cr_store_object_read(f->store, CR_SEGMENT, &id, &buf, &err), -ENOENT);
    assert_non_null(strstr(err.text, "segment 'ab00"));
}

struct parallel {
    struct cr_publish *publish;
    atomic_uint next_lane;
};

static void publish_share(void *argument)
{
    struct parallel *parallel = argument;
    unsigned lane = atomic_fetch_add(&parallel->next_lane, 1);
    uint8_t chunk[CR_CHUNK_BYTES];
    for (uint32_t i = lane; i < 400; i += 4) {
        fill(chunk, i % 100 + 1);
        assert_int_equal(cr_publish_chunk(parallel->publish, lane, i, chunk, NULL), 0);
    }
}

static void many_threads_publish_one_version(void **state)
{
    struct fixture *f = *state;
    struct parallel parallel = {0};
    struct cr_publish_stat stat;
    struct cr_version_info info;
    CLEANUP(cr_pool_cleanup) struct cr_pool *pool = NULL;
    assert_int_equal(cr_publish_begin(f->store, "img", 400 * (uint64_t)CR_CHUNK_BYTES, NULL,
                                      &parallel.publish, NULL),
                     0);
    assert_int_equal(cr_pool_new(4, 4, &pool), 0);
    for (int i = 0; i < 4; i++)
        cr_pool_submit(pool, publish_share, &parallel);
    cr_pool_wait(pool);
    assert_int_equal(cr_publish_commit(parallel.publish, NULL, &info, &stat, NULL), 0);
    assert_int_equal(stat.new_chunks, 100);
    uint32_t seeds[400];
    for (uint32_t i = 0; i < 400; i++)
        seeds[i] = i % 100 + 1;
    expect_chunks(f->store, "img", seeds, 400);
}

static void figures_add_up(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1, 2, 0};
    struct cr_store_stat stat;
    struct cr_version_info info = publish(f->store, NULL, 3 * CR_CHUNK_BYTES, seeds, 3, NULL, NULL);
    assert_int_equal(f->store->ops->stat(f->store, &stat, NULL), 0);
    assert_int_equal(stat.images, 1);
    assert_int_equal(stat.versions, 1);
    assert_int_equal(stat.chunks, 2);
    assert_int_equal(stat.segments, 1);
    assert_int_equal(stat.manifests, 1);
    assert_int_equal(stat.pack_bytes + stat.segment_bytes + stat.manifest_bytes, info.stored_bytes);
}

/* --- the folder's own promises --------------------------------------------------------------- */

static void what_another_process_published_is_found(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *second = NULL;
    const uint32_t seeds[] = {1, 2};
    assert_int_equal(cr_store_open(f->folder, &second, NULL), 0);
    publish(f->store, NULL, 2 * CR_CHUNK_BYTES, seeds, 2, NULL, NULL);
    expect_chunks(second, "img@1", seeds, 2);
}

static void a_lock_is_held_across_processes(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *second = NULL;
    struct cr_publish *p = NULL, *q = NULL;
    struct cr_error err = {0};
    assert_int_equal(cr_store_open(f->folder, &second, NULL), 0);
    assert_int_equal(cr_publish_begin(f->store, "img", 1000, NULL, &p, NULL), 0);
    assert_int_equal(cr_publish_begin(second, "img", 1000, NULL, &q, &err), -EBUSY);
    assert_non_null(strstr(err.text, "pid "));
    cr_publish_abort(p);
}

static int first_file(const char *folder, const char *space, char *out, size_t out_size)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", folder, space);
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(out, out_size, "%s/%s/%s", folder, space, entry->d_name);
        return 0;
    }
    return -ENOENT;
}

static void flip_byte(const char *path, off_t from_end)
{
    CLEANUP_CLOSE int fd = open(path, O_RDWR);
    uint8_t byte;
    off_t at = lseek(fd, -from_end, SEEK_END);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void damage_is_named_and_never_read(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *space;
        off_t from_end;
        const char *named;
    } cases[] = {
        {"packs", 20, "is damaged: its footer"},
        {"segments", 3, "segment '"},
        {"manifests", 3, "manifest '"},
        {"heads", 3, "head 'img'"},
    };
    const uint32_t seeds[] = {1};
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        char path[400];
        publish(f->store, NULL, CR_CHUNK_BYTES, seeds, 1, NULL, NULL);
        assert_int_equal(first_file(f->folder, cases[i].space, path, sizeof(path)), 0);
        flip_byte(path, cases[i].from_end);
        CLEANUP(cr_store_cleanup) struct cr_store *fresh = NULL;
        CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
        struct cr_error err = {0};
        struct cr_ref ref = ref_of("img");
        struct cr_id id;
        uint8_t plain[CR_CHUNK_BYTES];
        assert_int_equal(cr_store_open(f->folder, &fresh, NULL), 0);
        int r = cr_version_open(fresh, &ref, &v, &err);
        if (r == 0)
            r = cr_version_chunk(v, 0, &id, &err);
        if (r == 0)
            r = cr_store_chunk_read(fresh, &id, plain, CR_CHUNK_BYTES, &err);
        assert_true(r < 0);
        if (strstr(err.text, cases[i].named) == NULL)
            fail_msg("'%s' does not hold '%s'", err.text, cases[i].named);
        flip_byte(path, cases[i].from_end);
    }
}

static void a_pack_that_was_restored_is_read_by_who_saw_it_damaged(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1};
    char path[400];
    uint8_t chunk[CR_CHUNK_BYTES], plain[CR_CHUNK_BYTES];
    struct cr_id id, absent = {.bytes = {0xab}};
    struct cr_error err = {0};
    publish(f->store, NULL, CR_CHUNK_BYTES, seeds, 1, NULL, NULL);
    fill(chunk, 1);
    cr_hash(chunk, sizeof(chunk), &id);
    assert_int_equal(first_file(f->folder, "packs", path, sizeof(path)), 0);
    flip_byte(path, 20);
    CLEANUP(cr_store_cleanup) struct cr_store *fresh = NULL;
    assert_int_equal(cr_store_open(f->folder, &fresh, NULL), 0);
    for (int i = 0; i < 2; i++) { /* missing is not known of any chunk while a pack is damaged */
        assert_int_equal(cr_store_chunk_read(fresh, &id, plain, sizeof(plain), &err), -EBADMSG);
        assert_non_null(strstr(err.text, strrchr(path, '/') + 1));
        assert_int_equal(cr_store_chunk_read(fresh, &absent, plain, sizeof(plain), &err), -EBADMSG);
    }
    flip_byte(path, 20);
    if (cr_store_chunk_read(fresh, &id, plain, sizeof(plain), &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(plain, chunk, sizeof(chunk));
    assert_int_equal(cr_store_chunk_read(fresh, &absent, plain, sizeof(plain), &err), -ENOENT);
}

static void of_several_damaged_packs_the_number_is_told(void **state)
{
    struct fixture *f = *state;
    uint8_t plain[CR_CHUNK_BYTES];
    char path[400];
    struct cr_error err = {0};
    struct cr_id id = {.bytes = {0xab}};
    snprintf(path, sizeof(path), "%s/packs", f->folder);
    CLEANUP_CLOSE int packs = open(path, O_RDONLY | O_DIRECTORY);
    for (int digit = '1'; digit <= '3'; digit++) {
        char name[CR_ID_HEX] = {0};
        memset(name, digit, CR_ID_HEX - 1);
        CLEANUP_CLOSE int fd = openat(packs, name, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
    }
    assert_int_equal(cr_store_chunk_read(f->store, &id, plain, sizeof(plain), &err), -EBADMSG);
    assert_non_null(strstr(err.text, "3 packs are damaged, such as '"));
    assert_non_null(strstr(err.text, "it has 0 bytes"));
}

static void a_damaged_pack_or_segment_is_written_again(void **state)
{
    struct fixture *f = *state;
    const uint32_t seeds[] = {1, 2};
    char path[400];
    publish(f->store, NULL, 2 * CR_CHUNK_BYTES, seeds, 2, NULL, NULL);
    assert_int_equal(first_file(f->folder, "packs", path, sizeof(path)), 0);
    flip_byte(path, 20);
    assert_int_equal(first_file(f->folder, "segments", path, sizeof(path)), 0);
    flip_byte(path, 3);
    CLEANUP(cr_store_cleanup) struct cr_store *fresh = NULL;
    CLEANUP(cr_store_cleanup) struct cr_store *later = NULL;
    assert_int_equal(cr_store_open(f->folder, &fresh, NULL), 0);
    publish(fresh, NULL, 2 * CR_CHUNK_BYTES, seeds, 2, NULL, NULL);
    assert_int_equal(cr_store_open(f->folder, &later, NULL), 0);
    expect_chunks(later, "img@2", seeds, 2);
    expect_chunks(later, "img@1", seeds, 2);
}

static void a_folder_with_other_things_is_no_store(void **state)
{
    struct fixture *f = *state;
    struct cr_store *store;
    struct cr_error err = {0};
    assert_int_equal(cr_store_init(f->folder, &err), -EEXIST);
    assert_int_equal(cr_store_init("/proc/self", &err), -EEXIST);
    assert_int_equal(cr_store_open("/nonexistent", &store, &err), -ENOENT);
    assert_non_null(strstr(err.text, "carrel store init"));
    assert_int_equal(cr_store_open("/tmp", &store, &err), -ENOENT);
    assert_int_equal(cr_store_open("ftp:x", &store, &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "dir:PATH"));
}

static void an_interrupted_init_can_be_done_again(void **state)
{
    struct fixture *f = *state;
    char path[64], marker[96], file[96];
    snprintf(path, sizeof(path), "%s/half", f->folder);
    assert_int_equal(cr_store_init(path, NULL), 0);
    snprintf(marker, sizeof(marker), "%s/carrel-store", path);
    assert_int_equal(unlink(marker), 0);
    assert_int_equal(cr_store_init(path, NULL), 0);
    /* A folder that holds something is not touched. */
    assert_int_equal(unlink(marker), 0);
    snprintf(file, sizeof(file), "%s/packs/x", path);
    CLEANUP_CLOSE int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(cr_store_init(path, NULL), -EEXIST);
    assert_int_equal(access(file, F_OK), 0);
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
        FOR_EACH_BACKEND(what_is_published_reads_back),
        FOR_EACH_BACKEND(a_child_costs_what_it_changed),
        FOR_EACH_BACKEND(the_same_disk_has_the_same_root),
        FOR_EACH_BACKEND(a_child_may_grow_and_shrink),
        FOR_EACH_BACKEND(an_image_has_one_writer),
        FOR_EACH_BACKEND(a_head_changes_only_from_what_was_expected),
        FOR_EACH_BACKEND(what_does_not_exist_is_named),
        FOR_EACH_BACKEND(many_threads_publish_one_version),
        FOR_EACH_BACKEND(figures_add_up),
        FOR_DIR(what_another_process_published_is_found),
        FOR_DIR(a_lock_is_held_across_processes),
        FOR_DIR(damage_is_named_and_never_read),
        FOR_DIR(a_pack_that_was_restored_is_read_by_who_saw_it_damaged),
        FOR_DIR(of_several_damaged_packs_the_number_is_told),
        FOR_DIR(a_damaged_pack_or_segment_is_written_again),
        FOR_DIR(a_folder_with_other_things_is_no_store),
        FOR_DIR(an_interrupted_init_can_be_done_again),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
