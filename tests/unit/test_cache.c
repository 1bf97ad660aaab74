/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/blk/cache.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define VALUE_BYTES 1024U

static struct cr_id id_of(uint64_t n)
{
    struct cr_id id;
    cr_hash(&n, sizeof(n), &id);
    return id;
}

/* A value that tells whose it is: its id, repeated. */
static uint8_t *value_of(const struct cr_id *id)
{
    uint8_t *data = malloc(VALUE_BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < VALUE_BYTES; i += CR_ID_BYTES)
        memcpy(data + i, id->bytes, CR_ID_BYTES);
    return data;
}

static bool is_value_of(const struct cr_cache_entry *entry, const struct cr_id *id)
{
    for (size_t i = 0; i < VALUE_BYTES; i += CR_ID_BYTES)
        if (memcmp(entry->data + i, id->bytes, CR_ID_BYTES) != 0)
            return false;
    return entry->len == VALUE_BYTES;
}

static int load(void *context, const struct cr_id *id, uint8_t **ret_data, size_t *ret_len,
                struct cr_error *err)
{
    (void)err;
    atomic_fetch_add((atomic_int *)context, 1);
    *ret_data = value_of(id);
    *ret_len = VALUE_BYTES;
    return 0;
}

static int load_nothing(void *context, const struct cr_id *id, uint8_t **ret_data, size_t *ret_len,
                        struct cr_error *err)
{
    (void)id, (void)ret_data, (void)ret_len;
    atomic_fetch_add((atomic_int *)context, 1);
    return cr_error_set(err, -ENOENT, "there is no such thing");
}

static void a_value_is_loaded_once_and_kept(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(1 << 20, &cache), 0);
    atomic_int loads = 0;
    struct cr_id id = id_of(1);
    assert_null(cr_cache_peek(cache, &id));
    for (int i = 0; i < 3; i++) {
        const struct cr_cache_entry *entry = NULL;
        assert_int_equal(cr_cache_get(cache, &id, load, &loads, &entry, NULL), 0);
        assert_true(is_value_of(entry, &id));
        cr_cache_release(cache, entry);
    }
    const struct cr_cache_entry *entry = cr_cache_peek(cache, &id);
    assert_non_null(entry);
    cr_cache_release(cache, entry);
    assert_int_equal(loads, 1);
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_int_equal(stat.misses, 1);
    assert_int_equal(stat.hits, 3);
    assert_int_equal(stat.entries, 1);
}

static void a_put_value_is_found_and_does_not_replace(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(1 << 20, &cache), 0);
    struct cr_id id = id_of(1);
    assert_int_equal(cr_cache_put(cache, &id, value_of(&id), VALUE_BYTES), 0);
    assert_int_equal(cr_cache_put(cache, &id, value_of(&id), VALUE_BYTES), 0);
    const struct cr_cache_entry *entry = cr_cache_peek(cache, &id);
    assert_true(is_value_of(entry, &id));
    cr_cache_release(cache, entry);
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_int_equal(stat.entries, 1);
}

static void a_failure_is_told_and_not_kept(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(1 << 20, &cache), 0);
    atomic_int loads = 0;
    struct cr_id id = id_of(1);
    const struct cr_cache_entry *entry = NULL;
    struct cr_error err = {0};
    assert_int_equal(cr_cache_get(cache, &id, load_nothing, &loads, &entry, &err), -ENOENT);
    assert_string_equal(err.text, "there is no such thing");
    assert_null(entry);
    assert_int_equal(cr_cache_get(cache, &id, load, &loads, &entry, &err), 0);
    assert_int_equal(loads, 2);
    cr_cache_release(cache, entry);
}

static void the_budget_holds_and_what_is_used_stays(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(100 * VALUE_BYTES, &cache), 0);
    atomic_int loads = 0;
    struct cr_id hot = id_of(0);
    const struct cr_cache_entry *entry = NULL;
    struct cr_cache_stat stat;
    for (uint64_t n = 1; n < 5000; n++) {
        struct cr_id id = id_of(n);
        assert_int_equal(cr_cache_get(cache, &hot, load, &loads, &entry, NULL), 0);
        cr_cache_release(cache, entry);
        assert_int_equal(cr_cache_get(cache, &id, load, &loads, &entry, NULL), 0);
        assert_true(is_value_of(entry, &id));
        cr_cache_release(cache, entry);
        cr_cache_stat(cache, &stat);
        assert_true(stat.bytes <= stat.max_bytes);
    }
    assert_true(stat.entries > 50);
    assert_true(stat.evictions > 4000);
    /* Second chance: the one that was asked for all the time was hardly ever loaded again. */
    assert_true(loads - 4999 < 50);
}

/* --- a whole disk is read through ---------------------------------------------------- */

static uint64_t test_ms;
static uint64_t test_clock(void)
{
    return test_ms;
}

static unsigned ask_range(struct cr_cache *cache, uint64_t from, uint64_t to, unsigned times)
{
    atomic_int loads = 0;
    for (uint64_t n = from; n < to; n++) {
        struct cr_id id = id_of(n);
        for (unsigned i = 0; i < times; i++) {
            const struct cr_cache_entry *entry = NULL;
            assert_int_equal(cr_cache_get(cache, &id, load, &loads, &entry, NULL), 0);
            assert_true(is_value_of(entry, &id));
            cr_cache_release(cache, entry);
        }
    }
    return (unsigned)loads;
}

#define ROOM 4000U
#define BOOT 1500U

static void a_full_pull_leaves_what_was_asked_for_again(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(ROOM * VALUE_BYTES, &cache), 0);
    cr_cache_set_clock(cache, test_clock);
    assert_int_equal(ask_range(cache, 0, BOOT, 1), BOOT);
    test_ms += 20; /* the next seat starts */
    assert_int_equal(ask_range(cache, 0, BOOT, 1), 0);
    /* Ten times the cache, in pieces of 4 KiB. */
    assert_int_equal(ask_range(cache, 100000, 100000 + 10 * ROOM, 16), 10 * ROOM);
    assert_int_equal(ask_range(cache, 0, BOOT, 1), 0);
    /* And again, after it was read by some more. */
    assert_int_equal(ask_range(cache, 200000, 200000 + 10 * ROOM, 1), 10 * ROOM);
    assert_int_equal(ask_range(cache, 0, BOOT, 1), 0);
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_true(stat.bytes <= stat.max_bytes);
    assert_true(stat.bytes > stat.max_bytes / 10 * 9);
}

static void who_comes_back_soon_stays(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(ROOM * VALUE_BYTES, &cache), 0);
    cr_cache_set_clock(cache, test_clock);
    /* Pushed out before anybody asked again, and asked for again a little later. */
    ask_range(cache, 0, BOOT, 1);
    ask_range(cache, 50000, 50000 + ROOM, 1);
    assert_true(ask_range(cache, 0, BOOT, 1) > BOOT / 2);
    ask_range(cache, 100000, 100000 + 10 * ROOM, 1);
    assert_true(ask_range(cache, 0, BOOT, 1) < BOOT / 2);
}

static void what_is_no_longer_used_makes_room(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(ROOM * VALUE_BYTES, &cache), 0);
    cr_cache_set_clock(cache, test_clock);
    for (int i = 0; i < 4; i++, test_ms += 20)
        ask_range(cache, 0, BOOT * 2, 1);
    for (int i = 0; i < 6; i++, test_ms += 20)
        ask_range(cache, 10000, 10000 + BOOT * 2, 1);
    assert_true(ask_range(cache, 10000, 10000 + BOOT * 2, 1) < BOOT / 2);
}

static void a_pinned_entry_survives_any_pressure(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(4 * VALUE_BYTES, &cache), 0);
    atomic_int loads = 0;
    const struct cr_cache_entry *held[64];
    for (uint64_t n = 0; n < CR_ARRAY_LEN(held); n++) {
        struct cr_id id = id_of(n);
        assert_int_equal(cr_cache_get(cache, &id, load, &loads, &held[n], NULL), 0);
    }
    for (uint64_t n = 0; n < CR_ARRAY_LEN(held); n++) {
        struct cr_id id = id_of(n);
        assert_true(is_value_of(held[n], &id));
        cr_cache_release(cache, held[n]);
    }
    struct cr_id id = id_of(1000);
    assert_int_equal(cr_cache_put(cache, &id, value_of(&id), VALUE_BYTES), 0);
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_true(stat.bytes <= stat.max_bytes);
}

/* Delivers what is not 3 modulo 10, in reverse order; refuses those. */
static int load_some(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                     size_t count, struct cr_error *err)
{
    (void)err;
    struct cr_id bad = id_of(3);
    atomic_fetch_add((atomic_int *)context, 1);
    for (size_t i = count; i-- > 0;) {
        struct cr_error why = {"three is missing"};
        if (cr_id_equal(&ids[i], &bad))
            cr_cache_refuse(claim, i, -ENOENT, &why);
        else
            cr_cache_deliver(claim, i, value_of(&ids[i]), VALUE_BYTES);
    }
    return 0;
}

static int load_half(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                     size_t count, struct cr_error *err)
{
    atomic_fetch_add((atomic_int *)context, 1);
    for (size_t i = 0; i < count / 2; i++)
        cr_cache_deliver(claim, i, value_of(&ids[i]), VALUE_BYTES);
    return cr_error_set(err, -ETIMEDOUT, "the server is away");
}

static void a_batch_is_loaded_in_one_call(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(1 << 20, &cache), 0);
    atomic_int loads = 0;
    struct cr_id ids[20];
    const struct cr_cache_entry *entries[20] = {NULL};
    for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++)
        ids[i] = id_of(100 + i / 2); /* each twice */
    assert_int_equal(cr_cache_put(cache, &ids[4], value_of(&ids[4]), VALUE_BYTES), 0);
    assert_int_equal(cr_cache_get_batch(cache, ids, 20, load_some, &loads, entries, NULL), 0);
    assert_int_equal(loads, 1);
    for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++) {
        assert_true(is_value_of(entries[i], &ids[i]));
        cr_cache_release(cache, entries[i]);
    }
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_int_equal(stat.entries, 10);
    assert_int_equal(stat.misses, 9);
}

static void one_bad_value_fails_its_batch_and_spares_the_others(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    assert_int_equal(cr_cache_new(1 << 20, &cache), 0);
    atomic_int loads = 0;
    struct cr_id ids[6];
    const struct cr_cache_entry *entries[6];
    struct cr_error err = {0};
    for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++)
        ids[i] = id_of(i);
    assert_int_equal(cr_cache_get_batch(cache, ids, 6, load_some, &loads, entries, &err), -ENOENT);
    assert_string_equal(err.text, "three is missing");
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_int_equal(stat.entries, 5);
    assert_null(cr_cache_peek(cache, &ids[3]));
    for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++)
        ids[i] = id_of(10 + i);
    assert_int_equal(cr_cache_get_batch(cache, ids, 6, load_half, &loads, entries, &err),
                     -ETIMEDOUT);
    assert_string_equal(err.text, "the server is away");
    cr_cache_stat(cache, &stat);
    assert_int_equal(stat.entries, 8);
}

/* --- many threads -------------------------------------------------------------------- */

struct crowd {
    struct cr_cache *cache;
    pthread_barrier_t start;
    atomic_int loads, waiting;
    int result;
};

#define CROWD 16

/* Lands only when all others wait for it. */
static int load_awaited(void *context, const struct cr_id *id, uint8_t **ret_data, size_t *ret_len,
                        struct cr_error *err)
{
    struct crowd *crowd = context;
    atomic_fetch_add(&crowd->loads, 1);
    struct cr_cache_stat stat;
    do {
        sched_yield();
        cr_cache_stat(crowd->cache, &stat);
    } while (stat.waits < CROWD - 1);
    if (crowd->result != 0)
        return cr_error_set(err, crowd->result, "all hear this");
    return load(&crowd->waiting, id, ret_data, ret_len, err);
}

static void *ask_for_one(void *context)
{
    struct crowd *crowd = context;
    struct cr_id id = id_of(7);
    const struct cr_cache_entry *entry = NULL;
    struct cr_error err = {0};
    pthread_barrier_wait(&crowd->start);
    int r = cr_cache_get(crowd->cache, &id, load_awaited, crowd, &entry, &err);
    assert_int_equal(r, crowd->result);
    if (r == 0) {
        assert_true(is_value_of(entry, &id));
        cr_cache_release(crowd->cache, entry);
    } else {
        assert_string_equal(err.text, "all hear this");
    }
    return NULL;
}

static void run_crowd(int result)
{
    struct crowd crowd = {.result = result};
    pthread_t threads[CROWD];
    assert_int_equal(cr_cache_new(1 << 20, &crowd.cache), 0);
    pthread_barrier_init(&crowd.start, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_one, &crowd), 0);
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.loads, 1);
    pthread_barrier_destroy(&crowd.start);
    cr_cache_free(crowd.cache);
}

static void many_askers_cause_one_load(void **state)
{
    (void)state;
    run_crowd(0);
}

static void many_askers_hear_of_one_failure(void **state)
{
    (void)state;
    run_crowd(-EIO);
}

/* Overlapping batches, singles and puts under constant eviction. */
static int load_all(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                    size_t count, struct cr_error *err)
{
    (void)context, (void)err;
    for (size_t i = 0; i < count; i++)
        cr_cache_deliver(claim, i, value_of(&ids[i]), VALUE_BYTES);
    return 0;
}

static void *churn(void *context)
{
    struct cr_cache *cache = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    atomic_int loads = 0;
    for (int round = 0; round < 3000; round++) {
        struct cr_id ids[8];
        const struct cr_cache_entry *entries[8];
        for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            ids[i] = id_of((random >> 40) % 200);
        }
        assert_int_equal(cr_cache_get_batch(cache, ids, 8, load_all, NULL, entries, NULL), 0);
        for (size_t i = 0; i < CR_ARRAY_LEN(ids); i++) {
            assert_true(is_value_of(entries[i], &ids[i]));
            cr_cache_release(cache, entries[i]);
        }
        assert_int_equal(cr_cache_get(cache, &ids[0], load, &loads, &entries[0], NULL), 0);
        assert_true(is_value_of(entries[0], &ids[0]));
        cr_cache_release(cache, entries[0]);
        assert_int_equal(cr_cache_put(cache, &ids[1], value_of(&ids[1]), VALUE_BYTES), 0);
    }
    return NULL;
}

static void nobody_ever_sees_the_value_of_another(void **state)
{
    (void)state;
    CLEANUP(cr_cache_cleanup) struct cr_cache *cache = NULL;
    pthread_t threads[8];
    assert_int_equal(cr_cache_new(60 * VALUE_BYTES, &cache), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, cache), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    struct cr_cache_stat stat;
    cr_cache_stat(cache, &stat);
    assert_true(stat.evictions > 0);
    struct cr_id id = id_of(9999);
    assert_int_equal(cr_cache_put(cache, &id, value_of(&id), VALUE_BYTES), 0);
    cr_cache_stat(cache, &stat);
    assert_true(stat.bytes <= stat.max_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_loaded_once_and_kept),
        cmocka_unit_test(a_put_value_is_found_and_does_not_replace),
        cmocka_unit_test(a_failure_is_told_and_not_kept),
        cmocka_unit_test(the_budget_holds_and_what_is_used_stays),
        cmocka_unit_test(a_full_pull_leaves_what_was_asked_for_again),
        cmocka_unit_test(who_comes_back_soon_stays),
        cmocka_unit_test(what_is_no_longer_used_makes_room),
        cmocka_unit_test(a_pinned_entry_survives_any_pressure),
        cmocka_unit_test(a_batch_is_loaded_in_one_call),
        cmocka_unit_test(one_bad_value_fails_its_batch_and_spares_the_others),
        cmocka_unit_test(many_askers_cause_one_load),
        cmocka_unit_test(many_askers_hear_of_one_failure),
        cmocka_unit_test(nobody_ever_sees_the_value_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
