/* SPDX-License-Identifier: MIT */
#include "lib/blk/rawdisk.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdbool.h>

#define SECTOR_BYTES 512U
#define EMPTY_HEAD_BYTES                                                                           \
    (1 * CR_MIB) /* a disk whose beginning is zero for so long is an empty one */

static void probe_cleanup(blkid_probe *probe)
{
    blkid_free_probe(*probe);
}

/* 1 = libblkid knows a partition table or a file system, 0 = neither, or -errno. */
static int blkid_knows(int fd, uint64_t size_bytes)
{
    CLEANUP(probe_cleanup) blkid_probe probe = blkid_new_probe();
    if (probe == NULL)
        return -ENOMEM;
    if (blkid_probe_set_device(probe, fd, 0, (blkid_loff_t)size_bytes) < 0)
        return -EIO;
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_enable_partitions(probe, 1);
    int r = blkid_do_probe(probe);
    return r == 0 ? 1 : r == 1 ? 0 : -EIO;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

int cr_raw_disk_probe(int fd, uint64_t size_bytes)
{
    if (size_bytes < SECTOR_BYTES || size_bytes % SECTOR_BYTES != 0)
        return 0;
    size_t len = size_bytes < EMPTY_HEAD_BYTES ? (size_t)size_bytes : EMPTY_HEAD_BYTES;
    CLEANUP_FREE uint8_t *head = malloc(len);
    if (head == NULL)
        return -ENOMEM;
    int r = cr_pread_full(fd, head, len, 0);
    if (r < 0)
        return r;
    bool boots = head[SECTOR_BYTES - 2] == 0x55 && head[SECTOR_BYTES - 1] == 0xaa;
    if (boots || all_zero(head, len))
        return 1;
    return blkid_knows(fd, size_bytes);
}
