/* SPDX-License-Identifier: MIT */
/* When a reader lists the packs again: for what a new head leads to, and not for what nobody has.
 */
#include "tests/unit/known_store.h"

#include <stdatomic.h>

static _Atomic int64_t test_ms = 5000;

static int64_t test_clock(void)
{
    return atomic_load(&test_ms);
}

static void an_id_that_nobody_has_brings_one_listing_a_second(void **state)
{
    struct fixture *f = *state;
    struct packstore *ps = packstore_of(f->store);
    struct cr_id id = {.bytes = {1}};
    uint8_t plain[CR_CHUNK_BYTES];
    ps->clock_ms = test_clock;
    publish(f->store, "img", 100, 2);
    atomic_fetch_add(&test_ms, 1000);
    assert_int_equal(cr_store_chunk_read(f->store, &id, plain, sizeof(plain), NULL), -ENOENT);
    uint64_t listings = atomic_load(&ps->refreshes);
    for (int i = 0; i < 100; i++) {
        id.bytes[1] = (uint8_t)i;
        assert_int_equal(cr_store_chunk_read(f->store, &id, plain, sizeof(plain), NULL), -ENOENT);
    }
    assert_int_equal(atomic_load(&ps->refreshes), listings);
    atomic_fetch_add(&test_ms, 1000);
    assert_int_equal(cr_store_chunk_read(f->store, &id, plain, sizeof(plain), NULL), -ENOENT);
    assert_int_equal(atomic_load(&ps->refreshes), listings + 1);
}

static void what_a_new_head_leads_to_is_found_at_once(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cr_store_cleanup) struct cr_store *reader = NULL;
    struct cr_id id = {.bytes = {1}};
    uint8_t plain[CR_CHUNK_BYTES];
    publish(f->store, "img", 100, 2);
    assert_int_equal(cr_store_open(f->folder, &reader, NULL), 0);
    packstore_of(reader)->clock_ms = test_clock;
    expect(reader, "img@1", 0, 100, 2);
    assert_int_equal(cr_store_chunk_read(reader, &id, plain, sizeof(plain), NULL), -ENOENT);
    assert_int_equal(cr_store_chunk_read(reader, &id, plain, sizeof(plain), NULL), -ENOENT);
    publish(f->store, "img", 200, 2);
    expect(reader, "img@2", 0, 200, 2);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        FOR_EACH_BACKEND(an_id_that_nobody_has_brings_one_listing_a_second),
        FOR_DIR(what_a_new_head_leads_to_is_found_at_once),
    };
    return _cmocka_run_group_tests("tests", tests, RADOS_TESTS(tests), NULL, NULL);
}
