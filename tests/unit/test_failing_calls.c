/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation, write, fsync, rename ... fails, for every N: nothing crashes, nothing leaks
 * (the sanitizer build of this test looks), nothing that was there is lost, and nobody is told
 * "published" of what is not. The linker puts the functions below in the place of the real ones
 * (tests/build.mk).
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/gc.h"
#include "lib/store/publish.h"
#include "lib/store/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the failing calls ------------------------------------------------------------------------ */

enum call { CALL_ALLOCATE, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_OPEN, CALL_UNLINK, CALL_COUNT };
static const char *const call_names[CALL_COUNT] = {"allocation", "write", "fsync",
                                                   "rename",     "open",  "unlink"};
static const int call_errors[CALL_COUNT] = {ENOMEM, ENOSPC, EIO, EIO, EMFILE, EIO};

static enum call failing;
static atomic_long left; /* calls until the one that fails; <= 0 = it has failed, or none shall */

static bool fails(enum call call)
{
    if (call != failing || atomic_load(&left) <= 0 || atomic_fetch_sub(&left, 1) != 1)
        return false;
    errno = call_errors[call];
    return true;
}

#define REPLACED(call, type, failure, name, parameters, arguments)                                 \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(call) ? (failure) : __real_##name arguments;                                  \
    }

REPLACED(CALL_ALLOCATE, void *, NULL, malloc, (size_t size), (size))
REPLACED(CALL_ALLOCATE, void *, NULL, calloc, (size_t count, size_t size), (count, size))
REPLACED(CALL_ALLOCATE, void *, NULL, realloc, (void *data, size_t size), (data, size))
REPLACED(CALL_ALLOCATE, void *, NULL, aligned_alloc, (size_t to, size_t size), (to, size))
REPLACED(CALL_WRITE, ssize_t, -1, write, (int fd, const void *data, size_t len), (fd, data, len))
REPLACED(CALL_WRITE, ssize_t, -1, pwrite64, (int fd, const void *data, size_t len, off_t at),
         (fd, data, len, at))
REPLACED(CALL_WRITE, int, -1, ftruncate64, (int fd, off_t len), (fd, len))
REPLACED(CALL_SYNC, int, -1, fsync, (int fd), (fd))
REPLACED(CALL_SYNC, int, -1, fdatasync, (int fd), (fd))
REPLACED(CALL_RENAME, int, -1, renameat, (int from, const char *a, int to, const char *b),
         (from, a, to, b))
REPLACED(CALL_OPEN, int, -1, openat64, (int fd, const char *path, int flags, mode_t mode),
         (fd, path, flags, mode))
REPLACED(CALL_UNLINK, int, -1, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))

/* --- a store, and what is done to it ---------------------------------------------------------- */

#define CHUNKS 5

static int publish(struct cr_store *store, uint8_t value, bool on_base, struct cr_error *err)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_ref ref = {.name = "img", .number = 1};
    struct cr_publish *p = NULL;
    struct cr_version_info info;
    int r = on_base ? cr_version_open(store, &ref, &base, err) : 0;
    if (r == 0)
        r = cr_publish_begin(store, "img", CHUNKS * (uint64_t)CR_CHUNK_BYTES, base, &p, err);
    if (r < 0)
        return r;
    for (unsigned i = on_base ? 3 : 0; i < CHUNKS && r == 0; i++) {
        memset(chunk, value + (int)i, sizeof(chunk));
        r = cr_publish_chunk(p, i % 2, i, chunk, err);
    }
    if (r == 0)
        return cr_publish_commit(p, NULL, &info, NULL, err);
    cr_publish_abort(p);
    return r;
}

static int read_version(struct cr_store *store, uint64_t number, struct cr_error *err)
{
    uint8_t got[CR_CHUNK_BYTES];
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    struct cr_ref ref = {.name = "img", .number = number};
    int r = cr_version_open(store, &ref, &version, err);
    for (unsigned i = 0; i < CHUNKS && r == 0; i++) {
        struct cr_id id;
        r = cr_version_chunk(version, i, &id, err);
        if (r == 0)
            r = cr_store_chunk_read(store, &id, got, sizeof(got), err);
        uint8_t want = (uint8_t)((number == 1 || i < 3 ? 1 : 100) + (int)i);
        if (r == 0 && (got[0] != want || got[sizeof(got) - 1] != want))
            return cr_error_set(err, -EILSEQ, "chunk %u has wrong bytes", i);
    }
    return r;
}

static int do_publish(struct cr_store *store, struct cr_error *err)
{
    return publish(store, 100, true, err);
}

static int do_read(struct cr_store *store, struct cr_error *err)
{
    return read_version(store, 1, err);
}

/* Twice: condemn, then remove. */
static int do_collect(struct cr_store *store, struct cr_error *err)
{
    struct cr_gc_options options = {.now_s = 1000, .live_percent_min = 40};
    struct cr_gc_stat stat;
    int r = cr_gc_run(store, &options, &stat, err);
    return r < 0 ? r : cr_gc_run(store, &options, &stat, err);
}

static int do_scrub(struct cr_store *store, struct cr_error *err)
{
    struct cr_scrub_options options = {.restart = true, .repair = true};
    struct cr_scrub_stat stat;
    int r = cr_scrub_run(store, &options, &stat, err);
    return r == 0 && stat.damaged > 0 ? cr_error_set(err, -EILSEQ, "it found damage") : r;
}

/* A third version that nobody needs, so that there is something to collect. */
static int prepare(struct cr_store *store)
{
    int r = publish(store, 1, false, NULL);
    if (r == 0)
        r = publish(store, 50, false, NULL);
    struct cr_head head;
    struct cr_id hash;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_store_lock *lock = NULL;
    if (r < 0 || (r = store->ops->image_lock(store, "img", &lock, NULL)) < 0)
        return r;
    r = cr_store_head_read(store, "img", &head, &hash, NULL);
    if (r == 0) {
        cr_head_remove(&head, 2);
        r = cr_head_format(&head, &bytes);
        cr_head_done(&head);
    }
    if (r == 0)
        r = store->ops->head_set(store, "img", &hash, bytes.data, bytes.len, NULL);
    store->ops->image_unlock(store, lock);
    return r;
}

struct deed {
    const char *name;
    int (*run)(struct cr_store *store, struct cr_error *err);
    uint64_t makes; /* the version that it publishes; 0 = none */
};
static const struct deed deeds[] = {{"publish", do_publish, 3},
                                    {"read", do_read, 0},
                                    {"gc", do_collect, 0},
                                    {"scrub", do_scrub, 0}};

/* A store in a folder that is opened anew (so that opening fails as well), or one in memory. */
static struct cr_store *store_open(const char *folder, struct cr_error *err)
{
    struct cr_store *store = NULL;
    return cr_store_open(folder[0] ? folder : "mem:", &store, err) == 0 ? store : NULL;
}

/* Do it with the `n`-th `call` failing. False when there are fewer such calls. */
static bool nth_fails(const struct deed *deed, enum call call, long n, bool on_disk)
{
    char folder[40] = "";
    struct cr_error err = {0}, later = {0};
    if (on_disk) {
        snprintf(folder, sizeof(folder), "%s/carrel-failing-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(folder));
        assert_int_equal(cr_store_init(folder, NULL), 0);
    }
    struct cr_store *store = store_open(folder, &err);
    assert_non_null(store);
    assert_int_equal(prepare(store), 0);
    int r = 0;
    if (on_disk)
        cr_store_close(store);
    failing = call;
    atomic_store(&left, n);
    if (on_disk)
        store = store_open(folder, &err);
    r = store == NULL ? -EIO : deed->run(store, &err);
    bool failed = atomic_exchange(&left, 0) <= 0;
    if (r < 0 && err.text[0] == '\0')
        fail_msg("%s: %s %ld failed without a sentence", deed->name, call_names[call], n);
    if (on_disk) {
        cr_store_close(store);
        store = store_open(folder, &later);
    }
    if (store == NULL || read_version(store, 1, &later) < 0)
        fail_msg("%s: after failed %s %ld: %s", deed->name, call_names[call], n, later.text);
    if (deed->makes != 0 && r == 0 && read_version(store, deed->makes, &later) < 0)
        fail_msg("%s: told done after failed %s %ld: %s", deed->name, call_names[call], n,
                 later.text);
    if (!failed && r < 0)
        fail_msg("%s: nothing failed, but: %s", deed->name, err.text);
    /* And the next one works. */
    if (deed->run(store, &later) < 0 || read_version(store, 1, &later) < 0)
        fail_msg("%s: again after failed %s %ld: %s", deed->name, call_names[call], n, later.text);
    cr_store_close(store);
    if (on_disk)
        cr_dir_remove(AT_FDCWD, folder);
    return failed;
}

static void each_call_fails(const struct deed *deed, enum call call, bool on_disk, long least)
{
    long n = 1;
    while (nth_fails(deed, call, n, on_disk))
        n++;
    if (n <= least)
        fail_msg("%s makes only %ld calls of the kind '%s'", deed->name, n - 1, call_names[call]);
}

static void a_failed_allocation_loses_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(deeds); i++)
        each_call_fails(&deeds[i], CALL_ALLOCATE, false, 3);
}

static void a_failed_allocation_loses_nothing_on_disk(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(deeds); i++)
        each_call_fails(&deeds[i], CALL_ALLOCATE, true, 3);
}

static void a_failed_call_of_the_system_loses_nothing(void **state)
{
    (void)state;
    for (enum call call = CALL_WRITE; call < CALL_COUNT; call++) {
        each_call_fails(&deeds[0], call, true, call == CALL_UNLINK ? 0 : 3);
        each_call_fails(&deeds[2], call, true, 0);
        each_call_fails(&deeds[3], call, true, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_loses_nothing),
        cmocka_unit_test(a_failed_allocation_loses_nothing_on_disk),
        cmocka_unit_test(a_failed_call_of_the_system_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
