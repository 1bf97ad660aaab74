/* SPDX-License-Identifier: MIT */
/*
 * Export: a version becomes a disk image. The pipeline fetches runs of chunks on all CPUs, verifies
 * each, and writes what is no hole to a target: a sparse raw file, or any format that qemu-nbd can
 * write.
 */
#pragma once

#include "image-tools/progress.h"
#include "lib/store/version.h"

struct target;

/* Where an export goes. Each function returns 0 or -errno with a sentence. */
struct target_ops {
    /* Called by several threads at once, for different places. */
    int (*write)(struct target *target, const void *data, size_t len, uint64_t offset,
                 struct cr_error *err);
    /* All is written; with `sync` it shall also be durable. */
    int (*finish)(struct target *target, bool sync, struct cr_error *err);
    void (*close)(struct target *target);
};

/* Implementations embed this as their first member. */
struct target {
    const struct target_ops *ops;
    const char *name; /* as the person wrote it, for messages; borrowed */
};

/* Make the new, empty file `path` for a disk of `disk_bytes`. `name` is what the person calls it.
 */
int target_raw_open(const char *path, const char *name, uint64_t disk_bytes,
                    struct target **ret_target, struct cr_error *err);
int target_qemu_open(const char *path, const char *name, const char *format, uint64_t disk_bytes,
                     struct target **ret_target, struct cr_error *err);
/*
 * Make the block device in Ceph that `uri` names (lib/blk/rbd.h), with the size of the disk.
 * -EEXIST when there is one, unless `force`: then it gets this size, and zeros.
 */
int target_rbd_open(const char *uri, bool force, uint64_t disk_bytes, struct target **ret_target,
                    struct cr_error *err);
void target_cleanup(struct target **target);

/* Write all of `version`. -ECANCELED when a stop was asked for. */
int export_run(const struct cli *cli, struct cr_store *store, struct cr_version *version,
               struct target *target, struct cr_error *err);
