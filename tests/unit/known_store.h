/* SPDX-License-Identifier: MIT */
/* Stores for the tests of collector and scrub: images whose chunks are made from small numbers. */
#pragma once

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/packstore.h"
#include "lib/store/publish.h"
#include "tests/unit/rados_store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char folder[32]; /* "" for mem */
    struct cr_store *store;
    struct cr_blobs *b;
};

static inline int open_mem(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    int r = cr_store_open("mem:", &f->store, NULL);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static inline int open_dir(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    snprintf(f->folder, sizeof(f->folder), "/tmp/carrel-known-XXXXXX");
    if (mkdtemp(f->folder) == NULL || cr_store_init(f->folder, NULL) < 0)
        return -1;
    int r = cr_store_open(f->folder, &f->store, NULL);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static inline int open_rados(void **state)
{
    struct fixture *f = cr_calloc(1, sizeof(*f));
    *state = f;
    int r = rados_store_open(&f->store);
    f->b = r < 0 ? NULL : packstore_of(f->store)->blobs;
    return r;
}

static inline int close_store(void **state)
{
    struct fixture *f = *state;
    cr_store_close(f->store);
    if (f->folder[0] != '\0')
        cr_dir_remove(AT_FDCWD, f->folder);
    free(f);
    return 0;
}

/* Bytes that zstd makes a third smaller, different for each seed. */
static inline void fill(uint8_t *chunk, uint32_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (size_t i = 0; i < CR_CHUNK_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        chunk[i] = (uint8_t)(x & 0x1f);
    }
}

static inline struct cr_ref ref_of(const char *text)
{
    struct cr_ref ref;
    assert_int_equal(cr_ref_parse(text, &ref, NULL), 0);
    return ref;
}

#define FAIL_ON(call, err)                                                                         \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static inline struct cr_publish *begin(struct cr_store *store, const char *name, uint64_t chunks,
                                       struct cr_version *base)
{
    struct cr_publish *p = NULL;
    struct cr_error err = {0};
    FAIL_ON(cr_publish_begin(store, name, chunks * CR_CHUNK_BYTES, base, &p, &err), err);
    return p;
}

/* Chunks first, first + 1 ... of seeds that rise with them. */
static inline void chunks(struct cr_publish *p, uint64_t first, uint32_t seed, uint32_t count)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    struct cr_error err = {0};
    for (uint32_t i = 0; i < count; i++) {
        fill(chunk, seed + i);
        FAIL_ON(cr_publish_chunk(p, 0, first + i, chunk, &err), err);
    }
}

static inline struct cr_version_info commit(struct cr_publish *p)
{
    struct cr_version_info info = {0};
    struct cr_error err = {0};
    FAIL_ON(cr_publish_commit(p, NULL, &info, NULL, &err), err);
    return info;
}

/* A version of `count` chunks from `seed` on. */
static inline struct cr_version_info publish(struct cr_store *store, const char *name,
                                             uint32_t seed, uint32_t count)
{
    struct cr_publish *p = begin(store, name, count, NULL);
    chunks(p, 0, seed, count);
    return commit(p);
}

/* As `carrel image rm`. */
static inline void version_remove(struct cr_store *store, const char *text)
{
    struct cr_ref ref = ref_of(text);
    struct cr_store_lock *lock = NULL;
    struct cr_head head;
    struct cr_id hash;
    struct cr_error err = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    FAIL_ON(store->ops->image_lock(store, ref.name, &lock, &err), err);
    FAIL_ON(cr_store_head_read(store, ref.name, &head, &hash, &err), err);
    assert_int_equal(cr_head_remove(&head, ref.number), 0);
    assert_int_equal(cr_head_format(&head, &bytes), 0);
    FAIL_ON(store->ops->head_set(store, ref.name, &hash, bytes.data, bytes.len, &err), err);
    cr_head_done(&head);
    store->ops->image_unlock(store, lock);
}

static inline void expect_chunk(struct cr_store *store, uint32_t seed)
{
    uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    struct cr_error err = {0};
    struct cr_id id;
    fill(want, seed);
    cr_hash(want, sizeof(want), &id);
    FAIL_ON(cr_store_chunk_read(store, &id, got, sizeof(got), &err), err);
    assert_memory_equal(got, want, sizeof(want));
}

/* The version holds the chunks of `count` seeds from `seed` on, from its chunk `first` on. */
static inline void expect(struct cr_store *store, const char *text, uint64_t first, uint32_t seed,
                          uint32_t count)
{
    uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
    struct cr_error err = {0};
    struct cr_ref ref = ref_of(text);
    FAIL_ON(cr_version_open(store, &ref, &v, &err), err);
    for (uint32_t i = 0; i < count; i++) {
        struct cr_id id;
        FAIL_ON(cr_version_chunk(v, first + i, &id, &err), err);
        FAIL_ON(cr_store_chunk_read(store, &id, got, sizeof(got), &err), err);
        fill(want, seed + i);
        assert_memory_equal(got, want, sizeof(want));
    }
}

static inline int count_name(void *context, const char *name)
{
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static inline unsigned blobs_in(struct cr_blobs *b, enum cr_space space)
{
    unsigned count = 0;
    assert_int_equal(b->ops->list(b, space, count_name, &count, NULL), 0);
    return count;
}

static inline int take_name(void *context, const char *name)
{
    memcpy(context, name, strlen(name) + 1);
    return 1;
}

/* The name of some blob of the space. */
static inline void some_blob(struct cr_blobs *b, enum cr_space space,
                             char out[static CR_BLOB_NAME_MAX + 1])
{
    assert_int_equal(b->ops->list(b, space, take_name, out, NULL), 1);
}

/* Flip one bit of a blob, behind the store's back. */
static inline void damage(struct cr_blobs *b, enum cr_space space, const char *name,
                          uint64_t from_end)
{
    uint64_t size = 0;
    assert_int_equal(b->ops->size(b, space, name, &size, NULL), 0);
    CLEANUP_FREE uint8_t *bytes = malloc(size);
    assert_int_equal(b->ops->read(b, space, name, bytes, size, 0, NULL), 0);
    bytes[size - from_end] ^= 1;
    assert_int_equal(b->ops->put(b, space, name, bytes, size, NULL), 0);
}

#define FOR_EACH_BACKEND(test)                                                                     \
    {#test " [mem]", test, open_mem, close_store, NULL},                                           \
        {#test " [dir]", test, open_dir, close_store, NULL},                                       \
    {                                                                                              \
#test RADOS_BACKEND, test, open_rados, close_store, NULL                                   \
    }
#define FOR_DIR(test) cmocka_unit_test_setup_teardown(test, open_dir, close_store)
