/* SPDX-License-Identifier: MIT */
/*
 * Flips single bits in the cache of a seat, one after the other, and asks after each what became of
 * it:
 *
 *     seatflip read STORE CACHE RAW N     in the file, while it is served: no read gives a wrong
 * byte seatflip scrub STORE CACHE RAW N    in the file: a scrub finds each and makes the file whole
 * again seatflip map STORE CACHE RAW N      in the map of a version that is half there: no bit is
 * ever believed that has no data
 *
 * Exit status 1 with a reason at the first broken promise.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/scrub.h"
#include "lib/seatcache/seatdisk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Flips between two looks at the whole file. */
#define LOOK_EVERY 50

struct site {
    struct cr_store *store;
    int dir_fd, raw_fd;
    uint64_t flips, disk_bytes;
    struct cr_id root;
    struct cr_seatdisk *disk;
    uint64_t chance;
};

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

static uint64_t any_below(struct site *site, uint64_t end)
{
    site->chance = site->chance * 6364136223846793005U + 1442695040888963407U;
    return (site->chance >> 20) % end;
}

static int disk_open(struct site *site)
{
    struct cr_ref ref = {.name = "disk", .number = 1};
    struct cr_error err = {0};
    struct cr_seatdisk_options options = {.dir_fd = site->dir_fd};
    if (cr_seatdisk_open(site->store, &ref, &options, &site->disk, &err) < 0)
        return fail("%s", err.text);
    const struct cr_version *version = cr_seatdisk_version(site->disk);
    site->disk_bytes = cr_version_disk_bytes(version);
    site->root = cr_version_info(version)->root;
    return 0;
}

static int file_open(const struct site *site, bool map)
{
    char name[CR_CHUNKFILE_NAME], path[CR_CHUNKFILE_NAME + 8];
    if (map)
        cr_mapfile_name(&site->root, name);
    else
        cr_chunkfile_name(&site->root, name);
    snprintf(path, sizeof(path), "disks/%s", name);
    return openat(site->dir_fd, path, O_RDWR | O_CLOEXEC);
}

static void bit_flip(int fd, uint64_t bit)
{
    uint8_t byte = 0;
    (void)cr_pread_full(fd, &byte, 1, bit / 8);
    byte ^= (uint8_t)(1U << bit % 8);
    (void)cr_pwrite_full(fd, &byte, 1, bit / 8);
}

static bool file_is_right(const struct site *site, int fd)
{
    uint8_t found[CR_CHUNK_BYTES], right[CR_CHUNK_BYTES];
    for (uint64_t at = 0; at < site->disk_bytes; at += CR_CHUNK_BYTES) {
        uint32_t len = cr_chunk_bytes(site->disk_bytes, at >> CR_CHUNK_SHIFT);
        if (cr_pread_full(fd, found, len, at) < 0 ||
            cr_pread_full(site->raw_fd, right, len, at) < 0 || memcmp(found, right, len) != 0)
            return false;
    }
    return true;
}

/* --- read --------------------------------------------------------------------------------------
 */

static int flip_and_read(struct site *site)
{
    uint8_t found[2 * CR_CHUNK_BYTES], right[2 * CR_CHUNK_BYTES];
    struct cr_error err = {0};
    CLEANUP_CLOSE int fd = file_open(site, false);
    for (uint64_t i = 0; i < site->flips; i++) {
        uint64_t bit = any_below(site, site->disk_bytes * 8);
        uint64_t from =
            bit / 8 - any_below(site, bit / 8 < CR_CHUNK_BYTES ? bit / 8 + 1 : CR_CHUNK_BYTES);
        size_t len = (size_t)(bit / 8 - from + 1 + any_below(site, 4096));
        len = from + len > site->disk_bytes ? (size_t)(site->disk_bytes - from) : len;
        /* The chunk was read a moment ago, and another one so that it is not in memory any more. */
        bit_flip(fd, bit);
        for (uint64_t other = 0; i % 4 == 0 && other < 80; other++)
            (void)cr_seatdisk_read(site->disk, found, 512, other << CR_CHUNK_SHIFT, &err);
        if (cr_seatdisk_read(site->disk, found, len, from, &err) < 0)
            return fail("%s", err.text);
        if (cr_pread_full(site->raw_fd, right, len, from) < 0 || memcmp(found, right, len) != 0)
            return fail("flip %" PRIu64 ": wrong bytes are served", i);
    }
    return 0;
}

/* --- scrub -------------------------------------------------------------------------------------
 */

static int flip_and_scrub(struct site *site)
{
    CLEANUP_CLOSE int fd = file_open(site, false);
    for (uint64_t i = 0; i < site->flips; i += LOOK_EVERY) {
        struct cr_scrub_stat stat;
        uint64_t left = 0;
        for (int n = 0; n < LOOK_EVERY; n++)
            bit_flip(fd, any_below(site, site->disk_bytes * 8));
        if (cr_scrub_now(site->disk, &stat, &left) < 0 || left > 0)
            return fail("%" PRIu64 " chunks are not mended", left);
        if (!file_is_right(site, fd))
            return fail("after %" PRIu64 " flips and a scrub the file is not the disk",
                        i + LOOK_EVERY);
        if (cr_seatdisk_sync(site->disk) < 0 || !cr_seatdisk_complete(site->disk))
            return fail("after %" PRIu64 " flips and a scrub the version is not complete", i);
    }
    return 0;
}

/* --- map ---------------------------------------------------------------------------------------
 */

/* The map is looked at as an agent does that asks whether the file may be opened. */
static int map_is_believed_rightly(const struct site *site, const uint8_t *whole, uint64_t flip)
{
    char name[CR_MAPFILE_NAME];
    struct cr_map map;
    uint8_t bits[8192];
    CLEANUP_CLOSE int disks_fd = openat(site->dir_fd, "disks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cr_mapfile_look(disks_fd, cr_mapfile_name(&site->root, name), &site->root, site->disk_bytes,
                        &map, bits) < 0)
        return 0;
    for (size_t i = 0; i < cr_map_bits_bytes(site->disk_bytes); i++)
        if (bits[i] & ~whole[i])
            return fail("flip %" PRIu64 ": a bit without data is believed", flip);
    if (cr_map_is_complete(&map))
        return fail("flip %" PRIu64 ": a part is believed to be all", flip);
    return 0;
}

static int flip_and_look(struct site *site)
{
    char name[CR_MAPFILE_NAME];
    uint8_t whole[8192];
    struct cr_map map;
    struct stat st;
    CLEANUP_CLOSE int fd = file_open(site, true);
    CLEANUP_CLOSE int disks_fd = openat(site->dir_fd, "disks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_seatdisk_close(TAKE_PTR(site->disk));
    if (cr_mapfile_look(disks_fd, cr_mapfile_name(&site->root, name), &site->root, site->disk_bytes,
                        &map, whole) < 0 ||
        map.present_chunks == 0 || cr_map_is_complete(&map) || fstat(fd, &st) < 0)
        return fail("the map is not half full");
    /* Half of the flips where the fields and bits are, in either slot; they stay for a while. */
    for (uint64_t i = 0; i < site->flips; i++) {
        uint64_t slot = any_below(site, 2) * (uint64_t)st.st_size / 2;
        uint64_t span = i % 2 == 0 ? CR_MAP_HEADER + cr_map_bits_bytes(site->disk_bytes)
                                   : (uint64_t)st.st_size / 2;
        uint64_t bit = slot * 8 + any_below(site, span * 8);
        bit_flip(fd, bit);
        int status = map_is_believed_rightly(site, whole, i);
        if (status != 0)
            return status;
        bit_flip(fd, bit);
    }
    return 0;
}

/* --- all ---------------------------------------------------------------------------------------
 */

int main(int argc, char **argv)
{
    struct site site = {.chance = 4711};
    struct cr_error err = {0};
    int status = 2;
    if (argc != 6 || cr_u64_parse(argv[5], UINT32_MAX, &site.flips) < 0)
        return 2;
    bool half = strcmp(argv[1], "map") == 0;
    site.dir_fd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    site.raw_fd = open(argv[4], O_RDONLY | O_CLOEXEC);
    if (cr_store_open(argv[2], &site.store, &err) < 0 || disk_open(&site) != 0)
        return fail("%s", err.text);
    uint64_t bytes = half ? site.disk_bytes / 2 : site.disk_bytes;
    if (cr_seatdisk_prefetch(site.disk, bytes, 0, &err) < 0 || cr_seatdisk_sync(site.disk) < 0)
        return fail("%s", err.text);
    if (half)
        status = flip_and_look(&site);
    else
        status = strcmp(argv[1], "read") == 0 ? flip_and_read(&site) : flip_and_scrub(&site);
    cr_seatdisk_close(site.disk);
    cr_store_close(site.store);
    return status;
}
