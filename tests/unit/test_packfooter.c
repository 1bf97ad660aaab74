/* SPDX-License-Identifier: MIT */
/* A store reads the footers of new packs many at once, and each has its own fate. */
#include "tests/unit/pack_site.h"

#include "lib/base/limits.h"
#include "lib/store/packstore.h"

#define PACKS       (2 * PACKSTORE_FOOTERS_MAX + 50)
#define LONG_FRAMES 2000U /* whose footer is longer than the first read */

/* A place that can be asked many things at once, and counts how often it is. */
struct counted {
    struct place place;
    unsigned sizes, size_calls, read_calls, singles;
    const char *gone; /* listed, and then not there any more */
    int broken;       /* the code that reads of the second pack end with */
};

static struct counted *counted_of(struct cr_blobs *blobs)
{
    return (struct counted *)blobs;
}

static int size_one(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    uint64_t *ret_bytes, struct cr_error *err)
{
    struct counted *counted = counted_of(blobs);
    if (counted->gone != NULL && strcmp(name, counted->gone) == 0)
        return cr_error_set(err, -ENOENT, "it is gone");
    return place_size(blobs, space, name, ret_bytes, err);
}

static int size_single(struct cr_blobs *blobs, enum cr_space space, const char *name,
                       uint64_t *ret_bytes, struct cr_error *err)
{
    counted_of(blobs)->singles++;
    return size_one(blobs, space, name, ret_bytes, err);
}

static int read_single(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                       size_t len, uint64_t offset, struct cr_error *err)
{
    counted_of(blobs)->singles++;
    return place_read(blobs, space, name, data, len, offset, err);
}

static void size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                      size_t count)
{
    struct counted *counted = counted_of(blobs);
    counted->size_calls++;
    counted->sizes += (unsigned)count;
    for (size_t i = 0; i < count; i++)
        sizes[i].result = size_one(blobs, space, sizes[i].name, &sizes[i].bytes, &sizes[i].err);
}

static void read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                      size_t count)
{
    struct counted *counted = counted_of(blobs);
    counted->read_calls++;
    for (size_t i = 0; i < count; i++) {
        struct cr_blob_read *read = &reads[i];
        read->result =
            place_read(blobs, space, read->name, read->data, read->len, read->offset, &read->err);
        if (counted->broken < 0 && strcmp(read->name, counted->place.packs[1].name) == 0)
            read->result = cr_error_set(&read->err, counted->broken, "the disk is bad");
    }
}

static int list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                struct cr_error *err)
{
    const struct place *place = &counted_of(blobs)->place;
    (void)err;
    int r = 0;
    for (size_t i = 0; r == 0 && space == CR_SPACE_PACKS && i < place->count; i++)
        r = sink(context, place->packs[i].name);
    return r;
}

static const struct cr_blob_ops ops = {.close = place_close,
                                       .size = size_single,
                                       .read = read_single,
                                       .size_many = size_many,
                                       .read_many = read_many,
                                       .list = list};

static void small_pack_make(struct made *made, uint32_t seed, uint32_t frames)
{
    static const uint8_t frame[64];
    cr_pack_init(&made->pack);
    for (uint32_t i = 0; i < frames; i++) {
        struct cr_id id;
        const uint32_t plain[2] = {seed, i};
        cr_hash(plain, sizeof(plain), &id);
        assert_int_equal(cr_pack_add(&made->pack, &id, frame, sizeof(frame)), 0);
    }
    assert_int_equal(cr_pack_finish(&made->pack, &made->id), 0);
    cr_id_format(&made->id, made->name);
}

static struct cr_store *store_open(struct counted *counted)
{
    struct cr_store *store = NULL;
    *counted = (struct counted){.place = {.base.ops = &ops,
                                          .packs = cr_calloc(PACKS, sizeof(struct made)),
                                          .count = PACKS}};
    assert_non_null(counted->place.packs);
    for (uint32_t i = 0; i < PACKS; i++)
        small_pack_make(&counted->place.packs[i], i, i == 7 ? LONG_FRAMES : 1);
    assert_int_equal(cr_packstore_new(&counted->place.base, &store, NULL), 0);
    return store;
}

static void store_end(struct counted *counted, struct cr_store *store)
{
    cr_store_close(store);
    for (size_t i = 0; i < PACKS; i++)
        cr_pack_done(&counted->place.packs[i].pack);
    free(counted->place.packs);
}

struct lines {
    unsigned count;
    char last[512];
};

static int line_take(void *context, const char *line)
{
    struct lines *lines = context;
    lines->count++;
    snprintf(lines->last, sizeof(lines->last), "%s", line);
    return 0;
}

static struct lines damaged(struct cr_store *store)
{
    struct lines lines = {0};
    assert_int_equal(store->ops->damaged_list(store, line_take, &lines, NULL), 0);
    return lines;
}

static bool has(struct cr_store *store, uint32_t pack, uint32_t frame)
{
    struct cr_id id;
    bool have = false;
    const uint32_t plain[2] = {pack, frame};
    cr_hash(plain, sizeof(plain), &id);
    assert_int_equal(store->ops->chunks_have(store, &id, 1, &have, NULL), 0);
    return have;
}

static void new_packs_are_looked_at_many_at_once(void **state)
{
    (void)state;
    struct counted counted;
    struct cr_store *store = store_open(&counted);
    assert_int_equal(damaged(store).count, 0);
    assert_int_equal(counted.size_calls, 3);
    assert_int_equal(counted.read_calls, 3);
    assert_int_equal(counted.sizes, PACKS);
    assert_int_equal(counted.singles, 1); /* the rest of the long footer */
    for (uint32_t i = 0; i < PACKS; i++)
        assert_true(has(store, i, 0));
    assert_true(has(store, 7, LONG_FRAMES - 1));
    /* Known packs are not looked at again. */
    assert_int_equal(damaged(store).count, 0);
    assert_int_equal(counted.sizes, PACKS);
    store_end(&counted, store);
}

static void one_bad_pack_among_many_does_not_hide_the_others(void **state)
{
    (void)state;
    struct counted counted;
    struct cr_store *store = store_open(&counted);
    struct made *packs = counted.place.packs;
    counted.gone = packs[3].name;
    counted.broken = -EIO;
    packs[4].pack.bytes.data[packs[4].pack.bytes.len - 1] ^= 1;
    packs[PACKS - 1].pack.bytes.len = 3;
    struct lines lines = damaged(store);
    assert_int_equal(lines.count, 3);
    assert_non_null(strstr(lines.last, packs[PACKS - 1].name));
    assert_non_null(strstr(lines.last, ": it has 3 bytes"));
    assert_true(has(store, 0, 0) && has(store, 2, 0) && has(store, 5, 0));
    assert_true(has(store, PACKS - 2, 0));
    assert_false(has(store, 1, 0) || has(store, 3, 0) || has(store, 4, 0));
    /* What was out of order for a moment is looked at again. */
    counted.broken = 0;
    counted.gone = NULL;
    lines = damaged(store);
    assert_int_equal(lines.count, 2);
    assert_true(has(store, 1, 0) && has(store, 3, 0));
    store_end(&counted, store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_packs_are_looked_at_many_at_once),
        cmocka_unit_test(one_bad_pack_among_many_does_not_hide_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
