/* SPDX-License-Identifier: MIT */
/*
 * A version read like a disk, on a PC that keeps what it has read: one sparse file in disk order
 * for each version, filled as it is read. There is no map that could be wrong or out of date: a
 * chunk is present when its bytes in the file hash to its id. That is found out at each read from
 * the file, for a disk may give other bytes than it gave or was given earlier in the run.
 *
 *      read ── verified in memory? ──▶ serve
 *                  └─ no: the whole chunk from the file ── hashes to its id? ──▶ serve
 *                            ┌─────────────────────────────────┴─ no
 *                            └─▶ out of another version (update.h), or fetched; verify, write to
 *                                the file, serve
 *
 * So nothing needs to be synced: a power cut, a torn write or a rotten sector costs a fetch and
 * never serves a wrong byte. Needs 2 bits of memory for each chunk, the ids that were used, and
 * 4 MiB for verified chunks of which a part was read last.
 */
#pragma once

#include "lib/store/version.h"

struct cr_seatdisk;

struct cr_seatdisk_options {
    int dir_fd; /* the cache folder; borrowed for the call. Holds disks/ROOT.disk and objects/ */

    /* What `ref`, a NAME@N, is, when it is known from signed metadata; NULL: the head says it. */
    const struct cr_version_info *known;

    /* Told once, in one sentence, when the file cannot be written; reads go on. May be NULL. */
    void (*warn)(const char *sentence);

    /* Chunks are not taken out of other versions in the folder, and no delta is asked for. */
    bool no_deltas;
    unsigned delta_again_ms; /* as cr_update_start */
};

struct cr_seatdisk_stat {
    uint64_t reads, read_bytes; /* that were asked for */
    uint64_t touched_chunks;    /* different ones, without holes */
    uint64_t pulled_chunks;     /* fetched from the store */
    uint64_t pulled_bytes;      /* their frames */
    uint64_t healed_chunks;     /* fetched because the file held something else */
    uint64_t unkept_chunks;     /* fetched and not kept, for the file could not be written */
    uint64_t old_chunks;        /* taken from another version in the folder */
    uint64_t delta_chunks;      /* made of it by a delta */
    uint64_t delta_bytes;       /* of the delta, fetched */
    uint64_t delta_fallbacks;   /* pulled, because the delta gave nothing right */
};

/*
 * Open `ref` of `store`, which is borrowed, and its file in the cache folder, made if it is not
 * there. Returns 0, -EBUSY when another process uses the file, or as cr_version_open.
 */
int cr_seatdisk_open(struct cr_store *store, const struct cr_ref *ref,
                     const struct cr_seatdisk_options *options, struct cr_seatdisk **ret_disk,
                     struct cr_error *err);
/* May wait for a request that is under way: interrupt the store first. Takes NULL. */
void cr_seatdisk_close(struct cr_seatdisk *disk);
void cr_seatdisk_cleanup(struct cr_seatdisk **disk);

/* Borrowed. */
struct cr_version *cr_seatdisk_version(struct cr_seatdisk *disk);

/*
 * Read `len` bytes at `offset`, both inside the disk (-EINVAL otherwise). Never returns unverified
 * bytes. Missing neighbours are fetched in one request, no chunk by two threads at once.
 */
int cr_seatdisk_read(struct cr_seatdisk *disk, void *data, size_t len, uint64_t offset,
                     struct cr_error *err);

/* As cr_seatdisk_read without handing the bytes out. */
int cr_seatdisk_prefetch(struct cr_seatdisk *disk, uint64_t len, uint64_t offset,
                         struct cr_error *err);

void cr_seatdisk_stat(struct cr_seatdisk *disk, struct cr_seatdisk_stat *ret_stat);
