/* SPDX-License-Identifier: MIT */
#include "client/cache/cache.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

/* Fetched at a time. */
#define STEP_BYTES (2 * CR_MIB)

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Wait as long as `bytes` since `start` take at the rate. */
static void pace(uint64_t rate_bytes, double start, uint64_t bytes)
{
    double wait = rate_bytes == 0 ? 0 : start + (double)bytes / (double)rate_bytes - now_s();
    if (wait <= 0)
        return;
    struct timespec span = {.tv_sec = (time_t)wait};
    span.tv_nsec = (long)((wait - (double)span.tv_sec) * 1e9);
    nanosleep(&span, NULL);
}

static void progress(uint64_t done, uint64_t all)
{
    static uint64_t told = UINT64_MAX;
    uint64_t percent = all == 0 ? 100 : done * 100 / all;
    if (percent == told || !isatty(STDERR_FILENO))
        return;
    told = percent;
    fprintf(stderr, "\rcarrel-cache: %" PRIu64 " %%%s", percent, done == all ? "\n" : "");
}

/* Of the step there is something that is no hole, or may be none, and does not stand in the file.
 */
static bool step_lacks(struct cr_seatdisk *disk, uint64_t offset, uint64_t len)
{
    for (uint64_t i = offset >> CR_CHUNK_SHIFT; i << CR_CHUNK_SHIFT < offset + len; i++)
        if (!cr_seatdisk_has(disk, i))
            return true;
    return false;
}

static int fill(const struct cache_options *options, struct cr_seatdisk *disk, struct cr_error *err)
{
    uint64_t disk_bytes = cr_version_disk_bytes(cr_seatdisk_version(disk)), filled = 0;
    double start = now_s();
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < disk_bytes; at += STEP_BYTES) {
        struct cr_seatdisk_stat before, after;
        uint64_t len = disk_bytes - at < STEP_BYTES ? disk_bytes - at : STEP_BYTES;
        progress(at, disk_bytes);
        if (!step_lacks(disk, at, len))
            continue;
        cr_seatdisk_stat(disk, &before);
        r = cr_seatdisk_prefetch(disk, len, at, err);
        cr_seatdisk_stat(disk, &after);
        filled += (after.pulled_chunks - before.pulled_chunks) * CR_CHUNK_BYTES;
        if (r == 0 && after.unkept_chunks > 0)
            return cr_error_set(err, -ENOSPC, "the cache cannot be written any more: make room");
        pace(options->rate_bytes, start, filled);
    }
    progress(disk_bytes, disk_bytes);
    if (r == 0 && cr_seatdisk_sync(disk) < 0)
        return cr_error_set(err, -EIO,
                            "what was filled cannot be made durable; see that the "
                            "cache's disk is healthy and has room");
    return r;
}

static int fill_report(const struct cache_options *options, struct cr_seatdisk *disk,
                       struct cr_error *err)
{
    char ref[CR_REF_TEXT], hex[CR_ID_HEX], bytes[CR_BYTES_TEXT];
    const struct cr_version *version = cr_seatdisk_version(disk);
    struct cr_seatdisk_stat stat;
    bool complete = cr_seatdisk_complete(disk);
    cr_seatdisk_stat(disk, &stat);
    cr_ref_format(cr_version_ref(version), ref);
    if (options->json)
        return report_print(
            json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "version", ref,
                      "root", cr_id_format(&cr_version_info(version)->root, hex), "complete",
                      complete, "present_chunks", (json_int_t)stat.present_chunks, "data_chunks",
                      (json_int_t)stat.data_chunks, "pulled_chunks", (json_int_t)stat.pulled_chunks,
                      "pulled_bytes", (json_int_t)stat.pulled_bytes, "cloned_chunks",
                      (json_int_t)stat.cloned_chunks, "old_chunks", (json_int_t)stat.old_chunks,
                      "delta_chunks", (json_int_t)stat.delta_chunks, "delta_bytes",
                      (json_int_t)stat.delta_bytes),
            err);
    printf("%s is %s: %" PRIu64 " chunks, %" PRIu64 " of them fetched (%s), %" PRIu64
           " of older versions\n",
           ref, complete ? "complete" : "not complete", stat.present_chunks, stat.pulled_chunks,
           cr_bytes_format(stat.pulled_bytes + stat.delta_bytes, bytes, sizeof(bytes)),
           stat.cloned_chunks + stat.old_chunks + stat.delta_chunks);
    return 0;
}

int cmd_fill(const struct cache_options *options, char **names, int count, struct cr_error *err)
{
    CLEANUP(served_close) struct served served = {0};
    CLEANUP_CLOSE int dir_fd = -1;
    struct cr_ref ref;
    if (count > 1)
        return cr_error_set(err, -EINVAL, "'fill' takes one version, not '%.100s' too", names[1]);
    int r = cr_ref_parse(names[0], &ref, err);
    if (r < 0)
        return r;
    r = cr_dir_make(AT_FDCWD, options->cache, 0700);
    if (r == 0) {
        dir_fd = open(options->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir_fd < 0 ? -errno : 0;
    }
    if (r < 0)
        return cr_error_errno(err, r, "cannot use the cache folder '%s'", options->cache);
    r = served_open(&served, options, dir_fd, &ref, NULL, err);
    if (r == 0)
        r = fill(options, served.disk, err);
    return r < 0 ? r : fill_report(options, served.disk, err);
}
