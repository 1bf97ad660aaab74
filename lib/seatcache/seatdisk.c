/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/seatdisk.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/seatcache/clone.h"
#include "lib/seatcache/objects.h"
#include "lib/seatcache/window.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

/* Guests read in pieces smaller than a chunk: each chunk shall be hashed once for a row of them. */
#define RECENT_BYTES (4ULL << 20)

static int folder_open(int dir_fd, const char *name, int *ret_fd, struct cr_error *err)
{
    int r = cr_dir_make(dir_fd, name, 0700);
    if (r == 0) {
        *ret_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = *ret_fd < 0 ? -errno : 0;
    }
    return r < 0 ? cr_error_errno(err, r, "cannot use '%s' in the cache folder", name) : 0;
}

static int keeper_start(struct cr_seatdisk *disk, const struct cr_seatdisk_options *options,
                        int disks_fd, struct cr_error *err)
{
    struct cr_keeper_options keeper = {
        .disks_fd = disks_fd,
        .file = &disk->file,
        .root = cr_version_info(disk->version)->root,
        .ref = cr_version_ref(disk->version),
        .sync_ms = options->sync_ms,
        .completed = options->completed,
        .context = options->context,
        .warn = options->warn,
    };
    int r = cr_keeper_start(&keeper, &disk->keeper, err);
    if (r < 0)
        return r;
    if (cr_keeper_data_chunks(disk->keeper) == CR_MAP_UNKNOWN)
        cr_tally_kept(&disk->tally, disk->version, disk->objects_fd);
    if (cr_keeper_data_chunks(disk->keeper) != CR_MAP_UNKNOWN)
        atomic_store(&disk->tally.done, true);
    else if (disk->tally.left == 0)
        cr_keeper_set_data_chunks(disk->keeper, disk->tally.data_chunks);
    return 0;
}

static int room_start(struct cr_seatdisk *disk, const struct cr_seatdisk_options *options,
                      int disks_fd, struct cr_error *err)
{
    int r = cr_room_init(&disk->room, disks_fd, &cr_version_info(disk->version)->root,
                         options->limit_bytes, options->reserve_bytes);
    if (r < 0)
        return cr_error_errno(err, r, "cannot use the cache folder");
    cr_room_look(&disk->room, NULL,
                 cr_keeper_present(disk->keeper) == cr_keeper_data_chunks(disk->keeper));
    return 0;
}

static int files_open(struct cr_seatdisk *disk, const struct cr_seatdisk_options *options,
                      struct cr_error *err)
{
    CLEANUP_CLOSE int disks_fd = -1;
    const struct cr_id *root = &cr_version_info(disk->version)->root;
    int r = folder_open(options->dir_fd, "disks", &disks_fd, err);
    if (r < 0)
        return r;
    if (!options->no_deltas)
        (void)cr_clone_make(disks_fd, disk->objects_fd, disk->version, &disk->cloned);
    r = cr_chunkfile_open(&disk->file, disks_fd, root, cr_version_disk_bytes(disk->version), err);
    if (r == 0)
        r = keeper_start(disk, options, disks_fd, err);
    if (r == 0)
        r = room_start(disk, options, disks_fd, err);
    if (r == 0 && !options->no_deltas)
        disk->update = cr_update_start(disk->objects, disk->version, options->dir_fd, disks_fd,
                                       disk->objects_fd, options->delta_again_ms);
    return r;
}

int cr_seatdisk_open(struct cr_store *store, const struct cr_ref *ref,
                     const struct cr_seatdisk_options *options, struct cr_seatdisk **ret_disk,
                     struct cr_error *err)
{
    CLEANUP(cr_seatdisk_cleanup) struct cr_seatdisk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open '%s'", ref->name);
    disk->objects_fd = disk->file.fd = -1;
    disk->warn = options->warn;
    disk->background = options->background;
    atomic_flag_clear(&disk->warned);
    pthread_mutex_init(&disk->mutex, NULL);
    pthread_cond_init(&disk->let_go, NULL);
    int r = folder_open(options->dir_fd, "objects", &disk->objects_fd, err);
    if (r == 0)
        r = cr_seatobjects_new(store, disk->objects_fd, &disk->objects, err);
    if (r == 0 && disk->background == NULL)
        disk->background = disk->objects;
    if (r == 0)
        r = options->known != NULL
                ? cr_version_open_known(disk->objects, ref, options->known, &disk->version, err)
                : cr_version_open(disk->objects, ref, &disk->version, err);
    if (r < 0)
        return r;
    disk->busy =
        cr_calloc(cr_version_chunks(disk->version) / CR_WORD_BITS + 1, sizeof(disk->busy[0]));
    disk->touched =
        cr_calloc(cr_version_chunks(disk->version) / CR_WORD_BITS + 1, sizeof(disk->touched[0]));
    if (disk->busy == NULL || disk->touched == NULL ||
        cr_tally_init(&disk->tally, disk->version) < 0 ||
        cr_cache_new(RECENT_BYTES, &disk->recent) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot open '%s'", ref->name);
    r = files_open(disk, options, err);
    if (r == 0 && options->scrub_bytes_s > 0)
        r = cr_scrub_start(disk, options->scrub_bytes_s, options->scrub_rest_s, &disk->scrub, err);
    if (r < 0)
        return r;
    *ret_disk = TAKE_PTR(disk);
    return 0;
}

void cr_seatdisk_close(struct cr_seatdisk *disk)
{
    if (disk == NULL)
        return;
    cr_scrub_stop(disk->scrub);
    cr_update_stop(disk->update);
    cr_room_done(&disk->room);
    cr_keeper_stop(disk->keeper);
    cr_tally_done(&disk->tally);
    cr_version_close(disk->version);
    cr_store_close(disk->objects);
    cr_cleanup_close(&disk->objects_fd);
    cr_chunkfile_done(&disk->file);
    pthread_mutex_destroy(&disk->mutex);
    pthread_cond_destroy(&disk->let_go);
    cr_cache_free(disk->recent);
    free(disk->touched);
    free(disk->busy);
    free(disk);
}

void cr_seatdisk_cleanup(struct cr_seatdisk **disk)
{
    cr_seatdisk_close(*disk);
}

struct cr_version *cr_seatdisk_version(struct cr_seatdisk *disk)
{
    return disk->version;
}

uint64_t cr_seatdisk_present(struct cr_seatdisk *disk)
{
    return cr_keeper_present(disk->keeper);
}

bool cr_seatdisk_complete(struct cr_seatdisk *disk)
{
    return cr_keeper_is_complete(disk->keeper);
}

bool cr_seatdisk_has(struct cr_seatdisk *disk, uint64_t index)
{
    return cr_keeper_has(disk->keeper, index);
}

bool cr_seatdisk_full(struct cr_seatdisk *disk)
{
    return atomic_load(&disk->full);
}

bool cr_seatdisk_demand_waits(struct cr_seatdisk *disk)
{
    return atomic_load(&disk->demand_waits) > 0;
}

int cr_seatdisk_sync(struct cr_seatdisk *disk)
{
    return cr_keeper_sync(disk->keeper);
}

void cr_seatdisk_stat(struct cr_seatdisk *disk, struct cr_seatdisk_stat *ret_stat)
{
    struct cr_update_stat update;
    struct cr_scrub_stat scrub;
    uint64_t data_chunks = cr_keeper_data_chunks(disk->keeper);
    cr_update_stat(disk->update, &update);
    cr_scrub_stat(disk->scrub, &scrub);
    *ret_stat = (struct cr_seatdisk_stat){
        .reads = atomic_load(&disk->reads),
        .read_bytes = atomic_load(&disk->read_bytes),
        .stalled_reads = atomic_load(&disk->stalled),
        .data_chunks = data_chunks == CR_MAP_UNKNOWN ? 0 : data_chunks,
        .present_chunks = cr_keeper_present(disk->keeper),
        .cloned_chunks = disk->cloned,
        .scrubbed_chunks = scrub.chunks,
        .scrub_wrong = scrub.wrong,
        .scrub_rounds = scrub.rounds,
        .touched_chunks = atomic_load(&disk->served),
        .pulled_chunks = atomic_load(&disk->pulled),
        .pulled_bytes = atomic_load(&disk->pulled_bytes),
        .healed_chunks = atomic_load(&disk->healed),
        .unkept_chunks = atomic_load(&disk->unkept),
        .old_chunks = update.old_chunks,
        .delta_chunks = update.delta_chunks,
        .delta_bytes = update.delta_bytes,
        .delta_fallbacks = update.fallbacks,
    };
}

static int read_range(struct cr_seatdisk *disk, uint8_t *out, uint64_t len, uint64_t offset,
                      struct cr_error *err)
{
    struct cr_window window;
    int r = 0;
    cr_window_init(&window, disk, out == NULL);
    for (uint64_t done = 0, bytes = 0; r == 0 && done < len; done += bytes)
        r = cr_window_read(&window, out != NULL ? out + done : NULL, len - done, offset + done,
                           &bytes, err);
    atomic_fetch_add_explicit(&disk->stalled, window.waited, memory_order_relaxed);
    cr_window_done(&window);
    return r;
}

int cr_seatdisk_read(struct cr_seatdisk *disk, void *data, size_t len, uint64_t offset,
                     struct cr_error *err)
{
    int r = cr_range_check(disk->file.disk_bytes, len, offset, err);
    if (r < 0)
        return r;
    atomic_fetch_add_explicit(&disk->reads, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&disk->read_bytes, len, memory_order_relaxed);
    return read_range(disk, data, len, offset, err);
}

int cr_seatdisk_prefetch(struct cr_seatdisk *disk, uint64_t len, uint64_t offset,
                         struct cr_error *err)
{
    int r = cr_range_check(disk->file.disk_bytes, len, offset, err);
    return r < 0 ? r : read_range(disk, NULL, len, offset, err);
}

int cr_seatdisk_prefetch_chunks(struct cr_seatdisk *disk, const uint32_t *chunks, size_t count,
                                struct cr_error *err)
{
    struct cr_window window;
    static_assert(CR_SEATDISK_PREFETCH_MAX <= CR_WINDOW_CHUNKS, "one window takes them");
    for (size_t i = 0; i < count; i++)
        if (count > CR_SEATDISK_PREFETCH_MAX || chunks[i] >= cr_version_chunks(disk->version))
            return cr_error_set(err, -EINVAL, "chunk %u is beyond the disk's end, or too many",
                                chunks[i]);
    cr_window_init(&window, disk, true);
    int r = cr_window_fetch(&window, chunks, count, err);
    cr_window_done(&window);
    return r;
}
