/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/scrub.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/seatcache/window.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* A cache that is read all day long wears the disk out, or at least people's patience with it. */
#define REST_S (6U * 60 * 60)

/* While the guest waits for a fetch, and before it has begun. */
#define STAND_BACK_MS 200U

struct cr_scrub {
    struct cr_seatdisk *disk;
    uint64_t bytes_s; /* 0 = no limit */
    unsigned rest_s;
    pthread_t thread;
    uint8_t *scratch; /* owned; a chunk */
    atomic_uint_least64_t chunks, wrong, rounds;
    struct timespec due;   /* of the next chunk */
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t changed;
    bool stop;
};

/* --- time ------------------------------------------------------------------------------------ */

static void add_ns(struct timespec *when, uint64_t ns)
{
    ns += (uint64_t)when->tv_nsec;
    when->tv_sec += (time_t)(ns / 1000000000);
    when->tv_nsec = (long)(ns % 1000000000);
}

/* Wait until `due`; false = stop. */
static bool wait_until(struct cr_scrub *scrub, const struct timespec *due)
{
    int r = 0;
    pthread_mutex_lock(&scrub->mutex);
    while (!scrub->stop && r == 0)
        r = pthread_cond_timedwait(&scrub->changed, &scrub->mutex, due);
    bool go_on = !scrub->stop;
    pthread_mutex_unlock(&scrub->mutex);
    return go_on;
}

static bool wait_ms(struct cr_scrub *scrub, unsigned ms)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    add_ns(&due, ms * 1000000ULL);
    return wait_until(scrub, &due);
}

/* Before `bytes` are read: keep to the rate, without making up for what was missed. */
static bool pace(struct cr_scrub *scrub, uint32_t bytes)
{
    struct timespec now;
    if (scrub->bytes_s == 0)
        return true;
    while (cr_seatdisk_demand_waits(scrub->disk))
        if (!wait_ms(scrub, STAND_BACK_MS))
            return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (scrub->due.tv_sec + 1 < now.tv_sec)
        scrub->due = now;
    bool go_on = wait_until(scrub, &scrub->due);
    add_ns(&scrub->due, bytes * 1000000000ULL / scrub->bytes_s);
    return go_on;
}

/* --- chunks ------------------------------------------------------------------------------------
 */

/* Let the disk be read, not the kernel's memory of it. */
static void forget_pages(const struct cr_scrub *scrub, uint64_t index, uint32_t bytes)
{
    (void)posix_fadvise(scrub->disk->file.fd, (off_t)(index << CR_CHUNK_SHIFT), bytes,
                        POSIX_FADV_DONTNEED);
}

/* A read for nobody does the work: it hashes what is there, and fetches and keeps what is not. */
static void check_chunk(struct cr_scrub *scrub, uint64_t index, uint32_t bytes)
{
    struct cr_window window;
    uint64_t done = 0;
    cr_window_init(&window, scrub->disk, true);
    window.leaves = true; /* whoever is at it verifies it too */
    (void)cr_window_read(&window, NULL, bytes, index << CR_CHUNK_SHIFT, &done, NULL);
    atomic_fetch_add(&scrub->wrong, window.lost);
    cr_window_done(&window);
}

/* Chunks from `index` on, up to `end`, are holes of the version. Returns the first not yet looked
 * at. */
static uint64_t check_holes(struct cr_scrub *scrub, uint64_t index, uint64_t end)
{
    int fd = scrub->disk->file.fd;
    off_t data = lseek(fd, (off_t)(index << CR_CHUNK_SHIFT), SEEK_DATA);
    if (data < 0 || (uint64_t)data >= end << CR_CHUNK_SHIFT)
        return end;
    index = (uint64_t)data >> CR_CHUNK_SHIFT;
    uint32_t bytes = cr_chunk_bytes(scrub->disk->file.disk_bytes, index);
    uint64_t from = index << CR_CHUNK_SHIFT;
    if (cr_pread_full(fd, scrub->scratch, bytes, from) < 0 || cr_is_zero(scrub->scratch, bytes))
        return index + 1;
    atomic_fetch_add(&scrub->wrong, 1);
    if (cr_chunkfile_punch(fd, index, index + 1) < 0) {
        memset(scrub->scratch, 0, bytes);
        (void)cr_pwrite_full(fd, scrub->scratch, bytes, from);
    }
    return index + 1;
}

/* It stands in the file, or it did and was damaged. */
static bool concerns_us(struct cr_seatdisk *disk, uint64_t index)
{
    return cr_keeper_has(disk->keeper, index) || cr_keeper_misses(disk->keeper, index);
}

/* The ids of a segment are worth asking for when something of it stands in the file. */
static bool segment_concerns_us(struct cr_seatdisk *disk, uint32_t segment)
{
    const struct cr_manifest *manifest = cr_version_manifest(disk->version);
    uint64_t first = (uint64_t)segment << CR_SEGMENT_SHIFT;
    uint32_t count = cr_segment_chunks(manifest->disk_bytes, segment);
    if (cr_id_is_hole(&manifest->segments[segment]))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (concerns_us(disk, first + i))
            return true;
    return false;
}

/* False = stop. */
static bool check_segment(struct cr_scrub *scrub, const struct cr_id *ids, uint64_t first,
                          uint32_t count)
{
    struct cr_seatdisk *disk = scrub->disk;
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i;
        while (end < count && (ids == NULL || cr_id_is_hole(&ids[end])))
            end++;
        if (end > i) {
            if (!pace(scrub, 0))
                return false;
            i = (uint32_t)(check_holes(scrub, first + i, first + end) - first);
            continue;
        }
        uint64_t index = first + i++;
        uint32_t bytes = cr_chunk_bytes(disk->file.disk_bytes, index);
        if (!concerns_us(disk, index))
            continue;
        if (!pace(scrub, bytes))
            return false;
        forget_pages(scrub, index, bytes);
        check_chunk(scrub, index, bytes);
        atomic_fetch_add(&scrub->chunks, 1);
    }
    return true;
}

/* One round; false = stop. */
static bool check_disk(struct cr_scrub *scrub)
{
    struct cr_seatdisk *disk = scrub->disk;
    const struct cr_manifest *manifest = cr_version_manifest(disk->version);
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        const struct cr_id *ids = NULL;
        if (!segment_concerns_us(disk, i) || cr_version_segment(disk->version, i, &ids, NULL) < 0)
            continue;
        if (!check_segment(scrub, ids, (uint64_t)i << CR_SEGMENT_SHIFT,
                           cr_segment_chunks(manifest->disk_bytes, i)))
            return false;
    }
    atomic_fetch_add(&scrub->rounds, 1);
    return true;
}

static void *work(void *context)
{
    struct cr_scrub *scrub = context;
    struct timespec next;
    do {
        clock_gettime(CLOCK_MONOTONIC, &next);
        scrub->due = next;
        next.tv_sec += scrub->rest_s;
    } while (check_disk(scrub) && wait_until(scrub, &next));
    return NULL;
}

/* --- from start to stop ---------------------------------------------------------------------- */

static void scrub_free(struct cr_scrub *scrub)
{
    pthread_mutex_destroy(&scrub->mutex);
    pthread_cond_destroy(&scrub->changed);
    free(scrub->scratch);
    free(scrub);
}

static struct cr_scrub *scrub_new(struct cr_seatdisk *disk, uint64_t bytes_s, unsigned rest_s)
{
    pthread_condattr_t monotonic;
    struct cr_scrub *scrub = cr_calloc(1, sizeof(*scrub));
    if (scrub == NULL)
        return NULL;
    scrub->disk = disk;
    scrub->bytes_s = bytes_s;
    scrub->rest_s = rest_s != 0 ? rest_s : REST_S;
    pthread_mutex_init(&scrub->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&scrub->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    scrub->scratch = malloc(CR_CHUNK_BYTES);
    if (scrub->scratch == NULL) {
        scrub_free(scrub);
        return NULL;
    }
    return scrub;
}

int cr_scrub_start(struct cr_seatdisk *disk, uint64_t bytes_s, unsigned rest_s,
                   struct cr_scrub **ret_scrub, struct cr_error *err)
{
    struct cr_scrub *scrub = scrub_new(disk, bytes_s, rest_s);
    if (scrub == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot scrub the cache");
    int r = -pthread_create(&scrub->thread, NULL, work, scrub);
    if (r < 0) {
        scrub_free(scrub);
        return cr_error_errno(err, r, "cannot scrub the cache");
    }
    *ret_scrub = scrub;
    return 0;
}

int cr_scrub_now(struct cr_seatdisk *disk, struct cr_scrub_stat *ret_stat, uint64_t *ret_left)
{
    struct cr_scrub *scrub = scrub_new(disk, 0, 0);
    if (scrub == NULL)
        return -ENOMEM;
    (void)check_disk(scrub);
    cr_scrub_stat(scrub, ret_stat);
    scrub_free(scrub);
    *ret_left = 0;
    for (uint64_t i = 0; i < cr_version_chunks(disk->version); i++)
        *ret_left += cr_keeper_misses(disk->keeper, i);
    return 0;
}

void cr_scrub_stop(struct cr_scrub *scrub)
{
    if (scrub == NULL)
        return;
    pthread_mutex_lock(&scrub->mutex);
    scrub->stop = true;
    pthread_cond_broadcast(&scrub->changed);
    pthread_mutex_unlock(&scrub->mutex);
    pthread_join(scrub->thread, NULL);
    scrub_free(scrub);
}

void cr_scrub_stat(struct cr_scrub *scrub, struct cr_scrub_stat *ret_stat)
{
    *ret_stat = (struct cr_scrub_stat){0};
    if (scrub == NULL)
        return;
    *ret_stat = (struct cr_scrub_stat){
        .chunks = atomic_load(&scrub->chunks),
        .wrong = atomic_load(&scrub->wrong),
        .rounds = atomic_load(&scrub->rounds),
    };
}
