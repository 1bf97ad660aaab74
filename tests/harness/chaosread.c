/* SPDX-License-Identifier: MIT */
/*
 * Reads a whole version as a seat does, from a server that may do anything, and compares it with
 * the disk that it was made from: chaosread URI IMAGE CACHE_DIR RAW_FILE SEED
 *
 * Reads of random sizes at random places by several threads, all of the disk at the end. A read
 * that fails is counted and tried again. Prints one JSON object. Exit status 1 when a byte was
 * wrong, 2 when the disk could not be read in the end.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/https.h"
#include "lib/seatcache/seatdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define THREADS     3
#define READS       40
#define READ_MAX    (300 * 1024)
#define ATTEMPT_MAX 60 /* of one read, or of the opening */

static struct {
    struct cr_seatdisk *disk;
    const uint8_t *raw;
    uint64_t bytes;
    uint64_t seed;
    atomic_ulong reads, failed, wrong, given_up;
    atomic_ulong slowest_ms;
    pthread_mutex_t mutex;
    struct cr_error last; /* of a read that failed */
} world = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void note_time(uint64_t ms)
{
    unsigned long slowest = atomic_load(&world.slowest_ms);
    while (ms > slowest && !atomic_compare_exchange_weak(&world.slowest_ms, &slowest, ms))
        ;
}

static void read_at(uint64_t offset, size_t len, uint8_t *buffer)
{
    for (unsigned attempt = 0; attempt < ATTEMPT_MAX; attempt++) {
        struct cr_error err = {0};
        uint64_t began = now_ms();
        memset(buffer, 0xa5, len);
        int r = cr_seatdisk_read(world.disk, buffer, len, offset, &err);
        note_time(now_ms() - began);
        atomic_fetch_add(&world.reads, 1);
        if (r == 0) {
            if (memcmp(buffer, world.raw + offset, len) != 0)
                atomic_fetch_add(&world.wrong, 1);
            return;
        }
        atomic_fetch_add(&world.failed, 1);
        pthread_mutex_lock(&world.mutex);
        world.last = err;
        pthread_mutex_unlock(&world.mutex);
    }
    atomic_fetch_add(&world.given_up, 1);
}

/* xorshift64*: the same reads for the same seed. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

static void *reader(void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument;
    uint64_t state = (world.seed + 1) * 1000003 + number * 7919 + 1;
    CLEANUP_FREE uint8_t *buffer = malloc(READ_MAX);
    if (buffer == NULL)
        abort();
    for (unsigned i = 0; i < READS; i++) {
        uint64_t offset = next_random(&state) % world.bytes;
        uint64_t len = next_random(&state) % READ_MAX + 1;
        read_at(offset, len < world.bytes - offset ? len : world.bytes - offset, buffer);
    }
    /* All of it, the threads from different places on. */
    for (uint64_t done = 0, at = world.bytes / THREADS * number; done < world.bytes;) {
        uint64_t len = world.bytes - at < READ_MAX ? world.bytes - at : READ_MAX;
        read_at(at, len, buffer);
        done += len;
        at = (at + len) % world.bytes;
    }
    return NULL;
}

static int raw_open(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    world.bytes = (uint64_t)st.st_size;
    world.raw = mmap(NULL, world.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    return world.raw == MAP_FAILED ? -errno : 0;
}

static int disk_open(struct cr_store *store, const char *image, const char *cache,
                     unsigned *ret_failed)
{
    struct cr_ref ref;
    CLEANUP_CLOSE int dir_fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cr_seatdisk_options options = {.dir_fd = dir_fd};
    int r = dir_fd < 0 ? -errno : cr_ref_parse(image, &ref, &world.last);
    for (unsigned attempt = 0; r == 0 && attempt < ATTEMPT_MAX; attempt++) {
        uint64_t began = now_ms();
        r = cr_seatdisk_open(store, &ref, &options, &world.disk, &world.last);
        note_time(now_ms() - began);
        if (r == 0)
            return 0;
        (*ret_failed)++;
        r = 0;
    }
    return r < 0 ? r : -EIO;
}

int main(int argc, char **argv)
{
    struct cr_store *store = NULL;
    struct cr_error err = {0};
    unsigned failed_openings = 0;
    uint64_t began = now_ms();
    pthread_t threads[THREADS];
    if (argc != 6 || cr_u64_parse(argv[5], UINT32_MAX, &world.seed) < 0 || raw_open(argv[4]) < 0 ||
        cr_https_open(argv[1], &store, &err) < 0) {
        fprintf(stderr, "chaosread: %s\n",
                err.text[0] != '\0' ? err.text : "URI IMAGE CACHE_DIR RAW_FILE SEED");
        return 2;
    }
    if (disk_open(store, argv[2], argv[3], &failed_openings) < 0) {
        fprintf(stderr, "chaosread: %s\n", world.last.text);
        return 2;
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, reader, (void *)i) != 0)
            abort();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct cr_https_stat net = {0};
    cr_https_stat(store, &net);
    printf("{\"reads\": %lu, \"failed_openings\": %u, \"failed_reads\": %lu, \"wrong\": %lu, "
           "\"given_up\": %lu, \"slowest_ms\": %lu, \"ms\": %" PRIu64 ", \"retries\": %" PRIu64
           "}\n",
           atomic_load(&world.reads), failed_openings, atomic_load(&world.failed),
           atomic_load(&world.wrong), atomic_load(&world.given_up), atomic_load(&world.slowest_ms),
           now_ms() - began, net.retries);
    if (atomic_load(&world.failed) > 0)
        fprintf(stderr, "chaosread: %s\n", world.last.text);
    cr_seatdisk_close(world.disk);
    cr_store_close(store);
    return atomic_load(&world.wrong) > 0 ? 1 : atomic_load(&world.given_up) > 0 ? 2 : 0;
}
