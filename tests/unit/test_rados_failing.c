/* SPDX-License-Identifier: MIT */
/*
 * Whatever call of librados fails while a version is published: the publish says so or has made the
 * version, nothing in between, and the next one succeeds. With CHECK_LONG every call is tried, else
 * one in seven.
 */
#include "lib/base/mem.h"
#include "lib/rados/api.h"
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

#include <cmocka.h>

/* --- a librados whose N-th call fails ----------------------------------------------------------
 */

static const struct cr_rados_api *real;
static struct cr_rados_api failing;
static atomic_int countdown; /* 0 = nothing fails */
static atomic_int happened;

static bool fails_now(void)
{
    if (atomic_load(&countdown) <= 0 || atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    atomic_store(&happened, 1);
    return true;
}

#define FAILING(type, name, value, parameters, arguments)                                          \
    static type name##_fails parameters                                                            \
    {                                                                                              \
        return fails_now() ? (value) : real->name arguments;                                       \
    }
/* clang-format off */
FAILING(int, create, -EIO, (rados_t *c, const char *const id), (c, id))
FAILING(int, conf_read_file, -EIO, (rados_t c, const char *path), (c, path))
FAILING(int, connect, -ETIMEDOUT, (rados_t c), (c))
FAILING(int, ioctx_create, -EIO, (rados_t c, const char *pool, rados_ioctx_t *io), (c, pool, io))
FAILING(int, stat, -ETIMEDOUT, (rados_ioctx_t io, const char *o, uint64_t *size, time_t *t),
        (io, o, size, t))
FAILING(int, read, -EIO, (rados_ioctx_t io, const char *o, char *data, size_t len, uint64_t at),
        (io, o, data, len, at))
FAILING(int, remove, -EIO, (rados_ioctx_t io, const char *o), (io, o))
FAILING(int, getxattr, -EIO,
        (rados_ioctx_t io, const char *o, const char *name, char *data, size_t len),
        (io, o, name, data, len))
FAILING(int, setxattr, -EIO,
        (rados_ioctx_t io, const char *o, const char *name, const char *data, size_t len),
        (io, o, name, data, len))
FAILING(int, aio_create_completion2, -ENOMEM,
        (void *arg, rados_callback_t done, rados_completion_t *c), (arg, done, c))
FAILING(int, aio_getxattr, -EIO,
        (rados_ioctx_t io, const char *o, rados_completion_t c, const char *name, char *data,
         size_t len), (io, o, c, name, data, len))
FAILING(rados_read_op_t, create_read_op, NULL, (void), ())
FAILING(int, read_op_operate, -EIO, (rados_read_op_t op, rados_ioctx_t io, const char *o, int f),
        (op, io, o, f))
FAILING(int, aio_read_op_operate, -EIO,
        (rados_read_op_t op, rados_ioctx_t io, rados_completion_t c, const char *o, int f),
        (op, io, c, o, f))
FAILING(rados_write_op_t, create_write_op, NULL, (void), ())
FAILING(int, write_op_operate, -ENOSPC,
        (rados_write_op_t op, rados_ioctx_t io, const char *o, time_t *t, int f),
        (op, io, o, t, f))
FAILING(int, aio_write_op_operate, -EIO,
        (rados_write_op_t op, rados_ioctx_t io, rados_completion_t c, const char *o, time_t *t,
         int f), (op, io, c, o, t, f))
FAILING(int, nobjects_list_open, -EIO, (rados_ioctx_t io, rados_list_ctx_t *list), (io, list))
FAILING(int, nobjects_list_next2, -ETIMEDOUT,
        (rados_list_ctx_t list, const char **a, const char **b, const char **c, size_t *d,
         size_t *e, size_t *f), (list, a, b, c, d, e, f))
FAILING(int, lock_exclusive, -EIO,
        (rados_ioctx_t io, const char *o, const char *name, const char *cookie, const char *desc,
         struct timeval *d, uint8_t f), (io, o, name, cookie, desc, d, f))
FAILING(int, unlock, -EIO, (rados_ioctx_t io, const char *o, const char *name, const char *cookie),
        (io, o, name, cookie))
FAILING(int, notify2, -ETIMEDOUT,
        (rados_ioctx_t io, const char *o, const char *data, int len, uint64_t ms, char **reply,
         size_t *reply_len), (io, o, data, len, ms, reply, reply_len))
/* clang-format on */

/* What the cluster says later of a write that was under way. */
static int aio_get_return_value_fails(rados_completion_t c)
{
    int r = real->aio_get_return_value(c);
    return fails_now() ? -ENOSPC : r;
}

/* The operation is done, but its answer is lost. */
static int write_op_operate_loses_its_answer(rados_write_op_t op, rados_ioctx_t io, const char *o,
                                             time_t *t, int f)
{
    int r = real->write_op_operate(op, io, o, t, f);
    return fails_now() ? -ETIMEDOUT : r;
}

static void failing_make(bool lose_answers)
{
    failing = *real;
#define PUT(name) failing.name = name##_fails;
    PUT(create)
    PUT(conf_read_file)
    PUT(connect)
    PUT(ioctx_create)
    PUT(stat)
    PUT(read)
    PUT(remove)
    PUT(getxattr)
    PUT(setxattr)
    PUT(aio_create_completion2)
    PUT(aio_getxattr)
    PUT(create_read_op)
    PUT(read_op_operate)
    PUT(aio_read_op_operate)
    PUT(create_write_op)
    PUT(write_op_operate)
    PUT(aio_write_op_operate)
    PUT(nobjects_list_open)
    PUT(nobjects_list_next2)
    PUT(lock_exclusive)
    PUT(unlock)
    PUT(notify2)
    PUT(aio_get_return_value)
#undef PUT
    if (lose_answers)
        failing.write_op_operate = write_op_operate_loses_its_answer;
    cr_rados_api_replace(&failing);
}

/* --- publishing ------------------------------------------------------------------------------ */

#define CHUNKS 6

static void fill(uint8_t *chunk, uint32_t seed)
{
    uint32_t x = seed * 2654435761U;
    for (size_t i = 0; i < CR_CHUNK_BYTES; i++) {
        x = x * 1664525U + 1013904223U;
        chunk[i] = (uint8_t)(x >> 24);
    }
}

static int publish(const char *uri, const char *name, uint32_t seed, struct cr_error *err)
{
    static uint8_t chunk[CR_CHUNK_BYTES];
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_publish *p = NULL;
    struct cr_version_info info;
    int r = cr_store_open(uri, &store, err);
    if (r == 0)
        r = cr_publish_begin(store, name, CHUNKS * (uint64_t)CR_CHUNK_BYTES, NULL, &p, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < CHUNKS && r == 0; i++) {
        fill(chunk, seed + i);
        r = cr_publish_chunk(p, i % 2, i, chunk, err);
    }
    if (r < 0) {
        cr_publish_abort(p);
        return r;
    }
    return cr_publish_commit(p, NULL, &info, NULL, err);
}

/* How many versions of `name` there are; each must be whole. */
static int whole_versions(const char *uri, const char *name, uint32_t seed)
{
    static uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    if (cr_store_open(uri, &store, &err) < 0)
        fail_msg("%s", err.text);
    int count = 0;
    for (;; count++) {
        CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
        struct cr_ref ref = {.number = (uint64_t)count + 1};
        snprintf(ref.name, sizeof(ref.name), "%s", name);
        int r = cr_version_open(store, &ref, &v, &err);
        if (r == -ENOENT)
            return count;
        if (r < 0)
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            struct cr_id id;
            fill(want, seed + i);
            if (cr_version_chunk(v, i, &id, &err) < 0 ||
                cr_store_chunk_read(store, &id, got, sizeof(got), &err) < 0)
                fail_msg("%s", err.text);
            assert_memory_equal(got, want, sizeof(got));
        }
    }
}

static void fail_each(bool lose_answers)
{
    char uri[RADOS_URI_BYTES];
    struct cr_error err = {0};
    int step = getenv("CHECK_LONG") != NULL ? 1 : 7, published = 0, refused = 0;
    assert_int_equal(cr_rados_api_load(&real, &err), 0);
    for (int n = 1;; n += step) {
        const char *name = "img";
        const uint32_t seed = 1;
        char store[32];
        snprintf(store, sizeof(store), "%s%d", lose_answers ? "lost" : "failing", n);
        rados_uri(store, "&lease=2", uri);
        assert_int_equal(cr_store_init(uri, &err), 0);
        failing_make(lose_answers);
        atomic_store(&happened, 0);
        atomic_store(&countdown, n);
        memset(&err, 0, sizeof(err));
        int r = publish(uri, name, seed, &err);
        atomic_store(&countdown, 0);
        cr_rados_api_replace(NULL);
        int count = whole_versions(uri, name, seed);
        if (r == 0) {
            assert_int_equal(count, 1); /* what was told is true */
            published++;
        } else {
            assert_true(err.text[0] != '\0');
            assert_true(count == 0 || (lose_answers && count == 1));
            refused++;
        }
        if (!atomic_load(&happened))
            break;
        /* The next one succeeds; its lock may have to end by itself first. */
        do
            r = publish(uri, name, seed, &err);
        while (r == -EBUSY);
        if (r < 0)
            fail_msg("after call %d had failed: %s", n, err.text);
        assert_int_equal(whole_versions(uri, name, seed), count + 1);
    }
    print_message("published %d times, refused %d times\n", published, refused);
    assert_true(refused >= 4 && published >= 1);
}

static void a_call_that_fails_is_told_or_harmless(void **state)
{
    (void)state;
    fail_each(false);
}

static void an_answer_that_is_lost_is_told_or_harmless(void **state)
{
    (void)state;
    fail_each(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_is_told_or_harmless),
        cmocka_unit_test(an_answer_that_is_lost_is_told_or_harmless),
    };
    if (!rados_is_there())
        return 77;
    cr_rados_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
