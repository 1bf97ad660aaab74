/* SPDX-License-Identifier: MIT */
/* The pack cache: what is read from the store and how often, under pulls, threads and damage. */
#include "tests/unit/pack_site.h"

/* --- what is read, and when ---------------------------------------------------------------- */

static void the_first_touch_reads_only_its_range(void **state)
{
    (void)state;
    struct site site;
    site_make(&site, 1);
    site_open(&site, 10, 0);
    frame_read(&site, 0, 2);
    struct cr_packcache_stat stat = stat_of(&site);
    assert_int_equal(stat.reads[CR_SPACE_PACKS], 1);
    assert_int_equal(stat.read_bytes[CR_SPACE_PACKS],
                     site.place.packs[0].pack.entries[2].frame_len);
    assert_int_equal(stat.packs, 0);
    site_close(&site);
    site_done(&site);
}

static void touched_in_two_bursts_a_pack_is_read_whole_and_kept(void **state)
{
    (void)state;
    struct site site;
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    site_open(&site, packs, 0);
    round_read(&site, 0, packs, 0);
    assert_int_equal(stat_of(&site).loads, 0);
    round_read(&site, 0, packs, 1);
    assert_int_equal(stat_of(&site).loads, packs);
    unsigned reads = site.place.reads;
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        round_read(&site, 0, packs, frame);
    assert_int_equal(site.place.reads, reads);
    assert_int_equal(stat_of(&site).packs, packs);
    site_close(&site);
    site_done(&site);
}

static void many_touches_of_one_burst_read_it_whole(void **state)
{
    (void)state;
    struct site site;
    site_make(&site, 1);
    site_open(&site, 2, 0);
    pull(&site, 0, 1, 50);
    assert_int_equal(site.place.reads, 8);
    assert_int_equal(site.place.whole_reads, 1);
    site_close(&site);
    site_done(&site);
}

/* An index is built by reading every footer; that says nothing about what is wanted. */
static void reading_a_footer_is_no_touch(void **state)
{
    (void)state;
    struct site site;
    uint8_t footer[FRAMES * CR_PACK_ENTRY_BYTES + CR_PACK_TRAILER_BYTES];
    site_make(&site, 1);
    site_open(&site, 2, 0);
    const struct made *made = &site.place.packs[0];
    uint64_t size = 0;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(site.cache->ops->size(site.cache, CR_SPACE_PACKS, made->name, &size, NULL),
                         0);
        assert_int_equal(site.cache->ops->read(site.cache, CR_SPACE_PACKS, made->name, footer,
                                               sizeof(footer), size - sizeof(footer), NULL),
                         0);
    }
    assert_int_equal(stat_of(&site).loads, 0);
    frame_read(&site, 0, 0);
    assert_int_equal(stat_of(&site).loads, 0);
    site_close(&site);
    site_done(&site);
}

static void a_full_pull_does_not_push_out_the_boot_set(void **state)
{
    (void)state;
    struct site site;
    size_t boot = CR_BURST_TOUCHES + 8, room = boot * 2;
    site_make(&site, boot + 10 * room);
    site_open(&site, room, 0);
    for (uint32_t frame = 0; frame < 4; frame++)
        round_read(&site, 0, boot, frame);
    assert_int_equal(stat_of(&site).packs, boot);
    pull(&site, boot, boot + 10 * room, 12);
    struct cr_packcache_stat stat = stat_of(&site);
    assert_true(stat.evictions > 0);
    assert_true(stat.memory_bytes <= packs_cost(&site, room));
    unsigned reads = site.place.reads;
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        round_read(&site, 0, boot, frame);
    assert_int_equal(site.place.reads, reads);
    site_close(&site);
    site_done(&site);
}

static void hot_packs_make_room_for_hotter_ones(void **state)
{
    (void)state;
    struct site site;
    size_t set = CR_BURST_TOUCHES + 8;
    site_make(&site, 2 * set);
    site_open(&site, set, 0);
    for (uint32_t frame = 0; frame < 3; frame++)
        round_read(&site, 0, set, frame);
    /* The next version is booted from now on. */
    for (uint32_t i = 0; i < 12; i++)
        round_read(&site, set, 2 * set, i % FRAMES);
    unsigned reads = site.place.reads;
    round_read(&site, set, 2 * set, 3);
    assert_int_equal(site.place.reads, reads);
    site_close(&site);
    site_done(&site);
}

/* --- single flight ------------------------------------------------------------------------- */

#define CROWD 12

struct crowd {
    struct site *site;
    pthread_barrier_t start;
};

static void *crowd_read(void *context)
{
    struct crowd *crowd = context;
    pthread_barrier_wait(&crowd->start);
    frame_read(crowd->site, 0, 3);
    return NULL;
}

static void many_readers_cause_one_load(void **state)
{
    (void)state;
    struct site site;
    struct crowd crowd = {.site = &site};
    pthread_t threads[CROWD];
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    site_open(&site, packs, 0);
    round_read(&site, 0, packs, 0);
    unsigned before = site.place.reads;
    atomic_store(&site.place.held, true);
    pthread_barrier_init(&crowd.start, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_read, &crowd), 0);
    while (stat_of(&site).waits < CROWD - 1)
        sched_yield();
    atomic_store(&site.place.held, false);
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crowd.start);
    assert_int_equal(site.place.reads, before + 1);
    assert_int_equal(site.place.whole_reads, 1);
    site_close(&site);
    site_done(&site);
}

static void *churn(void *context)
{
    struct site *site = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    for (int i = 0; i < 1500; i++) {
        struct cr_blob_read reads[4] = {0};
        uint8_t data[4][4096];
        for (size_t k = 0; k < CR_ARRAY_LEN(reads); k++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            const struct made *made = &site->place.packs[(random >> 40) % site->place.count];
            const struct cr_pack_entry *entry = &made->pack.entries[(random >> 33) % FRAMES];
            reads[k] = (struct cr_blob_read){.name = made->name,
                                             .data = data[k],
                                             .len = entry->frame_len,
                                             .offset = entry->offset};
        }
        site->cache->ops->read_many(site->cache, CR_SPACE_PACKS, reads, CR_ARRAY_LEN(reads));
        for (size_t k = 0; k < CR_ARRAY_LEN(reads); k++) {
            const struct made *made = made_find(&site->place, reads[k].name);
            if (made == NULL)
                abort();
            assert_int_equal(reads[k].result, 0);
            assert_memory_equal(data[k], made->pack.bytes.data + reads[k].offset, reads[k].len);
        }
        if (i % 100 == 0)
            site->cache->ops->remove(site->cache, CR_SPACE_PACKS, reads[0].name, NULL);
    }
    return NULL;
}

static void readers_evictions_and_removals_never_mix_bytes(void **state)
{
    (void)state;
    struct site site;
    pthread_t threads[6];
    site_make(&site, 60);
    site_open(&site, 20, 10);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &site), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_true(stat_of(&site).evictions > 0);
    site_close(&site);
    site_done(&site);
}

/* --- damage underneath --------------------------------------------------------------------- */

static void damage_of_the_store_is_handed_on_and_its_repair_too(void **state)
{
    (void)state;
    struct site site;
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    site_open(&site, packs, packs);
    uint8_t *byte =
        site.place.packs[0].pack.bytes.data + site.place.packs[0].pack.entries[2].offset;
    byte[5] ^= 1;
    heat_all(&site);
    frame_read(&site, 0, 2); /* the damaged bytes, as the store has them */
    byte[5] ^= 1;
    frame_read(&site, 0, 2);
    assert_int_equal(stat_of(&site).damaged, 1);
    site_close(&site);
    site_done(&site);
}

static void what_is_missing_is_missing(void **state)
{
    (void)state;
    struct site site;
    uint8_t byte;
    struct cr_error err = {0};
    struct cr_id id;
    char name[CR_ID_HEX];
    site_make(&site, 1);
    site_open(&site, 10, 0);
    cr_hash("x", 1, &id);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(site.cache->ops->read(site.cache, CR_SPACE_PACKS, cr_id_format(&id, name),
                                               &byte, 1, 0, &err),
                         -ENOENT);
        assert_non_null(strstr(err.text, name));
    }
    pull(&site, 0, 1, 20);
    assert_int_equal(site.cache->ops->read(site.cache, CR_SPACE_PACKS, site.place.packs[0].name,
                                           &byte, 1, 1 << 20, &err),
                     -ENODATA);
    assert_int_equal(stat_of(&site).packs, 1);
    site_close(&site);
    site_done(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_touch_reads_only_its_range),
        cmocka_unit_test(touched_in_two_bursts_a_pack_is_read_whole_and_kept),
        cmocka_unit_test(many_touches_of_one_burst_read_it_whole),
        cmocka_unit_test(reading_a_footer_is_no_touch),
        cmocka_unit_test(a_full_pull_does_not_push_out_the_boot_set),
        cmocka_unit_test(hot_packs_make_room_for_hotter_ones),
        cmocka_unit_test(many_readers_cause_one_load),
        cmocka_unit_test(readers_evictions_and_removals_never_mix_bytes),
        cmocka_unit_test(damage_of_the_store_is_handed_on_and_its_repair_too),
        cmocka_unit_test(what_is_missing_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
