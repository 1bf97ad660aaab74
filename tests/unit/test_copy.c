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
            if ((from != RADOS && to != RADOS) || rados_is_wanted())
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

/* --- records and signed metadata ------------------------------------------------------------ */

static void trust_put(struct cr_store *store, const char *name, const char *text)
{
    CLEANUP_BUF struct cr_buf old = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_id hash;
    int r = store->ops->side_get(store, CR_SPACE_TRUST, name, &old, NULL);
    cr_hash(old.data, old.len, &hash);
    assert_int_equal(store->ops->side_replace(store, CR_SPACE_TRUST, name, r == 0 ? &hash : NULL,
                                              text, strlen(text), NULL),
                     0);
}

static void trust_is(struct cr_store *store, const char *name, const char *text)
{
    CLEANUP_BUF struct cr_buf found = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = store->ops->side_get(store, CR_SPACE_TRUST, name, &found, NULL);
    if (text == NULL) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(found.len, strlen(text));
    assert_memory_equal(found.data, text, found.len);
}

#define TIMESTAMP(v, n)                                                                            \
    "{\"signed\":{\"meta\":{\"snapshot.json\":{\"version\":" n "}},\"version\":" v "}}"
#define SNAPSHOT(n)                                                                                \
    "{\"signed\":{\"meta\":{\"targets.json\":{\"version\":" n "}},\"version\":" n "}}"

/* One generation of what a signer leaves, as far as copying looks at it. */
static void trust_make(struct cr_store *store)
{
    trust_put(store, "1.root.json", "root 1");
    trust_put(store, "2.root.json", "root 2");
    trust_put(store, "3.targets.json", "targets 3");
    trust_put(store, "3.snapshot.json", SNAPSHOT("3"));
    trust_put(store, "draft.targets.json", "{\"signed\":{\"version\":4}}");
    trust_put(store, "timestamp.json", TIMESTAMP("5", "3"));
}

static void a_timestamp_never_goes_back(void **state)
{
    (void)state;
    struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
    trust_make(from);
    trust_make(to);
    trust_put(to, "timestamp.json", TIMESTAMP("9", "3"));
    trust_put(to, "draft.targets.json", "{\"signed\":{\"version\":6}}");
    assert_int_equal(copy(from, to, true).side_copied, 0);
    trust_is(to, "timestamp.json", TIMESTAMP("9", "3"));
    trust_is(to, "draft.targets.json", "{\"signed\":{\"version\":6}}");
    trust_put(from, "timestamp.json", TIMESTAMP("10", "3"));
    assert_int_equal(copy(from, to, true).side_copied, 1);
    trust_is(to, "timestamp.json", TIMESTAMP("10", "3"));
    /* A draft gets signatures while its version stays. */
    trust_put(from, "draft.targets.json", "{\"signatures\":[1],\"signed\":{\"version\":6}}");
    assert_int_equal(copy(from, to, false).side_copied, 1);
    cr_store_close(from);
    cr_store_close(to);
}

static void other_metadata_is_refused_and_nothing_of_it_changed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } own[] = {{"2.root.json", "another root 2"}, {"timestamp.json", TIMESTAMP("5", "1")}};
    for (size_t i = 0; i < CR_ARRAY_LEN(own); i++) {
        struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
        struct cr_copy_options options = {.threads = 2};
        struct cr_copy_stat stat;
        struct cr_error err = {0};
        publish(from, "disk", 1, 3);
        trust_make(from);
        trust_put(to, own[i].name, own[i].text);
        assert_int_equal(cr_store_copy(from, to, &options, &stat, &err), -EEXIST);
        assert_non_null(strstr(err.text, own[i].name));
        trust_is(to, own[i].name, own[i].text);
        if (i == 0) { /* found before anything is written */
            trust_is(to, "1.root.json", NULL);
            trust_is(to, "timestamp.json", NULL);
        }
        version_reads(to, "disk@1", 1);
        cr_store_close(from);
        cr_store_close(to);
    }
}

/* A source whose signer publishes the moment after the timestamp was read. */
static struct cr_store_ops signing_ops;
static const struct cr_store_ops *plain_ops;

static int signing_side_get(struct cr_store *store, enum cr_space space, const char *name,
                            struct cr_buf *out, struct cr_error *err)
{
    int r = plain_ops->side_get(store, space, name, out, err);
    if (space == CR_SPACE_TRUST && strcmp(name, "timestamp.json") == 0) {
        store->ops = plain_ops;
        trust_put(store, "4.targets.json", "targets 4");
        trust_put(store, "4.snapshot.json", SNAPSHOT("4"));
        trust_put(store, "timestamp.json", TIMESTAMP("6", "4"));
    }
    return r;
}

static void what_a_copied_timestamp_names_is_there(void **state)
{
    (void)state;
    for (int lists = 0; lists < 2; lists++) {
        struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
        trust_make(from);
        plain_ops = from->ops;
        signing_ops = *from->ops;
        signing_ops.side_get = signing_side_get;
        struct cr_store_ops blind = *from->ops; /* as a server, which lists nothing */
        blind.side_list = NULL;
        if (!lists) {
            plain_ops = &blind;
            signing_ops.side_list = NULL;
        }
        from->ops = &signing_ops;
        copy(from, to, false);
        trust_is(to, "timestamp.json", TIMESTAMP("5", "3"));
        trust_is(to, "3.snapshot.json", SNAPSHOT("3"));
        trust_is(to, "3.targets.json", "targets 3");
        trust_is(to, "2.root.json", "root 2");
        copy(from, to, false);
        trust_is(to, "timestamp.json", TIMESTAMP("6", "4"));
        trust_is(to, "4.snapshot.json", SNAPSHOT("4"));
        trust_is(to, "4.targets.json", "targets 4");
        cr_store_close(from);
        cr_store_close(to);
    }
}

static void record_of(const char *text, struct cr_id *ret_id, char hex[static CR_ID_HEX])
{
    cr_hash(text, strlen(text), ret_id);
    cr_id_format(ret_id, hex);
}

static void records_come_along_and_are_verified(void **state)
{
    (void)state;
    static const char text[] = "how it was built";
    struct cr_store *from = store_make(MEM, ""), *to = store_make(MEM, "");
    struct cr_copy_options options = {.threads = 2};
    struct cr_copy_stat stat;
    struct cr_error err = {0};
    struct cr_head head;
    struct cr_id record, hash;
    char hex[CR_ID_HEX];
    record_of(text, &record, hex);
    publish(from, "disk", 1, 3);
    publish(from, "other", 50, 3);
    struct cr_store_lock *lock = NULL;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    assert_int_equal(from->ops->side_put(from, CR_SPACE_RECORDS, hex, "a lie", 5, NULL), 0);
    assert_int_equal(from->ops->image_lock(from, "disk", &lock, NULL), 0);
    assert_int_equal(cr_store_head_read(from, "disk", &head, &hash, NULL), 0);
    head.versions[0].record = record;
    assert_int_equal(cr_head_format(&head, &bytes), 0);
    assert_int_equal(from->ops->head_set(from, "disk", &hash, bytes.data, bytes.len, NULL), 0);
    from->ops->image_unlock(from, lock);
    cr_head_done(&head);

    /* One that does not hash to its name spoils its version, and no other. */
    assert_int_equal(cr_store_copy(from, to, &options, &stat, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "record"));
    assert_int_equal(stat.versions_failed, 1);
    version_reads(to, "other@1", 50);
    assert_int_equal(from->ops->side_put(from, CR_SPACE_RECORDS, hex, text, strlen(text), NULL), 0);
    assert_int_equal(copy(from, to, false).side_copied, 1);
    CLEANUP_BUF struct cr_buf found = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    assert_int_equal(to->ops->side_get(to, CR_SPACE_RECORDS, hex, &found, NULL), 0);
    assert_int_equal(found.len, strlen(text));
    heads_equal(from, to, "disk");
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
        cmocka_unit_test(a_timestamp_never_goes_back),
        cmocka_unit_test(other_metadata_is_refused_and_nothing_of_it_changed),
        cmocka_unit_test(what_a_copied_timestamp_names_is_there),
        cmocka_unit_test(records_come_along_and_are_verified),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
