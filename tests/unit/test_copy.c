/* SPDX-License-Identifier: MIT */
/* A store copied into another, between every two kinds that can be written. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/rados/rados.h"
#include "lib/store/copy.h"
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

enum kind { MEM, DIR_KIND, RADOS, KINDS };

static const char trust_text[] = "{\"signed\":{\"meta\":{}}}";

static char folder[40];

static struct cr_store *store_make(enum kind kind, const char *name)
{
    char uri[RADOS_URI_BYTES] = "mem:";
    struct cr_store *store = NULL;
    struct cr_error err = {0};
    if (kind == DIR_KIND)
        snprintf(uri, sizeof(uri), "%s/%s", folder, name);
    if (kind == RADOS)
        rados_uri(name, "", uri);
    if (kind != MEM && cr_store_init(uri, &err) < 0)
        fail_msg("%s", err.text);
    if (cr_store_open(uri, &store, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

static void fill(uint8_t *chunk, uint32_t seed)
{
    uint32_t x = seed * 2654435761U;
    for (size_t i = 0; i < CR_CHUNK_BYTES; i++) {
        x = x * 1664525U + 1013904223U;
        chunk[i] = (uint8_t)(x >> 28);
    }
}

/* The next version of `name`: `chunks` chunks whose content follows from `seed`. */
static void publish(struct cr_store *store, const char *name, uint32_t seed, uint64_t chunks)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    struct cr_publish *p = NULL;
    struct cr_error err = {0};
    struct cr_version_info info;
    struct cr_publish_stat stat;
    struct cr_publish_note note = {.message = "a message"};
    if (cr_publish_begin(store, name, chunks * CR_CHUNK_BYTES, NULL, &p, &err) < 0)
        fail_msg("%s", err.text);
    for (uint64_t i = 0; i < chunks; i++) {
        fill(chunk, seed + (uint32_t)i);
        assert_int_equal(cr_publish_chunk(p, 0, i, chunk, &err), 0);
    }
    if (cr_publish_commit(p, &note, &info, &stat, &err) < 0)
        fail_msg("%s", err.text);
}

static void source_make(struct cr_store *store)
{
    publish(store, "disk", 1, 40);
    publish(store, "disk", 20, 60); /* shares 20 chunks */
    publish(store, "other", 1000, 5);
    assert_int_equal(store->ops->side_put(store, CR_SPACE_TRUST, "1.root.json", trust_text,
                                          strlen(trust_text), NULL),
                     0);
    assert_int_equal(store->ops->side_replace(store, CR_SPACE_TRUST, "timestamp.json", NULL,
                                              trust_text, strlen(trust_text), NULL),
                     0);
}

static void heads_equal(struct cr_store *a, struct cr_store *b, const char *name)
{
    CLEANUP_BUF struct cr_buf x = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP_BUF struct cr_buf y = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(a->ops->head_get(a, name, &x, NULL), 0);
    assert_int_equal(b->ops->head_get(b, name, &y, NULL), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
}

static void version_reads(struct cr_store *store, const char *text, uint32_t seed)
{
    uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    struct cr_version *v = NULL;
    struct cr_ref ref;
    struct cr_error err = {0};
    assert_int_equal(cr_ref_parse(text, &ref, NULL), 0);
    if (cr_version_open(store, &ref, &v, &err) < 0)
        fail_msg("%s", err.text);
    for (uint64_t i = 0; i < cr_version_chunks(v); i++) {
        struct cr_id id;
        assert_int_equal(cr_version_chunk(v, i, &id, &err), 0);
        if (cr_store_chunk_read(store, &id, got, sizeof(got), &err) < 0)
            fail_msg("%s", err.text);
        fill(want, seed + (uint32_t)i);
        assert_memory_equal(got, want, sizeof(got));
    }
    cr_version_close(v);
}

static struct cr_copy_stat copy(struct cr_store *from, struct cr_store *to, bool mirror)
{
    struct cr_copy_options options = {.mirror = mirror, .threads = 3};
    struct cr_copy_stat stat;
    struct cr_error err = {0};
    if (cr_store_copy(from, to, &options, &stat, &err) < 0)
        fail_msg("%s", err.text);
    return stat;
}

static void pair_works(enum kind from_kind, enum kind to_kind)
{
    char from_name[32], to_name[32];
    snprintf(from_name, sizeof(from_name), "from%d%d", from_kind, to_kind);
    snprintf(to_name, sizeof(to_name), "to%d%d", from_kind, to_kind);
    struct cr_store *from = store_make(from_kind, from_name), *to = store_make(to_kind, to_name);
    source_make(from);
    struct cr_copy_stat stat = copy(from, to, false);
    assert_int_equal(stat.images, 2);
    assert_int_equal(stat.versions_new, 3);
    assert_int_equal(stat.chunks_copied, 79 + 5);
    assert_int_equal(stat.side_copied, 2);
    heads_equal(from, to, "disk");
    heads_equal(from, to, "other");
    version_reads(to, "disk@1", 1);
    version_reads(to, "disk@2", 20);
    version_reads(to, "other@1", 1000);
    CLEANUP_BUF struct cr_buf side = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    assert_int_equal(to->ops->side_get(to, CR_SPACE_TRUST, "timestamp.json", &side, NULL), 0);
    assert_int_equal(side.len, strlen(trust_text));
    stat = copy(from, to, true);
    assert_int_equal(stat.chunks_copied + stat.versions_new + stat.side_copied, 0);
    assert_int_equal(stat.versions, 3);
    /* It goes on from where it is. */
    publish(from, "disk", 75, 10);
    stat = copy(from, to, false);
    assert_int_equal(stat.versions_new, 1);
    assert_int_equal(stat.chunks_copied, 5);
    heads_equal(from, to, "disk");
    version_reads(to, "disk@3", 75);
    cr_store_close(from);
    cr_store_close(to);
}

static void every_pair_of_kinds(void **state)
{
    (void)state;
    for (int from = 0; from < KINDS; from++)
        for (int to = 0; to < KINDS; to++)
            if ((from != RADOS && to != RADOS) || rados_is_there())
                pair_works((enum kind)from, (enum kind)to);
}

static void version_remove(struct cr_store *store, const char *name, uint64_t number)
{
    struct cr_head head;
    struct cr_id hash;
    struct cr_store_lock *lock = NULL;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(store->ops->image_lock(store, name, &lock, NULL), 0);
    assert_int_equal(cr_store_head_read(store, name, &head, &hash, NULL), 0);
    assert_int_equal(cr_head_remove(&head, number), 0);
    assert_int_equal(cr_head_format(&head, &bytes), 0);
    assert_int_equal(store->ops->head_set(store, name, &hash, bytes.data, bytes.len, NULL), 0);
    store->ops->image_unlock(store, lock);
    cr_head_done(&head);
}

static void what_was_removed_stays_unless_mirrored(void **state)
{
    (void)state;
    struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
    source_make(from);
    copy(from, to, false);
    publish(to, "third", 1, 1);
    version_remove(from, "disk", 1);
    struct cr_copy_stat stat = copy(from, to, false);
    assert_int_equal(stat.versions_removed, 0);
    version_reads(to, "disk@1", 1);
    stat = copy(from, to, true);
    assert_int_equal(stat.versions_removed, 2);
    heads_equal(from, to, "disk");
    struct cr_head head;
    assert_int_equal(cr_store_head_read(to, "third", &head, NULL, NULL), 0);
    assert_int_equal(head.count, 0);
    cr_head_done(&head);
    cr_store_close(from);
    cr_store_close(to);
}

static void other_ways_are_refused_and_the_rest_is_copied(void **state)
{
    (void)state;
    struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
    struct cr_copy_options options = {.threads = 2};
    struct cr_copy_stat stat;
    struct cr_error err = {0};
    source_make(from);
    publish(to, "disk", 7777, 3);
    assert_int_equal(cr_store_copy(from, to, &options, &stat, &err), -EEXIST);
    assert_non_null(strstr(err.text, "image 'disk' has gone its own way"));
    version_reads(to, "disk@1", 7777);
    version_reads(to, "other@1", 1000);
    cr_store_close(from);
    cr_store_close(to);
}

static int stop_halfway(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    unsigned *calls = context;
    assert_true(done <= total);
    (*calls)++;
    return *calls == 2 ? cr_error_set(err, -ECANCELED, "stopped") : 0;
}

static void a_stopped_copy_goes_on(void **state)
{
    (void)state;
    struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
    unsigned calls = 0;
    struct cr_copy_options options = {.threads = 2, .progress = stop_halfway, .context = &calls};
    struct cr_copy_stat stat;
    struct cr_error err = {0};
    source_make(from);
    assert_int_equal(cr_store_copy(from, to, &options, &stat, &err), -ECANCELED);
    assert_string_equal(err.text, "stopped");
    copy(from, to, false);
    heads_equal(from, to, "disk");
    version_reads(to, "disk@2", 20);
    version_reads(to, "other@1", 1000);
    cr_store_close(from);
    cr_store_close(to);
}

static int folder_make(void **state)
{
    (void)state;
    cr_rados_register();
    snprintf(folder, sizeof(folder), "/tmp/carrel-copy-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int folder_remove(void **state)
{
    (void)state;
    return cr_dir_remove(AT_FDCWD, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_kinds),
        cmocka_unit_test(what_was_removed_stays_unless_mirrored),
        cmocka_unit_test(other_ways_are_refused_and_the_rest_is_copied),
        cmocka_unit_test(a_stopped_copy_goes_on),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
