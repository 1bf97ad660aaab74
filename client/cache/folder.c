/* SPDX-License-Identifier: MIT */
#include "client/cache/cache.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>

/* Digits of a root that name a version: fewer could be an image's name, and are too few anyway. */
#define ROOT_DIGITS_MIN 8U

static int part_open(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int folder_open(const char *path, struct folder *folder, struct cr_error *err)
{
    *folder = (struct folder){.dir_fd = -1, .disks_fd = -1, .objects_fd = -1};
    folder->dir_fd = part_open(AT_FDCWD, path);
    if (folder->dir_fd < 0)
        return cr_error_errno(err, folder->dir_fd, "cannot open the cache folder '%s'", path);
    folder->disks_fd = part_open(folder->dir_fd, "disks");
    folder->objects_fd = part_open(folder->dir_fd, "objects");
    if (folder->disks_fd < 0 || folder->objects_fd < 0)
        return cr_error_set(err, -ENOENT,
                            "'%s' is no cache folder: it has no folders 'disks' and 'objects'; "
                            "carrel-blockd makes them, and so does 'carrel-cache fill'",
                            path);
    return cr_cached_list(folder->disks_fd, &folder->list, &folder->count, err);
}

void folder_close(struct folder *folder)
{
    cr_cleanup_close(&folder->dir_fd);
    cr_cleanup_close(&folder->disks_fd);
    cr_cleanup_close(&folder->objects_fd);
    free(folder->list);
}

static bool is_named(const struct cr_cached *cached, const char *name)
{
    struct cr_ref ref;
    char hex[CR_ID_HEX];
    cr_id_format(&cached->root, hex);
    size_t len = strlen(name);
    if (len >= ROOT_DIGITS_MIN && strncmp(hex, name, len) == 0)
        return true;
    return cr_ref_parse(name, &ref, NULL) == 0 && ref.channel[0] == '\0' &&
           strcmp(ref.name, cached->map.image) == 0 &&
           (ref.number == 0 || ref.number == cached->map.number);
}

int folder_choose(struct folder *folder, char **names, int count, struct cr_error *err)
{
    size_t chosen = 0;
    if (count == 0)
        return 0;
    for (int n = 0; n < count; n++) {
        bool found = false;
        for (size_t i = 0; i < folder->count; i++)
            found = found || is_named(&folder->list[i], names[n]);
        if (!found)
            return cr_error_set(err, -ENOENT,
                                "no version '%.100s' is in the cache; 'carrel-cache ls' tells "
                                "which are",
                                names[n]);
    }
    for (size_t i = 0; i < folder->count; i++) {
        bool wanted = false;
        for (int n = 0; n < count; n++)
            wanted = wanted || is_named(&folder->list[i], names[n]);
        if (wanted)
            folder->list[chosen++] = folder->list[i];
    }
    folder->count = chosen;
    return 0;
}

const char *cached_name(const struct cr_cached *cached, char out[static CR_REF_TEXT])
{
    char hex[CR_ID_HEX];
    struct cr_ref ref = {.number = cached->map.number};
    if (cached->map.image[0] == '\0') {
        snprintf(out, CR_REF_TEXT, "%.12s...", cr_id_format(&cached->root, hex));
        return out;
    }
    memcpy(ref.name, cached->map.image, sizeof(ref.name));
    return cr_ref_format(&ref, out);
}

json_t *cached_json(const struct cr_cached *cached)
{
    char hex[CR_ID_HEX], name[CR_REF_TEXT];
    json_t *version =
        cached->map.image[0] == '\0' ? json_null() : json_string(cached_name(cached, name));
    return json_pack("{s:o, s:s}", "version", version, "root", cr_id_format(&cached->root, hex));
}

int report_print(json_t *report, struct cr_error *err)
{
    int r = json_dumpf(report, stdout, JSON_INDENT(1));
    json_decref(report);
    return r < 0 || puts("") < 0 ? cr_error_errno(err, -EIO, "cannot print the report") : 0;
}
