/* SPDX-License-Identifier: MIT */
#include "client/cache/cache.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <time.h>

/* How much of the version is there, for people. */
static const char *complete_text(const struct cr_map *map, bool has_map, char out[static 16])
{
    if (!has_map)
        snprintf(out, 16, "no map");
    else if (map->data_chunks == CR_MAP_UNKNOWN)
        snprintf(out, 16, "part");
    else if (cr_map_is_complete(map))
        snprintf(out, 16, "complete");
    else /* rounded down: what is not all is not 100 % */
        snprintf(out, 16, "%u %%", (unsigned)(map->present_chunks * 100 / map->data_chunks));
    return out;
}

static json_t *version_json(const struct folder *folder, const struct cr_cached *cached)
{
    json_t *version = cached_json(cached);
    const struct cr_map *map = &cached->map;
    bool known = map->data_chunks != CR_MAP_UNKNOWN;
    json_object_update_new(
        version,
        json_pack("{s:b, s:I, s:o, s:I, s:I, s:I, s:b, s:b}", "complete",
                  cached->has_map && cr_map_is_complete(map), "present_chunks",
                  (json_int_t)map->present_chunks, "data_chunks",
                  known ? json_integer((json_int_t)map->data_chunks) : json_null(), "disk_bytes",
                  (json_int_t)cached->disk_bytes, "file_bytes", (json_int_t)cached->file_bytes,
                  "used", (json_int_t)map->used_s, "has_map", cached->has_map, "in_use",
                  cr_cached_in_use(folder->disks_fd, &cached->root)));
    return version;
}

static void version_print(const struct folder *folder, const struct cr_cached *cached)
{
    char name[CR_REF_TEXT], hex[CR_ID_HEX], bytes[CR_BYTES_TEXT], complete[16], used[32] = "-";
    time_t used_s = (time_t)cached->map.used_s;
    struct tm when;
    if (localtime_r(&used_s, &when) != NULL)
        strftime(used, sizeof(used), "%Y-%m-%d %H:%M", &when);
    printf("%-24s %.12s  %-9s %9s  %s%s\n", cached_name(cached, name),
           cr_id_format(&cached->root, hex), complete_text(&cached->map, cached->has_map, complete),
           cr_bytes_format(cached->file_bytes, bytes, sizeof(bytes)), used,
           cr_cached_in_use(folder->disks_fd, &cached->root) ? "  in use" : "");
}

int cmd_ls(const struct cache_options *options, char **names, int count, struct cr_error *err)
{
    CLEANUP(folder_close) struct folder folder;
    int r = folder_open(options->cache, &folder, err);
    if (r == 0)
        r = folder_choose(&folder, names, count, err);
    if (r < 0)
        return r;
    if (!options->json) {
        for (size_t i = folder.count; i-- > 0;)
            version_print(&folder, &folder.list[i]);
        return 0;
    }
    json_t *report = json_array();
    for (size_t i = folder.count; i-- > 0;)
        json_array_append_new(report, version_json(&folder, &folder.list[i]));
    return report_print(report, err);
}
