/* SPDX-License-Identifier: MIT */
/*
 * The free space of file systems that we know: ext2, ext3, ext4 (libext2fs), XFS (xfs_db) and NTFS
 * (carrel-ntfs-free), on a disk with an MBR or GPT partition table or without any (libblkid). What
 * stands in free space is the past; an import that leaves it out saves it, and changes nothing that
 * the guest can see.
 *
 *      disk ── a raw file itself, or its NBD export shown as a file by qemu-storage-daemon (FUSE)
 *        └── partitions ── file system ── clean and whole? ── free blocks
 *
 * Nothing is ever written to the disk. A file system is left alone, with the reason in the report,
 * unless it was shut down cleanly: a journal may bring blocks back that the bitmap calls free.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/extents.h"

#include <stddef.h>
#include <stdint.h>

struct cr_trim_disk {
    const char *raw_path; /* the disk as a plain file or block device; NULL when it is none */
    const char
        *nbd_socket; /* a unix socket with an NBD export of it, export name ""; NULL = none */
    uint64_t size_bytes;
};

/* One partition (or the whole disk) with something in it. */
struct cr_trim_found {
    unsigned partition; /* as the partition table counts; 0 = the whole disk */
    uint64_t offset, size_bytes;
    uint64_t free_bytes;   /* found free and so left out */
    char type[32];         /* libblkid's name: "ext4", "xfs", "ntfs", "vfat", ... */
    char not_trimmed[256]; /* why nothing of it was left out; "" when it was trimmed */
};

struct cr_trim_report {
    struct cr_trim_found *items; /* owned */
    size_t count;                /* at most CR_PARTITIONS_MAX */
};

void cr_trim_report_done(struct cr_trim_report *report);

/*
 * Find the free space of `disk` and add it to `free_space`, and say in `ret_report` what was found
 * where. That a file system cannot be trimmed is no error. Returns 0, or -errno when the disk
 * cannot be read at all or memory is short; then too the import can go on, without trimming.
 */
int cr_trim_find(const struct cr_trim_disk *disk, struct cr_extents *free_space,
                 struct cr_trim_report *ret_report, struct cr_error *err);
