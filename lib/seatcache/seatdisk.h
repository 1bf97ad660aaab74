/* SPDX-License-Identifier: MIT */
/*
 * A version read like a disk, on a PC that keeps what it has read: one sparse file in disk order
 * for each version, filled as it is read. A chunk is served from it when its bytes there hash to
 * its id. That is found out at each read, for a disk may give other bytes than it gave or was given
 * earlier in the run. The map beside the file (keeper.h) is for those who do not hash: it tells
 * when the whole version stands in the file, durably, and QEMU may have it without us.
 *
 *      read ── verified in memory? ──▶ serve
 *                  └─ no: the whole chunk from the file ── hashes to its id? ──▶ serve
 *                            ┌─────────────────────────────────┴─ no
 *                            └─▶ out of another version (update.h), or fetched; verify, write to
 *                                the file, serve
 *
 * So a power cut, a torn write or a rotten sector costs a fetch and never serves a wrong byte.
 * Needs a byte of memory for each chunk, the ids that were used, and 4 MiB for verified chunks of
 * which a part was read last.
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

    /* What is prefetched is asked of this store, which may have other patience than the one that
     * reads are waiting for. Borrowed until close; NULL = of the same. Interrupt both for close. */
    struct cr_store *background;

    /* Told once, when all chunks of the version stand in the file, durably; if they do so at the
     * opening, maybe before that returns. From a thread that must not wait long nor call
     * cr_seatdisk_sync or _close. May be NULL. */
    void (*completed)(void *context);
    void *context;

    /* At most so many bytes of all versions in the folder together, and so many of its disk that
     * stay free; old versions are dropped for that (cached.h). 0 = no limit. */
    uint64_t limit_bytes, reserve_bytes;

    /* Read again what stands in the file, so many bytes a second, and mend it (scrub.h). 0 = do
     * not. `scrub_rest_s` = from the beginning of one round to that of the next; 0 = the usual. */
    uint64_t scrub_bytes_s;
    unsigned scrub_rest_s;

    unsigned sync_ms; /* what was filled is durable about that long after; 0 = one second */
};

struct cr_seatdisk_stat {
    uint64_t reads, read_bytes; /* that were asked for */
    uint64_t stalled_reads;     /* of them, that waited for a fetch */
    uint64_t data_chunks;       /* of the version; 0 = not known yet */
    uint64_t present_chunks;    /* of them, as cr_seatdisk_present */
    uint64_t cloned_chunks;     /* that its file got from another version's when it was made */
    uint64_t scrubbed_chunks;   /* read again by the scrub */
    uint64_t scrub_wrong;       /* and found damaged */
    uint64_t scrub_rounds;      /* over the whole disk */
    uint64_t touched_chunks;    /* different ones that were asked for, without holes */
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

/* As cr_seatdisk_read without handing the bytes out, and from the store for the background. */
int cr_seatdisk_prefetch(struct cr_seatdisk *disk, uint64_t len, uint64_t offset,
                         struct cr_error *err);

/* At most as many chunks in one cr_seatdisk_prefetch_chunks. */
#define CR_SEATDISK_PREFETCH_MAX 32U

/*
 * Have chunks in the file that may lie anywhere on the disk, by their indices: what is missing of
 * them travels in one request to the store for the background. Those that a read is fetching
 * already are left to it. Returns 0 or -errno with a sentence.
 */
int cr_seatdisk_prefetch_chunks(struct cr_seatdisk *disk, const uint32_t *chunks, size_t count,
                                struct cr_error *err);

/* Chunks of data that stand in the file, durably or not yet, as far as is known. */
uint64_t cr_seatdisk_present(struct cr_seatdisk *disk);

/*
 * All chunks of data of the version stand in the file, durably, and so says its map: the file may
 * be opened as a plain disk. It can become false again, when one of them is found to be damaged.
 */
bool cr_seatdisk_complete(struct cr_seatdisk *disk);

/* Chunk `index` stands in the file, as far as is known; false for a hole, which never does. */
bool cr_seatdisk_has(struct cr_seatdisk *disk, uint64_t index);

/* What was fetched last could not be kept for lack of room: fetching ahead makes no sense now. */
bool cr_seatdisk_full(struct cr_seatdisk *disk);

/* A read is waiting for a fetch right now: who fetches in the background may leave it the line. */
bool cr_seatdisk_demand_waits(struct cr_seatdisk *disk);

/* Have what was filled by now made durable, and marked so in the map. Returns 0 or -EIO. */
int cr_seatdisk_sync(struct cr_seatdisk *disk);

void cr_seatdisk_stat(struct cr_seatdisk *disk, struct cr_seatdisk_stat *ret_stat);
