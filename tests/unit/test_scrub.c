/* SPDX-License-Identifier: MIT */
/* Scrub: what is damaged is found, what can be mended is, and one that was stopped goes on. */
#include "lib/store/gc.h"
#include "lib/store/scrub.h"
#include "tests/unit/known_store.h"

struct lines {
    unsigned count;
    char last[CR_ERROR_BYTES + 256];
    unsigned steps_left; /* 0 = no limit */
};

static int line_take(void *context, const char *line)
{
    struct lines *lines = context;
    lines->count++;
    snprintf(lines->last, sizeof(lines->last), "%s", line);
    return 0;
}

static int step(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    struct lines *lines = context;
    assert_true(done <= total);
    if (lines->steps_left == 0 || --lines->steps_left > 0)
        return 0;
    return cr_error_set(err, -ECANCELED, "stopped");
}

static struct cr_scrub_stat scrub(struct cr_store *store, struct cr_scrub_options o,
                                  struct lines *lines)
{
    struct cr_scrub_stat stat;
    struct cr_error err = {0};
    o.damaged = line_take;
    o.progress = step;
    o.context = lines;
    FAIL_ON(cr_scrub_run(store, &o, &stat, &err), err);
    return stat;
}

/* From the end of a pack of `count` chunks to the last byte of its last frame. */
static uint64_t last_frame(unsigned count)
{
    return CR_PACK_TRAILER_BYTES + (uint64_t)count * CR_PACK_ENTRY_BYTES + 1;
}

static void a_whole_store_is_whole(void **state)
{
    struct fixture *f = *state;
    struct lines lines = {0};
    publish(f->store, "a", 100, 3);
    publish(f->store, "b", 200, 2);
    struct cr_scrub_stat s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_int_equal(lines.count, 0);
    assert_int_equal(s.packs, 2);
    assert_int_equal(s.chunks, 5);
    assert_int_equal(s.objects, 4);
    assert_int_equal(s.heads, 2);
    assert_int_equal(s.damaged, 0);
    assert_false(s.resumed);
    assert_int_equal(blobs_in(f->b, CR_SPACE_STATE), 0); /* it came to its end */
}

static void each_kind_of_damage_is_found_and_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum cr_space space;
        uint64_t from_end;
        const char *named;
    } cases[] = {
        {CR_SPACE_PACKS, 3, "footer"},      {CR_SPACE_PACKS, 2 * 40 + 16 + 1, "chunk '"},
        {CR_SPACE_SEGMENTS, 3, "segment "}, {CR_SPACE_MANIFESTS, 3, "manifest "},
        {CR_SPACE_HEADS, 3, "head a"},
    };
    publish(f->store, "a", 100, 2);
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        char name[CR_BLOB_NAME_MAX + 1];
        struct lines lines = {0};
        some_blob(f->b, cases[i].space, name);
        damage(f->b, cases[i].space, name, cases[i].from_end);
        struct cr_scrub_stat s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
        assert_int_equal(s.damaged, 1);
        assert_int_equal(lines.count, 1);
        if (strstr(lines.last, cases[i].named) == NULL || strstr(lines.last, name) == NULL)
            fail_msg("'%s' does not name '%s' and '%s'", lines.last, cases[i].named, name);
        assert_int_equal(s.repaired, 0);
        damage(f->b, cases[i].space, name, cases[i].from_end);
    }
}

static void one_that_was_stopped_goes_on(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 20; i++)
        publish(f->store, "a", 100 * i + 100, 1);
    struct lines lines = {.steps_left = 12};
    struct cr_scrub_options o = {.damaged = line_take, .progress = step, .context = &lines};
    struct cr_scrub_stat s;
    assert_int_equal(cr_scrub_run(f->store, &o, &s, NULL), -ECANCELED);
    assert_false(s.resumed);
    assert_in_range(s.packs, 10, 12);
    uint64_t before = s.packs;
    lines.steps_left = 0;
    s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_true(s.resumed);
    assert_in_range(before + s.packs, 20, 21); /* one pack may be done twice */
    assert_int_equal(s.objects, 40);
    s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_false(s.resumed);
    assert_int_equal(s.packs, 20);
    lines.steps_left = 30;
    assert_int_equal(cr_scrub_run(f->store, &o, &s, NULL), -ECANCELED);
    lines.steps_left = 0;
    s = scrub(f->store, (struct cr_scrub_options){.restart = true}, &lines);
    assert_false(s.resumed);
    assert_int_equal(s.packs, 20);
}

static void a_state_of_rubbish_begins_anew(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"", "carrel-scrub 1\n", "carrel-scrub 1\nheads",
                                        "carrel-scrub 1\nnowhere x\n", "carrel-scrub 2\npacks x\n"};
    publish(f->store, "a", 100, 1);
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        struct lines lines = {0};
        assert_int_equal(
            f->b->ops->put(f->b, CR_SPACE_STATE, "scrub", texts[i], strlen(texts[i]), NULL), 0);
        struct cr_scrub_stat s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
        assert_false(s.resumed);
        assert_int_equal(s.packs, 1);
    }
}

static void a_lost_chunk_is_brought_back_by_importing_again(void **state)
{
    struct fixture *f = *state;
    char name[CR_BLOB_NAME_MAX + 1];
    struct lines lines = {0};
    uint8_t plain[CR_CHUNK_BYTES];
    struct cr_id id;
    publish(f->store, "a", 100, 4);
    some_blob(f->b, CR_SPACE_PACKS, name);
    damage(f->b, CR_SPACE_PACKS, name, last_frame(4));
    struct cr_scrub_stat s = scrub(f->store, (struct cr_scrub_options){.repair = true}, &lines);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.repaired, 0);
    assert_int_equal(s.lost, 1);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
    expect(f->store, "a", 0, 100, 3);
    fill(plain, 103);
    cr_hash(plain, sizeof(plain), &id);
    assert_int_equal(cr_store_chunk_read(f->store, &id, plain, sizeof(plain), NULL), -ENOENT);
    publish(f->store, "b", 100, 4);
    expect(f->store, "a", 0, 100, 4);
    lines.count = 0;
    s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_int_equal(s.damaged, 0);
}

static void another_pack_or_another_store_mends_a_chunk(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *source = NULL;
    char name[CR_BLOB_NAME_MAX + 1];
    struct lines lines = {0};
    assert_int_equal(cr_store_open("mem:", &source, NULL), 0);
    publish(source, "x", 102, 2);
    publish(f->store, "a", 100, 4);
    some_blob(f->b, CR_SPACE_PACKS, name);
    damage(f->b, CR_SPACE_PACKS, name, last_frame(4));
    struct cr_scrub_stat s =
        scrub(f->store, (struct cr_scrub_options){.repair = true, .source = source}, &lines);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.repaired, 1);
    assert_int_equal(s.lost, 0);
    expect(f->store, "a", 0, 100, 4);
    /* Another pack of the same store: condemn the first, so that the chunk is stored twice. */
    struct cr_mark mark = {.space = CR_SPACE_PACKS, .generation = 1};
    some_blob(f->b, CR_SPACE_PACKS, name);
    mark.name = name;
    assert_int_equal(f->b->ops->mark(f->b, &mark, NULL), 0);
    publish(f->store, "b", 103, 1);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 2);
    damage(f->b, CR_SPACE_PACKS, name, last_frame(4));
    s = scrub(f->store, (struct cr_scrub_options){.repair = true}, &lines);
    assert_int_equal(s.repaired, 1);
    assert_int_equal(s.lost, 0);
    expect(f->store, "a", 0, 100, 4);
}

static void frames_are_found_without_their_footer(void **state)
{
    struct fixture *f = *state;
    char name[CR_BLOB_NAME_MAX + 1];
    struct lines lines = {0};
    publish(f->store, "a", 100, 4);
    some_blob(f->b, CR_SPACE_PACKS, name);
    damage(f->b, CR_SPACE_PACKS, name, 20);
    struct cr_scrub_stat s = scrub(f->store, (struct cr_scrub_options){.repair = true}, &lines);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.repaired, 1);
    assert_int_equal(s.lost, 0);
    expect(f->store, "a", 0, 100, 4);
    /* Footer and a frame: what is left is kept, and the pack gets another name. */
    damage(f->b, CR_SPACE_PACKS, name, 20);
    damage(f->b, CR_SPACE_PACKS, name, last_frame(4) + 1000);
    s = scrub(f->store, (struct cr_scrub_options){.repair = true}, &lines);
    expect(f->store, "a", 0, 100, 3);
    assert_int_equal(blobs_in(f->b, CR_SPACE_PACKS), 1);
    lines.count = 0;
    s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_int_equal(s.damaged, 0);
}

static void segments_and_manifests_come_from_another_store(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *source = NULL;
    char name[CR_BLOB_NAME_MAX + 1];
    struct lines lines = {0};
    struct cr_scrub_options o = {.repair = true};
    assert_int_equal(cr_store_open("mem:", &source, NULL), 0);
    publish(source, "x", 100, 4);
    publish(f->store, "a", 100, 4);
    some_blob(f->b, CR_SPACE_SEGMENTS, name);
    damage(f->b, CR_SPACE_SEGMENTS, name, 3);
    some_blob(f->b, CR_SPACE_MANIFESTS, name);
    damage(f->b, CR_SPACE_MANIFESTS, name, 3);
    struct cr_scrub_stat s = scrub(f->store, o, &lines);
    assert_int_equal(s.damaged, 2);
    assert_int_equal(s.repaired, 0);
    o.source = source;
    s = scrub(f->store, o, &lines);
    assert_int_equal(s.damaged, 2);
    assert_int_equal(s.repaired, 2);
    expect(f->store, "a", 0, 100, 4);
}

static void records_of_builds_are_verified_and_come_from_another_store(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *source = NULL;
    static const char recipe[] = "FROM base; and what its steps said";
    char name[CR_ID_HEX];
    struct cr_id id;
    struct lines lines = {0};
    struct cr_scrub_options o = {.repair = true};
    cr_hash(recipe, sizeof(recipe), &id);
    cr_id_format(&id, name);
    assert_int_equal(cr_store_open("mem:", &source, NULL), 0);
    struct cr_store *stores[] = {f->store, source};
    for (size_t i = 0; i < CR_ARRAY_LEN(stores); i++)
        assert_int_equal(stores[i]->ops->side_put(stores[i], CR_SPACE_RECORDS, name, recipe,
                                                  sizeof(recipe), NULL),
                         0);
    publish(f->store, "a", 100, 4);
    struct cr_scrub_stat s = scrub(f->store, o, &lines);
    assert_int_equal(s.records, 1);
    assert_int_equal(s.damaged, 0);
    damage(f->b, CR_SPACE_RECORDS, name, 3);
    s = scrub(f->store, o, &lines);
    assert_int_equal(s.records, 0);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.repaired, 0);
    assert_true(strncmp(lines.last, "record ", 7) == 0);
    assert_non_null(strstr(lines.last, "it does not hash to its name"));
    o.source = source;
    s = scrub(f->store, o, &lines);
    assert_int_equal(s.repaired, 1);
    s = scrub(f->store, (struct cr_scrub_options){0}, &lines);
    assert_int_equal(s.records, 1);
    assert_int_equal(s.damaged, 0);
}

/* The publisher writes the same pack at the moment when the scrub is about to remove it. */
struct rescue {
    struct cr_blobs *b;
    char name[CR_BLOB_NAME_MAX + 1];
    uint8_t *bytes;
    size_t len;
    bool done;
};

static int rescue(void *context, const char *line)
{
    struct rescue *r = context;
    (void)line;
    if (!r->done)
        assert_int_equal(r->b->ops->put(r->b, CR_SPACE_PACKS, r->name, r->bytes, r->len, NULL), 0);
    r->done = true;
    return 0;
}

static void a_pack_that_is_written_again_meanwhile_stays(void **state)
{
    struct fixture *f = *state;
    struct rescue r = {.b = f->b};
    struct cr_scrub_stat stat;
    struct cr_scrub_options o = {.repair = true, .damaged = rescue, .context = &r};
    uint64_t size = 0;
    publish(f->store, "a", 100, 4);
    some_blob(f->b, CR_SPACE_PACKS, r.name);
    assert_int_equal(f->b->ops->size(f->b, CR_SPACE_PACKS, r.name, &size, NULL), 0);
    CLEANUP_FREE uint8_t *bytes = malloc(size);
    assert_int_equal(f->b->ops->read(f->b, CR_SPACE_PACKS, r.name, bytes, size, 0, NULL), 0);
    r.bytes = bytes;
    r.len = size;
    damage(f->b, CR_SPACE_PACKS, r.name, last_frame(4));
    assert_int_equal(cr_scrub_run(f->store, &o, &stat, NULL), 0);
    assert_true(r.done);
    expect(f->store, "a", 0, 100, 4);
    /* and it is not condemned */
    struct cr_gc_options gc = {.now_s = INT64_MAX / 2, .live_percent_min = 40};
    struct cr_gc_stat gone;
    assert_int_equal(cr_gc_run(f->store, &gc, &gone, NULL), 0);
    expect(f->store, "a", 0, 100, 4);
}

static void the_rate_is_kept(void **state)
{
    struct fixture *f = *state;
    struct lines lines = {0};
    publish(f->store, "a", 100, 4);
    int64_t begin_ms = packstore_clock_ms();
    struct cr_scrub_stat s =
        scrub(f->store, (struct cr_scrub_options){.bytes_per_s = 1024 * 1024}, &lines);
    int64_t took = packstore_clock_ms() - begin_ms;
    assert_true((took + 5) * 1024 * 1024 / 1000 >= (int64_t)s.bytes);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        FOR_EACH_BACKEND(a_whole_store_is_whole),
        FOR_EACH_BACKEND(each_kind_of_damage_is_found_and_named),
        FOR_EACH_BACKEND(one_that_was_stopped_goes_on),
        FOR_EACH_BACKEND(a_state_of_rubbish_begins_anew),
        FOR_EACH_BACKEND(a_lost_chunk_is_brought_back_by_importing_again),
        FOR_EACH_BACKEND(another_pack_or_another_store_mends_a_chunk),
        FOR_EACH_BACKEND(frames_are_found_without_their_footer),
        FOR_EACH_BACKEND(segments_and_manifests_come_from_another_store),
        FOR_EACH_BACKEND(records_of_builds_are_verified_and_come_from_another_store),
        FOR_EACH_BACKEND(a_pack_that_is_written_again_meanwhile_stays),
        FOR_EACH_BACKEND(the_rate_is_kept),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
