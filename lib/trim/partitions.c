/* SPDX-License-Identifier: MIT */
#include "lib/trim/partitions.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdbool.h>

#define SECTOR_BYTES 512ULL /* libblkid counts partitions in these */

static void probe_cleanup(blkid_probe *probe)
{
    blkid_free_probe(*probe);
}

static void doubt(struct cr_trim_found *found, const char *why)
{
    if (found->not_trimmed[0] == '\0')
        snprintf(found->not_trimmed, sizeof(found->not_trimmed), "%s", why);
}

/* Which content lies in this range? Leaves the type empty when libblkid knows none. */
static int type_find(int fd, struct cr_trim_found *found)
{
    CLEANUP(probe_cleanup) blkid_probe probe = blkid_new_probe();
    if (probe == NULL)
        return -ENOMEM;
    if (blkid_probe_set_device(probe, fd, (blkid_loff_t)found->offset,
                               (blkid_loff_t)found->size_bytes) < 0)
        return -EIO;
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
    int r = blkid_do_safeprobe(probe);
    const char *type = NULL;
    if (r == -2) {
        snprintf(found->type, sizeof(found->type), "unknown");
        doubt(found, "the signatures of several file systems lie in it: remove the old ones with "
                     "wipefs");
    } else if (r == 0 && blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0) {
        snprintf(found->type, sizeof(found->type), "%s", type);
    }
    return 0;
}

/* A block must belong to one file system only, or what one calls free the other may use. */
static void overlaps_mark(struct cr_trim_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        for (size_t k = i + 1; k < report->count; k++) {
            struct cr_trim_found *a = &report->items[i], *b = &report->items[k];
            if (a->offset >= b->offset + b->size_bytes || b->offset >= a->offset + a->size_bytes)
                continue;
            doubt(a, "it overlaps another partition");
            doubt(b, "it overlaps another partition");
        }
}

/* Take the partitions that lie on the disk, containers of others left out. */
static int table_read(blkid_partlist list, int fd, uint64_t disk_bytes,
                      struct cr_trim_report *report)
{
    int count = blkid_partlist_numof_partitions(list);
    report->items = cr_calloc(CR_PARTITIONS_MAX, sizeof(*report->items));
    if (report->items == NULL)
        return -ENOMEM;
    for (int i = 0; i < count && report->count < CR_PARTITIONS_MAX; i++) {
        blkid_partition partition = blkid_partlist_get_partition(list, i);
        uint64_t start = (uint64_t)blkid_partition_get_start(partition);
        uint64_t size = (uint64_t)blkid_partition_get_size(partition);
        if (blkid_partition_is_extended(partition) || size == 0 ||
            start >= disk_bytes / SECTOR_BYTES)
            continue;
        struct cr_trim_found *found = &report->items[report->count++];
        *found =
            (struct cr_trim_found){.partition = (unsigned)blkid_partition_get_partno(partition),
                                   .offset = start * SECTOR_BYTES,
                                   .size_bytes = size * SECTOR_BYTES};
        if (size > disk_bytes / SECTOR_BYTES - start) {
            found->size_bytes = disk_bytes - found->offset;
            doubt(found, "it ends beyond the end of the disk");
        }
        int r = type_find(fd, found);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Partitions with nothing known in them were of use for the overlaps only. */
static void empty_drop(struct cr_trim_report *report)
{
    size_t kept = 0;
    for (size_t i = 0; i < report->count; i++)
        if (report->items[i].type[0] != '\0')
            report->items[kept++] = report->items[i];
    report->count = kept;
}

int cr_partitions_find(int fd, uint64_t size_bytes, struct cr_trim_report *report)
{
    struct cr_trim_found whole = {.size_bytes = size_bytes};
    int r = type_find(fd, &whole);
    if (r < 0)
        return r;
    CLEANUP(probe_cleanup) blkid_probe probe = blkid_new_probe();
    if (probe == NULL)
        return -ENOMEM;
    if (blkid_probe_set_device(probe, fd, 0, (blkid_loff_t)size_bytes) < 0)
        return -EIO;
    blkid_probe_enable_partitions(probe, 1);
    blkid_partlist list = blkid_probe_get_partitions(probe);
    if (list != NULL && blkid_partlist_numof_partitions(list) > 0) {
        r = table_read(list, fd, size_bytes, report);
        for (size_t i = 0; i < report->count && whole.type[0] != '\0'; i++)
            doubt(&report->items[i], "the disk as a whole also looks like a file system");
        overlaps_mark(report);
        empty_drop(report);
        return r;
    }
    if (whole.type[0] == '\0')
        return 0;
    report->items = cr_calloc(1, sizeof(*report->items));
    if (report->items == NULL)
        return -ENOMEM;
    report->items[report->count++] = whole;
    return 0;
}
