/* SPDX-License-Identifier: MIT */
/*
 * Fills the cache of a seat on a disk that logs its writes, and judges what a power cut left of it.
 *
 *     seatfill fill STORE CACHE LOG TOLD STEP_MS     fill disk@1, a few chunks each STEP_MS; TOLD
 * gets "ENTRIES MS CHUNKS" after each step seatfill judge STORE CACHE TOLD ENTRIES RAW    exit
 * status 1 with a reason when the cache, cut after ENTRIES of the log, breaks a promise
 *
 * The promises: each bit of the map has its data; what was filled two seconds before the cut has
 * its bit and is not fetched again; what is read is right; afterwards the cache fills up by itself.
 */
#include "lib/base/fd.h"
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/seatdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define STEP_CHUNKS 3
#define KEPT_MS     2000

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    puts("");
    return 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* How many entries the log has by now: the third number of its first sector. */
static uint64_t log_count(const char *path)
{
    uint8_t head[24] = {0};
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || cr_pread_full(fd, head, sizeof(head), 0) < 0 ? 0 : cr_get_le64(head + 16);
}

/* The chunks of data in the order in which they are filled: all over the disk. */
static size_t fill_order(struct cr_version *version, uint64_t *order)
{
    uint64_t chunks = cr_version_chunks(version);
    size_t count = 0;
    for (uint64_t i = 0; i < chunks; i++) {
        struct cr_id id;
        if (cr_version_chunk(version, i, &id, NULL) == 0 && !cr_id_is_hole(&id))
            order[count++] = i;
    }
    uint32_t seed = 4711;
    for (size_t i = count; i > 1; i--) {
        seed = seed * 1664525U + 1013904223U;
        size_t other = (seed >> 8) % i;
        uint64_t taken = order[i - 1];
        order[i - 1] = order[other];
        order[other] = taken;
    }
    return count;
}

static struct cr_seatdisk *disk_open(struct cr_store *store, const char *cache)
{
    struct cr_ref ref = {.name = "disk", .number = 1};
    struct cr_seatdisk *disk = NULL;
    struct cr_error err = {0};
    int dir_fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cr_seatdisk_options options = {.dir_fd = dir_fd};
    if (dir_fd < 0 || cr_seatdisk_open(store, &ref, &options, &disk, &err) < 0)
        fail("cannot open the cache '%s': %s", cache, err.text);
    cr_cleanup_close(&dir_fd);
    return disk;
}

static int fill(struct cr_store *store, char **argv)
{
    uint64_t step_ms = 0;
    CLEANUP_FCLOSE FILE *told = fopen(argv[4], "we");
    CLEANUP(cr_seatdisk_cleanup) struct cr_seatdisk *disk = disk_open(store, argv[2]);
    if (told == NULL || disk == NULL || cr_u64_parse(argv[5], 1000, &step_ms) < 0)
        return 2;
    struct cr_version *version = cr_seatdisk_version(disk);
    CLEANUP_FREE uint64_t *order = cr_calloc(cr_version_chunks(version), sizeof(*order));
    size_t count = fill_order(version, order);
    int64_t begun = now_ms();
    for (size_t i = 0; i < count; i++) {
        struct cr_error err = {0};
        if (cr_seatdisk_prefetch(disk, 1, order[i] << CR_CHUNK_SHIFT, &err) < 0)
            return fail("%s", err.text);
        if (i % STEP_CHUNKS != 0)
            continue;
        fprintf(told, "%" PRIu64 " %" PRId64 " %zu\n", log_count(argv[3]), now_ms() - begun, i + 1);
        fflush(told);
        nanosleep(&(struct timespec){.tv_nsec = (long)step_ms * 1000000}, NULL);
    }
    return 0;
}

/* --- judging -----------------------------------------------------------------------------------
 */

struct line {
    uint64_t entries, ms, chunks;
};

static bool line_parse(const char *text, struct line *line)
{
    uint64_t *const numbers[] = {&line->entries, &line->ms, &line->chunks};
    for (size_t i = 0; i < CR_ARRAY_LEN(numbers); i++) {
        if (cr_u64_take(&text, UINT64_MAX, numbers[i]) < 0)
            return false;
        text += *text == ' ';
    }
    return true;
}

/* How many chunks were filled KEPT_MS before a cut after `entries`. */
static uint64_t must_have(const char *path, uint64_t entries)
{
    CLEANUP_FCLOSE FILE *told = fopen(path, "re");
    struct line lines[4096];
    char text[128];
    size_t count = 0;
    uint64_t must = 0, cut_ms = 0;
    while (told != NULL && count < CR_ARRAY_LEN(lines) && fgets(text, sizeof(text), told) != NULL)
        count += line_parse(text, &lines[count]);
    for (size_t i = 0; i < count && lines[i].entries <= entries; i++)
        cut_ms = lines[i].ms;
    for (size_t i = 0; i < count && lines[i].ms + KEPT_MS <= cut_ms; i++)
        must = lines[i].chunks;
    return must;
}

/* Each bit has its data, and what must have a bit has it. */
static int judge_map(const char *cache, struct cr_version *version, const uint64_t *order,
                     uint64_t must)
{
    char path[256], name[CR_MAPFILE_NAME];
    uint8_t plain[CR_CHUNK_BYTES];
    struct cr_chunkfile file;
    struct cr_map map = {0};
    struct cr_id id, found;
    const struct cr_id *root = &cr_version_info(version)->root;
    uint64_t disk_bytes = cr_version_disk_bytes(version);
    CLEANUP_FREE uint8_t *bits = cr_calloc(cr_map_bits_bytes(disk_bytes), 1);
    snprintf(path, sizeof(path), "%s/disks", cache);
    CLEANUP_CLOSE int disks_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)cr_mapfile_look(disks_fd, cr_mapfile_name(root, name), root, disk_bytes, &map, bits);
    for (uint64_t i = 0; i < must; i++)
        if (!cr_bit_get(bits, order[i]))
            return fail("chunk %" PRIu64 " was filled two seconds before and has no bit", order[i]);
    if (map.present_chunks == 0)
        return 0;
    if (cr_chunkfile_look(&file, disks_fd, root, disk_bytes) < 0)
        return fail("there is a map and no file of the disk's size");
    for (uint64_t i = 0; i < cr_version_chunks(version); i++) {
        uint32_t len = cr_chunk_bytes(disk_bytes, i);
        if (!cr_bit_get(bits, i) && !cr_map_is_complete(&map))
            continue;
        if (cr_pread_full(file.fd, plain, len, i << CR_CHUNK_SHIFT) < 0 ||
            cr_version_chunk(version, i, &id, NULL) < 0)
            return fail("chunk %" PRIu64 " cannot be read", i);
        cr_hash(plain, len, &found);
        if (cr_id_is_hole(&id) ? !cr_is_zero(plain, len) : !cr_id_equal(&id, &found))
            return fail("chunk %" PRIu64 " has a bit, and its data is not there", i);
    }
    cr_chunkfile_done(&file);
    return 0;
}

/* Reading through the cache gives the disk, and fetches only what may be missing. */
static int judge_reads(struct cr_seatdisk *disk, const char *raw, uint64_t count, uint64_t must)
{
    uint8_t found[CR_CHUNK_BYTES], right[CR_CHUNK_BYTES];
    struct cr_seatdisk_stat stat;
    struct cr_error err = {0};
    uint64_t disk_bytes = cr_version_disk_bytes(cr_seatdisk_version(disk));
    CLEANUP_CLOSE int fd = open(raw, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = 0; at < disk_bytes; at += CR_CHUNK_BYTES) {
        uint32_t len = cr_chunk_bytes(disk_bytes, at >> CR_CHUNK_SHIFT);
        if (cr_pread_full(fd, right, len, at) < 0 ||
            cr_seatdisk_read(disk, found, len, at, &err) < 0)
            return fail("cannot read: %s", err.text);
        if (memcmp(found, right, len) != 0)
            return fail("wrong bytes are served at %" PRIu64, at);
    }
    cr_seatdisk_stat(disk, &stat);
    if (stat.pulled_chunks > count - must)
        return fail("%" PRIu64 " chunks were fetched again", stat.pulled_chunks - (count - must));
    if (cr_seatdisk_sync(disk) < 0 || !cr_seatdisk_complete(disk))
        return fail("the cache does not fill up again");
    return 0;
}

static int judge(struct cr_store *store, char **argv)
{
    struct cr_ref ref = {.name = "disk", .number = 1};
    struct cr_error err = {0};
    uint64_t entries = 0;
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    if (cr_u64_parse(argv[4], UINT64_MAX, &entries) < 0 ||
        cr_version_open(store, &ref, &version, &err) < 0)
        return fail("%s", err.text);
    CLEANUP_FREE uint64_t *order = cr_calloc(cr_version_chunks(version), sizeof(*order));
    size_t count = fill_order(version, order);
    uint64_t must = must_have(argv[3], entries);
    int status = judge_map(argv[2], version, order, must);
    if (status != 0)
        return status;
    CLEANUP(cr_seatdisk_cleanup) struct cr_seatdisk *disk = disk_open(store, argv[2]);
    return disk == NULL ? 1 : judge_reads(disk, argv[5], count, must);
}

int main(int argc, char **argv)
{
    struct cr_store *store = NULL;
    struct cr_error err = {0};
    if (argc != 7)
        return 2;
    if (cr_store_open(argv[2], &store, &err) < 0)
        return fail("%s", err.text);
    int status = strcmp(argv[1], "fill") == 0 ? fill(store, argv + 1) : judge(store, argv + 1);
    cr_store_close(store);
    return status;
}
