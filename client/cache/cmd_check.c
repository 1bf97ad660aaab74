/* SPDX-License-Identifier: MIT */
/* verify and fsck: both hash what is there. */
#include "client/cache/cache.h"
#include "lib/base/mem.h"
#include "lib/seatcache/check.h"
#include "lib/seatcache/scrub.h"

#include <errno.h>
#include <inttypes.h>

/* Fetch what is damaged in a version. *ret_left = what remains so. */
static int repair(const struct cache_options *options, const struct folder *folder,
                  const struct cr_cached *cached, uint64_t *ret_left, struct cr_error *err)
{
    char name[CR_REF_TEXT];
    CLEANUP(served_close) struct served served;
    struct cr_ref ref = {.number = cached->map.number};
    struct cr_version_info known = {
        .number = cached->map.number,
        .root = cached->root,
        .disk_bytes = cached->disk_bytes,
    };
    struct cr_scrub_stat stat;
    served = (struct served){0};
    if (cached->map.image[0] == '\0')
        return cr_error_set(err, -ENOENT,
                            "which image '%s' is of is not known; 'carrel-cache fill' learns it, "
                            "then verify again",
                            cached_name(cached, name));
    memcpy(ref.name, cached->map.image, sizeof(ref.name));
    int r = served_open(&served, options, folder->dir_fd, &ref, &known, err);
    if (r == 0)
        r = cr_scrub_now(served.disk, &stat, ret_left);
    if (r == 0)
        r = cr_seatdisk_sync(served.disk);
    return r < 0 && err->text[0] == '\0'
               ? cr_error_errno(err, r, "cannot mend '%s'", cached_name(cached, name))
               : r;
}

static void check_report(const struct cache_options *options, const struct cr_cached *cached,
                         const struct cr_check *check, uint64_t mended, json_t *report)
{
    char name[CR_REF_TEXT];
    json_t *version = cached_json(cached);
    json_object_update_new(
        version,
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "right", (json_int_t)check->right,
                  "wrong", (json_int_t)check->wrong, "absent", (json_int_t)check->absent, "unknown",
                  (json_int_t)check->unknown, "dirty_holes", (json_int_t)check->dirty_holes, "lost",
                  (json_int_t)check->lost, "found", (json_int_t)check->found, "mended",
                  (json_int_t)mended));
    json_array_append_new(report, version);
    if (options->json)
        return;
    printf("%s: %" PRIu64 " chunks are right, %" PRIu64 " are damaged, %" PRIu64 " are not there",
           cached_name(cached, name), check->right, check->wrong + check->dirty_holes,
           check->absent);
    if (check->unknown > 0)
        printf(", %" PRIu64 " cannot be judged", check->unknown);
    if (check->found > 0)
        printf(", %" PRIu64 " were missing in the map", check->found);
    if (mended > 0)
        printf("; %" PRIu64 " were mended", mended);
    puts("");
}

static int verify_one(const struct cache_options *options, const struct folder *folder,
                      const struct cr_cached *cached, json_t *report, uint64_t *damaged,
                      struct cr_error *err)
{
    struct cr_check check;
    int r = cr_check_verify(folder->disks_fd, folder->objects_fd, cached, &check, err);
    if (r < 0)
        return r;
    uint64_t wrong = check.wrong + check.dirty_holes, left = wrong;
    if (wrong > 0 && options->server != NULL)
        r = repair(options, folder, cached, &left, err);
    if (r == 0)
        check_report(options, cached, &check, wrong > left ? wrong - left : 0, report);
    *damaged += left;
    return r;
}

static int fsck_one(const struct cache_options *options, const struct folder *folder,
                    const struct cr_cached *cached, json_t *report, uint64_t *damaged,
                    struct cr_error *err)
{
    struct cr_check check;
    (void)damaged; /* nothing is, after that */
    int r = cr_check_mend(folder->disks_fd, folder->objects_fd, cached, &check, err);
    if (r == 0)
        check_report(options, cached, &check, check.wrong + check.dirty_holes, report);
    return r;
}

typedef int check_one(const struct cache_options *options, const struct folder *folder,
                      const struct cr_cached *cached, json_t *report, uint64_t *damaged,
                      struct cr_error *err);

static int check_all(const struct cache_options *options, char **names, int count, check_one *one,
                     struct cr_error *err)
{
    CLEANUP(folder_close) struct folder folder;
    uint64_t damaged = 0;
    int r = folder_open(options->cache, &folder, err);
    if (r == 0)
        r = folder_choose(&folder, names, count, err);
    if (r < 0)
        return r;
    json_t *report = json_array();
    for (size_t i = 0; r == 0 && i < folder.count; i++)
        r = one(options, &folder, &folder.list[i], report, &damaged, err);
    if (options->json && r == 0)
        r = report_print(report, err);
    else
        json_decref(report);
    if (r == 0 && damaged > 0)
        return cr_error_set(err, -EBADMSG,
                            "%" PRIu64 " chunks of the cache are damaged; carrel-blockd finds and "
                            "fetches them when they are read, 'verify --server URL' does so now",
                            damaged);
    return r;
}

int cmd_verify(const struct cache_options *options, char **names, int count, struct cr_error *err)
{
    return check_all(options, names, count, verify_one, err);
}

int cmd_fsck(const struct cache_options *options, char **names, int count, struct cr_error *err)
{
    return check_all(options, names, count, fsck_one, err);
}
