/* SPDX-License-Identifier: MIT */
/*
 * The sparse file that keeps chunks of one version in disk order. Whatever is read from it is
 * hashed each time: the disk below may give other bytes today than it was given a minute ago.
 */
#pragma once

#include "lib/image/object.h"

struct cr_chunkfile {
    int fd;
    uint64_t disk_bytes;
};

/* The name of the file of version `root`. Returns `out`. */
#define CR_CHUNKFILE_NAME (CR_ID_HEX + 8)
const char *cr_chunkfile_name(const struct cr_id *root, char out[static CR_CHUNKFILE_NAME]);

/*
 * Open the file of version `root` in the folder `dir_fd`, for a disk of `disk_bytes`, and lock it;
 * it is made when it is not there. A map (mapfile.h) that cannot be of these bytes is removed
 * first. Returns 0, -EBUSY when another process has it, or -errno with a sentence. On failure too,
 * the file wants cr_chunkfile_done.
 */
int cr_chunkfile_open(struct cr_chunkfile *file, int dir_fd, const struct cr_id *root,
                      uint64_t disk_bytes, struct cr_error *err);

/*
 * The file of another version, only to be read, also while its own process writes to it. Returns 0,
 * -ENOENT, or -EINVAL when it is not as large as that disk.
 */
int cr_chunkfile_look(struct cr_chunkfile *file, int dir_fd, const struct cr_id *root,
                      uint64_t disk_bytes);
void cr_chunkfile_done(struct cr_chunkfile *file);

enum cr_chunkfile_found { CR_FOUND, CR_FOUND_NOTHING, CR_FOUND_SOMETHING_ELSE };

/*
 * Read chunk `index` into `plain`, which has room for all of it; only CR_FOUND says that its bytes
 * hash to `id`. A file that cannot be read holds something else.
 */
enum cr_chunkfile_found cr_chunkfile_read(const struct cr_chunkfile *file, uint64_t index,
                                          const struct cr_id *id, uint8_t *plain);

/* Write the verified bytes of chunk `index`. Returns 0 or -errno. */
int cr_chunkfile_keep(const struct cr_chunkfile *file, uint64_t index, const uint8_t *plain);

/* Make the chunks from `first` up to `end` of the file `fd` a hole. Returns 0 or -errno. */
int cr_chunkfile_punch(int fd, uint64_t first, uint64_t end);
