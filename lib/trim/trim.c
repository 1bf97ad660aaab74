/* SPDX-License-Identifier: MIT */
#include "lib/trim/trim.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trim/free.h"
#include "lib/trim/partitions.h"
#include "lib/trim/view.h"

#include <errno.h>
#include <fcntl.h>

static const struct {
    const char *type; /* libblkid's name */
    cr_trim_free_fn *find;
} kinds[] = {
    {"ext2", cr_trim_free_ext}, {"ext3", cr_trim_free_ext},  {"ext4", cr_trim_free_ext},
    {"xfs", cr_trim_free_xfs},  {"ntfs", cr_trim_free_ntfs},
};

static cr_trim_free_fn *kind_find(const char *type)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].find;
    return NULL;
}

void cr_trim_report_done(struct cr_trim_report *report)
{
    free(report->items);
    *report = (struct cr_trim_report){0};
}

/* Trim one file system, or say why not. Returns 0 or -ENOMEM. */
static int place_trim(const struct cr_trim_place *place, struct cr_trim_found *found,
                      struct cr_extents *free_space)
{
    cr_trim_free_fn *find = kind_find(found->type);
    if (found->not_trimmed[0] != '\0')
        return 0;
    if (find == NULL) {
        snprintf(found->not_trimmed, sizeof(found->not_trimmed),
                 "this type is taken whole, only ext2, ext3, ext4, XFS and NTFS are known");
        return 0;
    }
    CLEANUP_EXTENTS struct cr_extents free_here = {0};
    struct cr_error why = {0};
    int r = find(place, &free_here, &why);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        snprintf(found->not_trimmed, sizeof(found->not_trimmed), "%.*s",
                 (int)sizeof(found->not_trimmed) - 1, why.text);
        return 0;
    }
    found->free_bytes = cr_extents_bytes(&free_here);
    return cr_extents_add_all(free_space, &free_here);
}

int cr_trim_find(const struct cr_trim_disk *disk, struct cr_extents *free_space,
                 struct cr_trim_report *ret_report, struct cr_error *err)
{
    CLEANUP_VIEW struct cr_view view = {0};
    CLEANUP(cr_trim_report_done) struct cr_trim_report report = {0};
    CLEANUP_EXTENTS struct cr_extents found = {0};
    const char *path = disk->raw_path;
    int r = 0;
    if (path == NULL) {
        r = cr_view_open(&view, disk->nbd_socket, 0, disk->size_bytes, err);
        if (r < 0)
            return cr_error_prefix(err, r, "cannot look for free space");
        path = view.path;
    }
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cr_error_errno(err, -errno, "cannot look for free space in '%s'", path);
    r = cr_partitions_find(fd, disk->size_bytes, &report);
    for (size_t i = 0; r == 0 && i < report.count; i++) {
        const struct cr_trim_place place = {.path = path,
                                            .fd = fd,
                                            .offset = report.items[i].offset,
                                            .size_bytes = report.items[i].size_bytes,
                                            .nbd_socket = disk->nbd_socket};
        r = place_trim(&place, &report.items[i], &found);
    }
    if (r == 0)
        r = cr_extents_add_all(free_space, &found);
    if (r < 0)
        return cr_error_errno(err, r, "cannot look for free space in '%s'", path);
    *ret_report = report;
    report = (struct cr_trim_report){0};
    return 0;
}
