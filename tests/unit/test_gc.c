/* SPDX-License-Identifier: MIT */
/* The collector: what is live stays, what is dead goes, whoever does what at the same time. Each of
 * the races of the proof in gc.h has its test. */
#include "lib/base/pool.h"
#include "lib/store/gc.h"
#include "tests/unit/known_store.h"

#include <pthread.h>
#include <stdatomic.h>

#define HOUR 3600

/* A pass at the time `now_s`, with a grace of one hour. */
static struct cr_gc_stat gc_at(struct cr_store *store, int64_t now_s)
{
    struct cr_gc_options o = {.now_s = now_s, .grace_s = HOUR, .live_percent_min = 40};
    struct cr_gc_stat stat;
    struct cr_error err = {0};
    FAIL_ON(cr_gc_run(store, &o, &stat, &err), err);
    return stat;
}

static void what_is_dead_goes_after_the_grace_and_what_is_live_stays(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 3);
    publish(f->store, "img", 200, 3);
    assert_int_equal(gc_at(f->store, 1000).condemned, 0);
    version_remove(f->store, "img@1");
    struct cr_gc_stat s = gc_at(f->store, 2000);
    assert_int_equal(s.condemned, 3); /* pack, segment, manifest */
    assert_int_equal(s.removed, 0);
    s = gc_at(f->store, 2000 + HOUR - 1);
    assert_int_equal(s.waiting, 3);
    assert_int_equal(s.removed, 0);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 2);
    s = gc_at(f->store, 2000 + HOUR);
    assert_int_equal(s.removed, 3);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
    assert_int_equal(blobs_in(f->b, CR_SPACE_SEGMENTS), 1);
    assert_int_equal(blobs_in(f->b, CR_SPACE_MANIFESTS), 1);
    expect(f->store, "img@2", 0, 200, 3);
    s = gc_at(f->store, 2001 + HOUR);
    assert_int_equal(s.live_chunks, 3);
    assert_int_equal(s.removed + s.condemned + s.waiting, 0);
}

static void removing_the_middle_breaks_no_child(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 8);
    for (uint32_t i = 2; i <= 4; i++) {
        CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
        struct cr_ref ref = ref_of("img");
        assert_int_equal(cr_version_open(f->store, &ref, &base, NULL), 0);
        struct cr_publish *p = begin(f->store, "img", 8, base);
        chunks(p, i, 100 * i, 1);
        commit(p);
    }
    version_remove(f->store, "img@2");
    version_remove(f->store, "img@1");
    for (int pass = 0; pass < 4; pass++)
        gc_at(f->store, 1000 + pass * (HOUR + 1));
    expect(f->store, "img@3", 0, 100, 2);
    expect(f->store, "img@3", 2, 200, 1);
    expect(f->store, "img@4", 3, 300, 1);
    expect(f->store, "img@4", 4, 400, 1);
    expect(f->store, "img@4", 5, 105, 3);
}

/* It found the chunks before they were condemned, and refers to them without writing. */
static void a_publisher_that_began_before_the_mark_keeps_what_it_found(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    version_remove(f->store, "img@1");
    struct cr_publish *p = begin(f->store, "img", 4, NULL);
    chunks(p, 0, 100, 2);
    assert_int_equal(gc_at(f->store, 1000).condemned, 3);
    chunks(p, 2, 102, 2);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.leases, 1);
    assert_int_equal(s.removed, 0);
    assert_int_equal(s.waiting, 3);
    commit(p);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1); /* it wrote nothing */
    s = gc_at(f->store, 1000 + 3 * HOUR);
    assert_int_equal(s.revived, 3);
    assert_int_equal(s.removed, 0);
    expect(f->store, "img@2", 0, 100, 4);
}

/* It sees the marks, takes what is condemned for absent, and so writes the very same blobs again.
 */
static void what_is_put_over_a_mark_stays(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    version_remove(f->store, "img@1");
    gc_at(f->store, 1000);
    gc_at(f->store, 1001);
    struct cr_publish *p = begin(f->store, "img", 4, NULL);
    chunks(p, 0, 100, 4);
    commit(p);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.removed + s.condemned + s.waiting, 0);
    assert_int_equal(s.revived, 0);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
    expect(f->store, "img@2", 0, 100, 4);
}

static void what_is_condemned_is_not_referred_to(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    version_remove(f->store, "img@1");
    gc_at(f->store, 1000);
    gc_at(f->store, 1001);
    struct cr_publish *p = begin(f->store, "img", 2, NULL);
    chunks(p, 0, 102, 1);
    chunks(p, 1, 500, 1);
    /* Its lease has seen the mark, so what it condemns goes while it publishes. */
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.leases, 1);
    assert_int_equal(s.removed, 3);
    commit(p);
    expect(f->store, "img@2", 0, 102, 1);
    expect(f->store, "img@2", 1, 500, 1);
}

static void a_base_that_was_removed_is_refused(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_ref ref = ref_of("img@1");
    struct cr_publish *p = NULL;
    struct cr_error err = {0};
    publish(f->store, "img", 100, 2);
    publish(f->store, "img", 200, 2);
    assert_int_equal(cr_version_open(f->store, &ref, &base, NULL), 0);
    version_remove(f->store, "img@1");
    assert_int_equal(cr_publish_begin(f->store, "img", 2 * CR_CHUNK_BYTES, base, &p, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, "its base 'img@1' was removed meanwhile"));
    assert_int_equal(cr_publish_begin(f->store, "new", 2 * CR_CHUNK_BYTES, base, &p, &err),
                     -ENOENT);
}

struct mark_all {
    struct cr_blobs *b;
    struct cr_mark mark;
};

static int mark_one(void *context, const char *name)
{
    struct mark_all *all = context;
    all->mark.name = name;
    return all->b->ops->mark(all->b, &all->mark, NULL);
}

static void mark_everything(struct cr_blobs *b, uint64_t generation, int64_t marked_s)
{
    for (int i = CR_SPACE_PACKS; i <= CR_SPACE_MANIFESTS; i++) {
        struct mark_all all = {
            .b = b,
            .mark = {.space = (enum cr_space)i, .generation = generation, .marked_s = marked_s}};
        assert_int_equal(b->ops->list(b, (enum cr_space)i, mark_one, &all, NULL), 0);
    }
}

/*
 * What is live can be condemned: its publisher held a lease while the collector went by, and set
 * its head after. Who takes it for a base revives it, for it may be removed before the next look.
 */
static void a_base_of_another_image_outlives_its_removal(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_ref ref = ref_of("img@1");
    publish(f->store, "img", 100, 4);
    gc_at(f->store, 1000);
    gc_at(f->store, 1001);
    mark_everything(f->b, 1, 1000);
    assert_int_equal(cr_version_open(f->store, &ref, &base, NULL), 0);
    struct cr_publish *p = begin(f->store, "child", 5, base);
    chunks(p, 4, 104, 1);
    version_remove(f->store, "img@1");
    gc_at(f->store, 1000 + 2 * HOUR);
    gc_at(f->store, 1000 + 4 * HOUR);
    commit(p);
    gc_at(f->store, 1000 + 6 * HOUR);
    gc_at(f->store, 1000 + 8 * HOUR);
    expect(f->store, "child@1", 0, 100, 5);
}

static void what_lives_loses_its_mark(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 2);
    gc_at(f->store, 1000);
    gc_at(f->store, 1001);
    mark_everything(f->b, 1, 1000);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.revived, 3);
    assert_int_equal(s.removed, 0);
    expect(f->store, "img", 0, 100, 2);
}

/* 64 chunks a version, of which the next one keeps a few: the packs are mostly dead. */
static void sparse_store(struct fixture *f)
{
    publish(f->store, "img", 1000, 64);
    publish(f->store, "img", 2000, 64);
    struct cr_publish *p = begin(f->store, "img", 20, NULL);
    chunks(p, 0, 1010, 10);
    chunks(p, 10, 2010, 10);
    commit(p);
    version_remove(f->store, "img@1");
    version_remove(f->store, "img@2");
}

static void sparse_packs_are_written_again_under_a_reader(void **state)
{
    struct fixture *f = *state;
    sparse_store(f);
    expect(f->store, "img@3", 0, 1010, 1); /* the reader knows the old places */
    CLEANUP(cr_store_cleanup) struct cr_store *reader = NULL;
    struct cr_store *r = f->store;
    if (f->folder[0] != '\0') {
        assert_int_equal(cr_store_open(f->folder, &reader, NULL), 0);
        r = reader;
        expect(r, "img@3", 0, 1010, 1);
    }
    struct cr_gc_stat s = gc_at(f->store, 1000);
    assert_int_equal(s.repacked, 2);
    assert_int_equal(s.live_chunks, 20);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 3); /* two old ones, and one of both */
    s = gc_at(f->store, 1000 + HOUR);
    assert_int_equal(s.repacked, 0);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
    expect(r, "img@3", 0, 1010, 10);
    expect(r, "img@3", 10, 2010, 10);
    s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.dead_bytes, 0);
    assert_int_equal(s.condemned + s.waiting + s.removed + s.repacked, 0);
}

static void packs_that_are_live_enough_are_left_alone(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 1000, 10);
    struct cr_publish *p = begin(f->store, "img", 4, NULL);
    chunks(p, 0, 1000, 4);
    commit(p);
    version_remove(f->store, "img@1");
    struct cr_gc_stat s = gc_at(f->store, 1000);
    assert_int_equal(s.repacked, 0);
    assert_true(s.dead_bytes > 0);
}

static void a_damaged_frame_keeps_its_pack(void **state)
{
    struct fixture *f = *state;
    char name[CR_BLOB_NAME_MAX + 1];
    publish(f->store, "img", 1000, 8);
    struct cr_publish *p = begin(f->store, "img", 1, NULL);
    chunks(p, 0, 1007, 1);
    commit(p);
    version_remove(f->store, "img@1");
    some_blob(f->b, CR_SPACE_PACKS, name);
    damage(f->b, CR_SPACE_PACKS, name, 8 * CR_PACK_ENTRY_BYTES + CR_PACK_TRAILER_BYTES + 9);
    struct cr_gc_stat s = gc_at(f->store, 1000);
    assert_int_equal(s.repacked, 0);
    s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
}

static void what_cannot_be_read_stops_all_removal(void **state)
{
    struct fixture *f = *state;
    static const enum cr_space spaces[] = {CR_SPACE_HEADS, CR_SPACE_MANIFESTS, CR_SPACE_SEGMENTS};
    struct cr_gc_options o = {.now_s = 1000 + 2 * HOUR, .live_percent_min = 40};
    struct cr_gc_stat stat;
    publish(f->store, "img", 100, 2);
    version_remove(f->store, "img@1");
    gc_at(f->store, 1000);
    publish(f->store, "img", 200, 2);
    for (size_t i = 0; i < CR_ARRAY_LEN(spaces); i++) {
        char name[CR_BLOB_NAME_MAX + 1], hex[CR_ID_HEX];
        struct cr_error err = {0};
        struct cr_head head;
        assert_int_equal(cr_store_head_read(f->store, "img", &head, NULL, NULL), 0);
        snprintf(name, sizeof(name), "img");
        if (spaces[i] == CR_SPACE_MANIFESTS)
            snprintf(name, sizeof(name), "%s", cr_id_format(&head.versions[0].root, hex));
        if (spaces[i] == CR_SPACE_SEGMENTS) {
            CLEANUP(cr_version_cleanup) struct cr_version *v = NULL;
            struct cr_ref ref = ref_of("img");
            assert_int_equal(cr_version_open(f->store, &ref, &v, NULL), 0);
            cr_id_format(&cr_version_manifest(v)->segments[0], name);
        }
        cr_head_done(&head);
        damage(f->b, spaces[i], name, 3);
        assert_int_equal(cr_gc_run(f->store, &o, &stat, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "nothing was removed"));
        assert_non_null(strstr(err.text, name));
        assert_int_equal(stat.removed + stat.condemned, 0);
        assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 2);
        damage(f->b, spaces[i], name, 3); /* and back */
    }
    assert_int_equal(cr_gc_run(f->store, &o, &stat, NULL), 0);
    assert_int_equal(stat.removed, 3);
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct cr_gc_options o = {.now_s = 1000, .live_percent_min = 40, .dry_run = true};
    struct cr_gc_stat stat;
    sparse_store(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cr_gc_run(f->store, &o, &stat, NULL), 0);
        assert_int_equal(stat.repacked, 2);
        assert_int_equal(stat.condemned, 6); /* two packs, segments, manifests */
        assert_int_equal(stat.removed, 0);
        assert_int_equal(stat.generation, 1);
        assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 2);
        assert_int_equal(blobs_in(f->b, CR_SPACE_STATE), 0);
    }
}

/* It may have been set by a collector that lost its lock, after a publisher looked. */
static void a_mark_of_an_unfinished_collection_is_not_believed(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    gc_at(f->store, 1000);
    version_remove(f->store, "img@1");
    mark_everything(f->b, 2, 1000);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.generation, 3);
    assert_int_equal(s.removed, 0);
    assert_int_equal(s.condemned, 3);
    s = gc_at(f->store, 1000 + 4 * HOUR);
    assert_int_equal(s.removed, 3);
}

static void a_lost_generation_does_no_harm(void **state)
{
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    gc_at(f->store, 1000);
    gc_at(f->store, 1001);
    version_remove(f->store, "img@1");
    struct cr_publish *p = begin(f->store, "img", 4, NULL); /* has seen 1 */
    gc_at(f->store, 1002);                                  /* marks with 3 */
    assert_int_equal(f->b->ops->put(f->b, CR_SPACE_STATE, PACKSTORE_GENERATION, "rubbish", 7, NULL),
                     0);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.generation, 4);
    assert_int_equal(s.condemned, 3); /* nobody knows that 3 came to its end */
    chunks(p, 0, 100, 4);
    commit(p);
    gc_at(f->store, 1000 + 4 * HOUR);
    expect(f->store, "img@2", 0, 100, 4);
}

/* Generations only rise, whatever stands where they are noted. */
static void a_damaged_generation_never_wraps(void **state)
{
    static const char *const texts[] = {"18446744073709551615\n",
                                        "18446744073709551614\ndone 3\n",
                                        "-5\n",
                                        "99999999999999999999999\n",
                                        "\n",
                                        "1000000000001\n",
                                        "2\ndone 18446744073709551615\n"};
    struct fixture *f = *state;
    publish(f->store, "img", 100, 4);
    gc_at(f->store, 1000);
    version_remove(f->store, "img@1");
    uint64_t before = gc_at(f->store, 1001).generation;
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        assert_int_equal(f->b->ops->put(f->b, CR_SPACE_STATE, PACKSTORE_GENERATION, texts[i],
                                        strlen(texts[i]), NULL),
                         0);
        struct cr_gc_stat s = gc_at(f->store, 1002 + (int64_t)i);
        assert_int_equal(s.generation, before + 1);
        before = s.generation;
    }
    /* A mark whose number no store reaches is set anew. */
    mark_everything(f->b, UINT64_MAX - 1, 1000);
    struct cr_gc_stat s = gc_at(f->store, 1000 + 2 * HOUR);
    assert_int_equal(s.generation, before + 1);
    assert_int_equal(s.condemned, 3);
    assert_int_equal(s.removed, 0);
    assert_int_equal(gc_at(f->store, 1000 + 4 * HOUR).removed, 3);
}

static void there_is_one_collector(void **state)
{
    struct fixture *f = *state;
    struct cr_gc_options o = {.now_s = 1000};
    struct cr_gc_stat stat;
    struct cr_store_lock *lock = NULL;
    struct cr_error err = {0};
    assert_int_equal(f->b->ops->lock(f->b, CR_LOCK_COLLECTOR, &lock, NULL), 0);
    assert_int_equal(cr_gc_run(f->store, &o, &stat, &err), -EBUSY);
    assert_non_null(strstr(err.text, "being collected"));
    f->b->ops->unlock(f->b, lock);
    assert_int_equal(cr_gc_run(f->store, &o, &stat, &err), 0);
}

static void deltas_and_records_go_with_their_versions(void **state)
{
    struct fixture *f = *state;
    const struct cr_store_ops *ops = f->store->ops;
    char a[CR_ID_HEX], b[CR_ID_HEX], record[CR_ID_HEX], delta[2 * CR_ID_HEX + 8];
    struct cr_id old_record, kept_record;
    struct cr_error err = {0};
    cr_hash("old", 3, &old_record);
    cr_hash("kept", 4, &kept_record);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_RECORDS, cr_id_format(&old_record, record),
                                   "old", 3, NULL),
                     0);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_RECORDS, cr_id_format(&kept_record, record),
                                   "kept", 4, NULL),
                     0);
    struct cr_version_info info = publish(f->store, "img", 100, 2);
    cr_id_format(&info.root, a);
    struct cr_publish *p = begin(f->store, "img", 2, NULL);
    chunks(p, 0, 200, 2);
    struct cr_publish_note note = {.record = &kept_record};
    FAIL_ON(cr_publish_commit(p, &note, &info, NULL, &err), err);
    cr_id_format(&info.root, b);
    snprintf(delta, sizeof(delta), "%s-%s", a, b);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_DELTAS, delta, "d", 1, NULL), 0);
    snprintf(delta, sizeof(delta), "%s-%s.0001", a, b);
    assert_int_equal(ops->side_put(f->store, CR_SPACE_DELTAS, delta, "d", 1, NULL), 0);
    struct cr_gc_stat s = gc_at(f->store, 1000);
    assert_int_equal(s.side_removed, 0);
    assert_int_equal(s.condemned, 1); /* the record, which may belong to a build under way */
    version_remove(f->store, "img@1");
    s = gc_at(f->store, 1000 + HOUR);
    assert_int_equal(s.side_removed, 3);
    assert_int_equal(blobs_in(f->b, CR_SPACE_DELTAS), 0);
    assert_int_equal(blobs_in(f->b, CR_SPACE_RECORDS), 1);
}

static int stop_soon(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    unsigned *left = context;
    (void)total;
    (void)done;
    return (*left)-- > 0 ? 0 : cr_error_set(err, -ECANCELED, "stopped");
}

static void a_pass_may_be_stopped_anywhere(void **state)
{
    struct fixture *f = *state;
    sparse_store(f);
    for (unsigned steps = 0; steps < 40; steps++) {
        unsigned left = steps;
        struct cr_gc_options o = {
            .now_s = 1000, .live_percent_min = 40, .progress = stop_soon, .context = &left};
        struct cr_gc_stat stat;
        int r = cr_gc_run(f->store, &o, &stat, NULL);
        assert_true(r == 0 || r == -ECANCELED);
        expect(f->store, "img@3", 0, 1010, 10);
        expect(f->store, "img@3", 10, 2010, 10);
    }
    /*
     * The marks of a pass that was stopped are not believed: two whole ones finish it, and a third
     * finds nothing to do. How many packs are left depends on the order in which they were listed:
     * a half of one that a stopped pass wrote may be live, and that is enough for it to stay.
     */
    struct cr_gc_stat stat = {0};
    for (unsigned pass = 0; pass < 3; pass++) {
        struct cr_gc_options o = {.now_s = 1000, .live_percent_min = 40};
        assert_int_equal(cr_gc_run(f->store, &o, &stat, NULL), 0);
    }
    assert_int_equal(stat.condemned + stat.waiting + stat.removed + stat.repacked, 0);
    assert_in_range(blobs_in(f->b, CR_SPACE_PACKS), 1, 2);
    expect(f->store, "img@3", 10, 2010, 10);
}

/* --- all at once ----------------------------------------------------------------------------- */

struct crowd {
    struct cr_store *store;
    atomic_int next, left;
};

static void publish_and_remove(void *context)
{
    struct crowd *crowd = context;
    int me = atomic_fetch_add(&crowd->next, 1);
    char name[16], ref[24];
    snprintf(name, sizeof(name), "img%d", me);
    for (uint64_t i = 1; i <= 8; i++) {
        publish(crowd->store, name, 100 + (uint32_t)((i + (uint64_t)me) % 3) * 4, 6);
        snprintf(ref, sizeof(ref), "%s@%llu", name, (unsigned long long)i);
        expect(crowd->store, ref, 0, 100 + (uint32_t)((i + (uint64_t)me) % 3) * 4, 6);
        if (i < 8)
            version_remove(crowd->store, ref);
    }
    atomic_fetch_sub(&crowd->left, 1);
}

static void *collect(void *context)
{
    struct crowd *crowd = context;
    struct cr_gc_options o = {.now_s = 1000, .live_percent_min = 60};
    while (atomic_load(&crowd->left) > 0) {
        struct cr_gc_stat stat;
        struct cr_error err = {0};
        if (cr_gc_run(crowd->store, &o, &stat, &err) < 0)
            return strdup(err.text);
    }
    return NULL;
}

static void publishers_and_collector_at_once_lose_nothing(void **state)
{
    struct fixture *f = *state;
    struct crowd crowd = {.store = f->store};
    struct cr_pool *pool = NULL;
    pthread_t collector;
    void *failed = NULL;
    atomic_store(&crowd.left, 3);
    assert_int_equal(cr_pool_new(3, 3, &pool), 0);
    assert_int_equal(pthread_create(&collector, NULL, collect, &crowd), 0);
    for (int i = 0; i < 3; i++)
        cr_pool_submit(pool, publish_and_remove, &crowd);
    cr_pool_wait(pool);
    cr_pool_free(pool);
    pthread_join(collector, &failed);
    if (failed != NULL)
        fail_msg("%s", (char *)failed);
    for (int i = 0; i < 3; i++)
        gc_at(f->store, 1000 + i * 2 * HOUR);
    for (int me = 0; me < 3; me++) {
        char ref[24];
        snprintf(ref, sizeof(ref), "img%d@8", me);
        expect(f->store, ref, 0, 100 + (uint32_t)((8 + me) % 3) * 4, 6);
    }
}

int main(void)
{
    struct CMUnitTest tests[] = {
        FOR_EACH_BACKEND(what_is_dead_goes_after_the_grace_and_what_is_live_stays),
        FOR_EACH_BACKEND(removing_the_middle_breaks_no_child),
        FOR_EACH_BACKEND(a_publisher_that_began_before_the_mark_keeps_what_it_found),
        FOR_EACH_BACKEND(what_is_put_over_a_mark_stays),
        FOR_EACH_BACKEND(what_is_condemned_is_not_referred_to),
        FOR_EACH_BACKEND(a_base_that_was_removed_is_refused),
        FOR_EACH_BACKEND(a_base_of_another_image_outlives_its_removal),
        FOR_EACH_BACKEND(what_lives_loses_its_mark),
        FOR_EACH_BACKEND(sparse_packs_are_written_again_under_a_reader),
        FOR_EACH_BACKEND(packs_that_are_live_enough_are_left_alone),
        FOR_EACH_BACKEND(a_damaged_frame_keeps_its_pack),
        FOR_EACH_BACKEND(what_cannot_be_read_stops_all_removal),
        FOR_EACH_BACKEND(a_dry_run_changes_nothing),
        FOR_EACH_BACKEND(a_mark_of_an_unfinished_collection_is_not_believed),
        FOR_EACH_BACKEND(a_lost_generation_does_no_harm),
        FOR_EACH_BACKEND(a_damaged_generation_never_wraps),
        FOR_EACH_BACKEND(there_is_one_collector),
        FOR_EACH_BACKEND(deltas_and_records_go_with_their_versions),
        FOR_EACH_BACKEND(a_pass_may_be_stopped_anywhere),
        FOR_EACH_BACKEND(publishers_and_collector_at_once_lose_nothing),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
