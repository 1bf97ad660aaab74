/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/keeper.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

/* With a sync that takes no longer than that, a power cut costs at most two seconds of filling. */
#define SYNC_MS 1000U

struct cr_keeper {
    const struct cr_chunkfile *file;
    struct cr_mapfile mapfile;
    unsigned sync_ms;
    void (*completed)(void *context);
    void *context;
    void (*warn)(const char *sentence);
    pthread_t thread;
    uint8_t *snapshot; /* the thread's */

    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t changed;
    struct cr_map map;
    size_t bits_bytes;
    /* A chunk is in one of the first three at most; in none when it is absent. */
    uint8_t *written; /* since the sync that is under way began */
    uint8_t *syncing; /* before it began */
    uint8_t *durable;
    uint8_t *missed; /* lost, and not written since */
    uint64_t present;
    struct timespec due;  /* when the next sync begins */
    bool dirty;           /* there is a reason for one */
    unsigned slots_owed;  /* slots that must be written in any case */
    uint64_t asked, done; /* syncs */
    bool stop, warned, complete, told;
};

/* --- bits; under the mutex ---------------------------------------------------------------------
 */

static bool is_present(const struct cr_keeper *keeper, uint64_t index)
{
    return cr_bit_get(keeper->durable, index) || cr_bit_get(keeper->written, index) ||
           cr_bit_get(keeper->syncing, index);
}

static void forget(struct cr_keeper *keeper, uint64_t index)
{
    if (is_present(keeper, index))
        keeper->present--;
    cr_bit_clear(keeper->durable, index);
    cr_bit_clear(keeper->written, index);
    cr_bit_clear(keeper->syncing, index);
}

static void wake_in(struct cr_keeper *keeper, unsigned ms)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_sec += ms / 1000;
    due.tv_nsec += (long)(ms % 1000) * 1000000;
    if (due.tv_nsec >= 1000000000) {
        due.tv_sec++;
        due.tv_nsec -= 1000000000;
    }
    bool sooner = due.tv_sec < keeper->due.tv_sec ||
                  (due.tv_sec == keeper->due.tv_sec && due.tv_nsec < keeper->due.tv_nsec);
    if (keeper->dirty && !sooner)
        return;
    keeper->due = due;
    keeper->dirty = true;
    pthread_cond_broadcast(&keeper->changed);
}

static void mark_written(struct cr_keeper *keeper, uint64_t index)
{
    forget(keeper, index);
    cr_bit_set(keeper->written, index);
    cr_bit_clear(keeper->missed, index);
    keeper->present++;
    wake_in(keeper, keeper->sync_ms);
}

void cr_keeper_wrote(struct cr_keeper *keeper, uint64_t index)
{
    pthread_mutex_lock(&keeper->mutex);
    mark_written(keeper, index);
    pthread_mutex_unlock(&keeper->mutex);
}

void cr_keeper_found(struct cr_keeper *keeper, uint64_t index)
{
    pthread_mutex_lock(&keeper->mutex);
    if (!is_present(keeper, index))
        mark_written(keeper, index);
    pthread_mutex_unlock(&keeper->mutex);
}

bool cr_keeper_lost(struct cr_keeper *keeper, uint64_t index)
{
    pthread_mutex_lock(&keeper->mutex);
    bool was_present = is_present(keeper, index);
    if (was_present) {
        if (cr_bit_get(keeper->durable, index))
            keeper->slots_owed = 2;
        forget(keeper, index);
        cr_bit_set(keeper->missed, index);
        keeper->complete = false;
        wake_in(keeper, 0);
    }
    pthread_mutex_unlock(&keeper->mutex);
    return was_present;
}

bool cr_keeper_has(struct cr_keeper *keeper, uint64_t index)
{
    pthread_mutex_lock(&keeper->mutex);
    bool has = is_present(keeper, index);
    pthread_mutex_unlock(&keeper->mutex);
    return has;
}

bool cr_keeper_misses(struct cr_keeper *keeper, uint64_t index)
{
    pthread_mutex_lock(&keeper->mutex);
    bool misses = cr_bit_get(keeper->missed, index);
    pthread_mutex_unlock(&keeper->mutex);
    return misses;
}

void cr_keeper_set_data_chunks(struct cr_keeper *keeper, uint64_t data_chunks)
{
    pthread_mutex_lock(&keeper->mutex);
    if (keeper->map.data_chunks != data_chunks) {
        keeper->map.data_chunks = data_chunks;
        keeper->slots_owed = keeper->slots_owed > 0 ? keeper->slots_owed : 1;
        wake_in(keeper, keeper->sync_ms);
    }
    pthread_mutex_unlock(&keeper->mutex);
}

uint64_t cr_keeper_data_chunks(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    uint64_t chunks = keeper->map.data_chunks;
    pthread_mutex_unlock(&keeper->mutex);
    return chunks;
}

uint64_t cr_keeper_present(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    uint64_t present = keeper->present;
    pthread_mutex_unlock(&keeper->mutex);
    return present;
}

bool cr_keeper_is_complete(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    bool complete = keeper->complete;
    pthread_mutex_unlock(&keeper->mutex);
    return complete;
}

/* --- a sync; by the thread ---------------------------------------------------------------------
 */

static void warn_once(struct cr_keeper *keeper, int result, const char *what)
{
    struct cr_error err;
    if (keeper->warned || keeper->warn == NULL)
        return;
    keeper->warned = true;
    cr_error_errno(&err, result,
                   "the %s of the cache cannot be made durable, and what it cannot keep is looked "
                   "for anew at the next start; see that its disk is healthy and has room",
                   what);
    keeper->warn(err.text);
}

static bool bits_any(const uint8_t *bits, size_t len)
{
    return !cr_is_zero(bits, len);
}

/*
 * What a failed fdatasync leaves is unknown, and the kernel tells of it once only: nothing that was
 * written since the last one is believed, nor read from the kernel's memory again.
 */
static void drop_unsynced(struct cr_keeper *keeper)
{
    (void)posix_fadvise(keeper->file->fd, 0, 0, POSIX_FADV_DONTNEED);
    memset(keeper->syncing, 0, keeper->bits_bytes);
    memset(keeper->written, 0, keeper->bits_bytes);
    keeper->present = cr_bits_count(keeper->durable, keeper->bits_bytes);
}

/* Returns whether there are bits that the disk's map does not have, or -errno. */
static int data_sync(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    memcpy(keeper->syncing, keeper->written, keeper->bits_bytes);
    memset(keeper->written, 0, keeper->bits_bytes);
    bool any = bits_any(keeper->syncing, keeper->bits_bytes);
    pthread_mutex_unlock(&keeper->mutex);
    int r = any && fdatasync(keeper->file->fd) < 0 ? -errno : 0;
    pthread_mutex_lock(&keeper->mutex);
    if (r < 0)
        drop_unsynced(keeper);
    for (size_t i = 0; any && i < keeper->bits_bytes; i++)
        keeper->durable[i] |= keeper->syncing[i];
    memset(keeper->syncing, 0, keeper->bits_bytes);
    pthread_mutex_unlock(&keeper->mutex);
    return r < 0 ? r : any;
}

static int slot_write(struct cr_keeper *keeper)
{
    struct cr_map map;
    if (keeper->mapfile.fd < 0)
        return -EBADF;
    pthread_mutex_lock(&keeper->mutex);
    keeper->map.used_s = (uint64_t)time(NULL);
    map = keeper->map;
    memcpy(keeper->snapshot, keeper->durable, keeper->bits_bytes);
    pthread_mutex_unlock(&keeper->mutex);
    map.present_chunks = cr_bits_count(keeper->snapshot, keeper->bits_bytes);
    return cr_mapfile_write(&keeper->mapfile, &map, keeper->snapshot);
}

/* After a sync: is the version complete now, as the disk's map tells too? */
static void completeness(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    keeper->complete =
        keeper->map.data_chunks ==
        cr_bits_count(keeper->durable, keeper->bits_bytes); /* never equal when unknown */
    bool tell = keeper->complete && !keeper->told;
    keeper->told = keeper->told || tell;
    pthread_mutex_unlock(&keeper->mutex);
    if (tell && keeper->completed != NULL)
        keeper->completed(keeper->context);
}

static void sync_once(struct cr_keeper *keeper, unsigned slots)
{
    int r = data_sync(keeper);
    if (r < 0)
        warn_once(keeper, r, "file");
    if (r > 0 && slots == 0)
        slots = 1;
    r = 0;
    for (unsigned i = 0; i < slots && r == 0; i++)
        r = slot_write(keeper);
    if (r < 0) {
        warn_once(keeper, r, "map");
        pthread_mutex_lock(&keeper->mutex);
        keeper->slots_owed = keeper->slots_owed > slots ? keeper->slots_owed : slots;
        if (!keeper->stop)
            wake_in(keeper, keeper->sync_ms);
        pthread_mutex_unlock(&keeper->mutex);
    } else {
        completeness(keeper);
    }
}

static bool is_due(const struct cr_keeper *keeper)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return keeper->stop || keeper->asked > keeper->done ||
           (keeper->dirty &&
            (now.tv_sec > keeper->due.tv_sec ||
             (now.tv_sec == keeper->due.tv_sec && now.tv_nsec >= keeper->due.tv_nsec)));
}

static void *work(void *context)
{
    struct cr_keeper *keeper = context;
    bool last = false;
    while (!last) {
        pthread_mutex_lock(&keeper->mutex);
        while (!is_due(keeper)) {
            if (keeper->dirty)
                pthread_cond_timedwait(&keeper->changed, &keeper->mutex, &keeper->due);
            else
                pthread_cond_wait(&keeper->changed, &keeper->mutex);
        }
        last = keeper->stop;
        unsigned slots = last && keeper->slots_owed == 0 ? 1 : keeper->slots_owed;
        uint64_t asked = keeper->asked;
        keeper->slots_owed = 0;
        keeper->dirty = false;
        pthread_mutex_unlock(&keeper->mutex);
        sync_once(keeper, slots);
        pthread_mutex_lock(&keeper->mutex);
        keeper->done = asked;
        pthread_cond_broadcast(&keeper->changed);
        pthread_mutex_unlock(&keeper->mutex);
    }
    return NULL;
}

int cr_keeper_sync(struct cr_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    uint64_t mine = ++keeper->asked;
    pthread_cond_broadcast(&keeper->changed);
    while (keeper->done < mine)
        pthread_cond_wait(&keeper->changed, &keeper->mutex);
    bool whole = keeper->slots_owed == 0 && !keeper->warned;
    pthread_mutex_unlock(&keeper->mutex);
    return whole ? 0 : -EIO;
}

/* --- from start to stop ---------------------------------------------------------------------- */

static void keeper_free(struct cr_keeper *keeper)
{
    cr_mapfile_done(&keeper->mapfile);
    pthread_mutex_destroy(&keeper->mutex);
    pthread_cond_destroy(&keeper->changed);
    free(keeper->written);
    free(keeper->syncing);
    free(keeper->durable);
    free(keeper->missed);
    free(keeper->snapshot);
    free(keeper);
}

static void keeper_cleanup(struct cr_keeper **keeper)
{
    if (*keeper != NULL)
        keeper_free(*keeper);
}

static struct cr_keeper *keeper_new(size_t bits_bytes)
{
    struct cr_keeper *keeper = cr_calloc(1, sizeof(*keeper));
    pthread_condattr_t monotonic;
    if (keeper == NULL)
        return NULL;
    keeper->mapfile.fd = -1;
    keeper->bits_bytes = bits_bytes;
    pthread_mutex_init(&keeper->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    keeper->written = cr_calloc(bits_bytes, 1);
    keeper->syncing = cr_calloc(bits_bytes, 1);
    keeper->durable = cr_calloc(bits_bytes, 1);
    keeper->missed = cr_calloc(bits_bytes, 1);
    keeper->snapshot = cr_calloc(bits_bytes, 1);
    return keeper;
}

int cr_keeper_start(const struct cr_keeper_options *options, struct cr_keeper **ret_keeper,
                    struct cr_error *err)
{
    uint64_t disk_bytes = options->file->disk_bytes;
    char name[CR_MAPFILE_NAME];
    struct cr_error why;
    CLEANUP(keeper_cleanup)
    struct cr_keeper *keeper = keeper_new(cr_map_bits_bytes(disk_bytes));
    if (keeper == NULL || keeper->written == NULL || keeper->syncing == NULL ||
        keeper->durable == NULL || keeper->missed == NULL || keeper->snapshot == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot keep the map of '%s'", options->ref->name);
    keeper->file = options->file;
    keeper->sync_ms = options->sync_ms != 0 ? options->sync_ms : SYNC_MS;
    keeper->completed = options->completed;
    keeper->context = options->context;
    keeper->warn = options->warn;
    int r =
        cr_mapfile_open(&keeper->mapfile, options->disks_fd, cr_mapfile_name(&options->root, name),
                        &options->root, disk_bytes, &keeper->map, keeper->durable, &why);
    if (r < 0)
        warn_once(keeper, r, "map");
    keeper->present = keeper->map.present_chunks;
    keeper->map.number = options->ref->number;
    memcpy(keeper->map.image, options->ref->name, sizeof(keeper->map.image));
    keeper->slots_owed = 1; /* it is in use now */
    wake_in(keeper, 0);
    r = -pthread_create(&keeper->thread, NULL, work, keeper);
    if (r < 0)
        return cr_error_errno(err, r, "cannot keep the map of '%s'", options->ref->name);
    *ret_keeper = TAKE_PTR(keeper);
    return 0;
}

void cr_keeper_stop(struct cr_keeper *keeper)
{
    if (keeper == NULL)
        return;
    pthread_mutex_lock(&keeper->mutex);
    keeper->stop = true;
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->mutex);
    pthread_join(keeper->thread, NULL);
    keeper_free(keeper);
}
