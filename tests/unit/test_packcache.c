/* SPDX-License-Identifier: MIT */
/* The pack cache: what is read from the store and how often, under pulls, threads and damage. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/packcache.h"
#include "lib/store/packtouch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FRAMES 6U /* of each pack */

/* --- a place underneath that counts and can be held up ------------------------------------------
 */

struct made {
    char name[CR_ID_HEX];
    struct cr_id id;
    struct cr_pack pack;
};

struct place {
    struct cr_blobs base;
    struct made *packs; /* borrowed */
    size_t count;
    atomic_uint reads, whole_reads;
    atomic_bool held; /* reads of whole packs do not return */
    bool closed;
};

static struct made *made_find(struct place *place, const char *name)
{
    for (size_t i = 0; i < place->count; i++)
        if (strcmp(place->packs[i].name, name) == 0)
            return &place->packs[i];
    return NULL;
}

static int place_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      uint64_t *ret_bytes, struct cr_error *err)
{
    const struct made *made = made_find((struct place *)blobs, name);
    (void)space;
    if (made == NULL)
        return cr_error_errno(err, -ENOENT, "'%s'", name);
    *ret_bytes = made->pack.bytes.len;
    return 0;
}

static int place_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                      size_t len, uint64_t offset, struct cr_error *err)
{
    struct place *place = (struct place *)blobs;
    struct made *made = made_find(place, name);
    (void)space;
    atomic_fetch_add(&place->reads, 1);
    if (made == NULL)
        return cr_error_errno(err, -ENOENT, "'%s'", name);
    if (offset > made->pack.bytes.len || len > made->pack.bytes.len - offset)
        return cr_error_errno(err, -ENODATA, "'%s'", name);
    if (len == made->pack.bytes.len) {
        atomic_fetch_add(&place->whole_reads, 1);
        while (atomic_load(&place->held))
            sched_yield();
    }
    memcpy(data, made->pack.bytes.data + offset, len);
    return 0;
}

static int place_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                        struct cr_error *err)
{
    (void)blobs, (void)space, (void)name, (void)err;
    return 0;
}

static void place_close(struct cr_blobs *blobs)
{
    ((struct place *)blobs)->closed = true;
}

static const struct cr_blob_ops place_ops = {
    .close = place_close, .size = place_size, .read = place_read, .remove = place_remove};

/* --- a site: packs, a place, a cache over it ----------------------------------------------------
 */

struct site {
    struct place place;
    struct cr_blobs *cache;
    struct cr_packcache *handle;
    char folder[40];
};

static void pack_make(struct made *made, uint32_t seed)
{
    uint8_t plain[CR_CHUNK_BYTES], frame[CR_CHUNK_FRAME_MAX];
    cr_pack_init(&made->pack);
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t x = (seed * FRAMES + i + 1) * 2654435761U;
        for (size_t k = 0; k < sizeof(plain); k++) {
            x = x * 1664525U + 1013904223U;
            plain[k] = k < 2048 ? (uint8_t)(x >> 24) : 0;
        }
        struct cr_id id;
        size_t len = 0;
        cr_hash(plain, sizeof(plain), &id);
        assert_int_equal(cr_frame_encode(plain, sizeof(plain), frame, sizeof(frame), &len), 0);
        assert_int_equal(cr_pack_add(&made->pack, &id, frame, len), 0);
    }
    assert_int_equal(cr_pack_finish(&made->pack, &made->id), 0);
    cr_id_format(&made->id, made->name);
}

/* What a pack costs in the cache, a little more than its bytes. */
static uint64_t packs_cost(const struct site *site, uint64_t packs)
{
    return packs * (site->place.packs[0].pack.bytes.len + 1024);
}

static void site_open(struct site *site, uint64_t memory_packs, uint64_t folder_packs)
{
    struct cr_packcache_options options = {
        .memory_bytes = packs_cost(site, memory_packs),
        .folder = folder_packs > 0 ? site->folder : NULL,
        .folder_bytes = folder_packs * 20480,
    };
    struct cr_error err = {0};
    site->place.closed = false;
    if (cr_packcache_new(&site->place.base, &options, &site->cache, &site->handle, &err) < 0)
        fail_msg("%s", err.text);
}

static void site_close(struct site *site)
{
    site->cache->ops->close(site->cache);
    assert_true(site->place.closed);
}

static void site_make(struct site *site, size_t packs)
{
    memset(site, 0, sizeof(*site));
    site->place.base.ops = &place_ops;
    site->place.packs = cr_calloc(packs, sizeof(*site->place.packs));
    site->place.count = packs;
    for (size_t i = 0; i < packs; i++)
        pack_make(&site->place.packs[i], (uint32_t)i);
    snprintf(site->folder, sizeof(site->folder), "/tmp/carrel-packs-XXXXXX");
    assert_non_null(mkdtemp(site->folder));
}

static void site_done(struct site *site)
{
    for (size_t i = 0; i < site->place.count; i++)
        cr_pack_done(&site->place.packs[i].pack);
    free(site->place.packs);
    cr_dir_remove(AT_FDCWD, site->folder);
}

/* Read frame `frame` of pack `pack` through the cache; it must be the right bytes. */
static void frame_read(struct site *site, size_t pack, uint32_t frame)
{
    const struct made *made = &site->place.packs[pack];
    const struct cr_pack_entry *entry = &made->pack.entries[frame];
    uint8_t data[CR_CHUNK_FRAME_MAX];
    struct cr_error err = {0};
    if (site->cache->ops->read(site->cache, CR_SPACE_PACKS, made->name, data, entry->frame_len,
                               entry->offset, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(data, made->pack.bytes.data + entry->offset, entry->frame_len);
}

/* Touch packs [from, to) in turn, a frame each. */
static void round_read(struct site *site, size_t from, size_t to, uint32_t frame)
{
    for (size_t i = from; i < to; i++)
        frame_read(site, i, frame);
}

/* Read packs [from, to) from beginning to end as a client that pulls a disk does. */
static void pull(struct site *site, size_t from, size_t to, uint32_t requests)
{
    for (size_t i = from; i < to; i++)
        for (uint32_t k = 0; k < requests; k++)
            frame_read(site, i, k % FRAMES);
}

static struct cr_packcache_stat stat_of(struct site *site)
{
    struct cr_packcache_stat stat;
    cr_packcache_stat(site->handle, &stat);
    return stat;
}

/* --- what is read, and when ---------------------------------------------------------------------
 */

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

/* --- single flight -------------------------------------------------------------------------------
 */

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
            assert_non_null(made);
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

/* --- the folder ----------------------------------------------------------------------------------
 */

static void heat_all(struct site *site)
{
    round_read(site, 0, site->place.count, 0);
    round_read(site, 0, site->place.count, 1);
}

static void the_folder_survives_a_restart(void **state)
{
    (void)state;
    struct site site;
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    site_open(&site, packs, packs);
    heat_all(&site);
    assert_true(stat_of(&site).folder_bytes > 0);
    site_close(&site);
    site_open(&site, packs, packs);
    unsigned reads = site.place.reads;
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        round_read(&site, 0, packs, frame);
    assert_int_equal(site.place.reads, reads);
    assert_int_equal(stat_of(&site).folder_loads, packs);
    site_close(&site);
    /* Less room at the next start: the rest goes. */
    site_open(&site, packs, 5);
    assert_true(stat_of(&site).folder_bytes <= 5 * 20480);
    site_close(&site);
    site_done(&site);
}

static void a_pull_leaves_nothing_in_the_folder(void **state)
{
    (void)state;
    struct site site;
    site_make(&site, 100);
    site_open(&site, 10, 100);
    pull(&site, 0, 100, 12);
    assert_int_equal(stat_of(&site).folder_bytes, 0);
    site_close(&site);
    site_done(&site);
}

/* Damage every file of the folder at `offset` bytes from its beginning, or end when negative. */
static void folder_damage(struct site *site, off_t offset)
{
    for (size_t i = 0; i < site->place.count; i++) {
        char path[128];
        uint8_t byte;
        snprintf(path, sizeof(path), "%s/%s", site->folder, site->place.packs[i].name);
        CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        off_t at = offset < 0 ? lseek(fd, 0, SEEK_END) + offset : offset;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
}

static void damage_in_the_folder_heals(void **state)
{
    (void)state;
    static const off_t where[] = {40, -30};
    for (size_t i = 0; i < CR_ARRAY_LEN(where); i++) {
        struct site site;
        size_t packs = CR_BURST_TOUCHES + 8;
        site_make(&site, packs);
        site_open(&site, packs, packs);
        heat_all(&site);
        site_close(&site);
        folder_damage(&site, where[i]);
        site_open(&site, packs, packs);
        round_read(&site, 0, packs, 0); /* the first frame begins at 8 */
        assert_int_equal(stat_of(&site).damaged, packs);
        for (uint32_t frame = 0; frame < FRAMES; frame++)
            round_read(&site, 0, packs, frame);
        assert_int_equal(stat_of(&site).damaged, packs);
        site_close(&site);
        site_done(&site);
    }
}

static void foreign_files_in_the_folder_do_no_harm(void **state)
{
    (void)state;
    struct site site;
    char path[128];
    size_t packs = CR_BURST_TOUCHES + 8;
    site_make(&site, packs);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", site.folder, site.place.packs[i].name);
        if (i == 0)
            assert_int_equal(symlink("/dev/zero", path), 0);
        else
            assert_int_equal(cr_file_replace(AT_FDCWD, path, "not a pack", i * 5, 0600), 0);
    }
    snprintf(path, sizeof(path), "%s/notes.txt", site.folder);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, "mine", 4, 0600), 0);
    site_open(&site, packs, packs);
    heat_all(&site);
    heat_all(&site);
    site_close(&site);
    assert_int_equal(access(path, F_OK), 0);
    site_done(&site);
}

static void a_folder_has_one_user(void **state)
{
    (void)state;
    struct site site;
    struct place other = {.base.ops = &place_ops};
    struct cr_blobs *blobs;
    struct cr_packcache *handle;
    struct cr_error err = {0};
    site_make(&site, 1);
    site_open(&site, 10, 10);
    struct cr_packcache_options options = {.folder = site.folder, .folder_bytes = 1 << 20};
    assert_int_equal(cr_packcache_new(&other.base, &options, &blobs, &handle, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by another process"));
    assert_true(other.closed);
    site_close(&site);
    site_done(&site);
}

/* --- damage underneath
 * ---------------------------------------------------------------------------- */

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
        cmocka_unit_test(the_folder_survives_a_restart),
        cmocka_unit_test(a_pull_leaves_nothing_in_the_folder),
        cmocka_unit_test(damage_in_the_folder_heals),
        cmocka_unit_test(foreign_files_in_the_folder_do_no_harm),
        cmocka_unit_test(a_folder_has_one_user),
        cmocka_unit_test(damage_of_the_store_is_handed_on_and_its_repair_too),
        cmocka_unit_test(what_is_missing_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
