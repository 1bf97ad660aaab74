/* SPDX-License-Identifier: MIT */
/* The file that holds a version's map: the newest whole slot is read, the other one is written. */
#pragma once

#include "lib/seatcache/map.h"

struct cr_mapfile {
    int fd; /* -1: there is none */
    unsigned next_slot;
    uint64_t generation; /* of the slot written or read last; 0 = none */
    size_t slot_bytes;
    uint8_t *slot; /* owned; one being made */
};

/*
 * Open the map `name` in the folder `dir_fd` to be written; it is made when it is not there. The
 * newest slot of `root` that is whole goes to `ret_map` and `bits`, which has room for those of the
 * disk; when there is none the bits are zero and so is ret_map->generation. Returns 0 or -errno
 * with a sentence. On failure too, the map wants cr_mapfile_done.
 */
int cr_mapfile_open(struct cr_mapfile *file, int dir_fd, const char *name, const struct cr_id *root,
                    uint64_t disk_bytes, struct cr_map *ret_map, uint8_t *bits,
                    struct cr_error *err);

/* The same only to be looked at, also while its process writes to it; `bits` may be NULL. Returns 0
 * or -ENOENT. */
int cr_mapfile_look(int dir_fd, const char *name, const struct cr_id *root, uint64_t disk_bytes,
                    struct cr_map *ret_map, uint8_t *bits);
void cr_mapfile_done(struct cr_mapfile *file);

/*
 * Write the next slot and wait until it is durable; the generation is given here. The data that the
 * bits speak of must be durable before. Returns 0 or -errno; after a failure the slot before holds.
 */
int cr_mapfile_write(struct cr_mapfile *file, const struct cr_map *map, const uint8_t *bits);

/* Remove the map `name` durably: its file is about to become another one. Returns 0 or -errno. */
int cr_mapfile_forget(int dir_fd, const char *name);

/* The name of the map of version `root`. Returns `out`. */
#define CR_MAPFILE_NAME (CR_ID_HEX + 8)
const char *cr_mapfile_name(const struct cr_id *root, char out[static CR_MAPFILE_NAME]);
