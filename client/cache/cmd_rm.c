/* SPDX-License-Identifier: MIT */
#include "client/cache/cache.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

static int version_remove(const struct folder *folder, const struct cr_cached *cached,
                          const struct cache_options *options, json_t *report, struct cr_error *err)
{
    char name[CR_REF_TEXT], bytes[CR_BYTES_TEXT];
    int r = cr_cached_remove(folder->disks_fd, &cached->root, err);
    if (r < 0)
        return cr_error_prefix(err, r, "'%s'", cached_name(cached, name));
    json_t *removed = cached_json(cached);
    json_object_set_new(removed, "file_bytes", json_integer((json_int_t)cached->file_bytes));
    json_array_append_new(report, removed);
    if (!options->json)
        printf("removed %s, %s\n", cached_name(cached, name),
               cr_bytes_format(cached->file_bytes, bytes, sizeof(bytes)));
    return 0;
}

int cmd_rm(const struct cache_options *options, char **names, int count, struct cr_error *err)
{
    CLEANUP(folder_close) struct folder folder;
    int r = folder_open(options->cache, &folder, err);
    if (r == 0)
        r = folder_choose(&folder, names, count, err);
    if (r < 0)
        return r;
    json_t *report = json_array();
    for (size_t i = 0; r == 0 && i < folder.count; i++)
        r = version_remove(&folder, &folder.list[i], options, report, err);
    cr_cached_sweep(folder.disks_fd, folder.objects_fd);
    if (options->json && r == 0)
        return report_print(report, err);
    json_decref(report);
    return r;
}
