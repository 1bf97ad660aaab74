/* SPDX-License-Identifier: MIT */
#include "client/blockd/fill.h"

#include "lib/base/mem.h"
#include "lib/blk/lookup.h"
#include "lib/hotlist/hotstore.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Enough to keep a line of 1 Gbit/s full while answers are unpacked. */
#define WORKERS 3U

/* Chunks of a request, and how long one may take before the next is made smaller or larger. */
#define BATCH_FIRST   8U
#define BATCH_MIN     2U
#define BATCH_MAX     CR_SEATDISK_PREFETCH_MAX
#define REQUEST_MS    80U
#define REQUEST_LOW   30U

#define IDLE_MS       2000U /* no read has waited for so long: the guest is at rest */
#define LOOK_AGAIN_MS 200U  /* meanwhile */
#define FAILED_MS     5000U /* after a request that failed */

struct fill {
    struct fill_options options;
    pthread_t threads[WORKERS];
    unsigned started;
    uint64_t begun_ms;
    atomic_uint_least64_t hot_chunks, hot_ms;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t woken;
    bool stop, listed; /* the hot list is there, or there is none */
    struct cr_hotlist list;
    uint32_t next;    /* place in it that nobody has taken */
    unsigned at_work; /* workers with a part of it */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sleep so long; false = stop. */
static bool sleep_ms(struct fill *fill, uint64_t ms)
{
    struct timespec until;
    uint64_t end_ms = now_ms() + ms;
    int r = 0;
    until.tv_sec = (time_t)(end_ms / 1000);
    until.tv_nsec = (long)(end_ms % 1000) * 1000000;
    pthread_mutex_lock(&fill->mutex);
    while (!fill->stop && r == 0)
        r = pthread_cond_timedwait(&fill->woken, &fill->mutex, &until);
    bool go_on = !fill->stop;
    pthread_mutex_unlock(&fill->mutex);
    return go_on;
}

/* --- requests -------------------------------------------------------------------------------- */

/* What one worker knows of the line. */
struct pace {
    unsigned batch;
    uint64_t unkept; /* chunks that the cache did not take, when it began */
};

static struct pace pace_begin(struct fill *fill)
{
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(fill->options.disk, &stat);
    return (struct pace){.batch = BATCH_FIRST, .unkept = stat.unkept_chunks};
}

/* One request. False = there is no point in another one. */
static bool chunks_fetch(struct fill *fill, struct pace *pace, const uint32_t *chunks, size_t count)
{
    struct cr_seatdisk_stat stat;
    uint64_t begun_ms = now_ms();
    int r = cr_seatdisk_prefetch_chunks(fill->options.disk, chunks, count, NULL);
    uint64_t ms = now_ms() - begun_ms;
    if (ms > REQUEST_MS && pace->batch > BATCH_MIN)
        pace->batch /= 2;
    else if (ms < REQUEST_LOW && count == pace->batch && pace->batch < BATCH_MAX)
        pace->batch *= 2;
    cr_seatdisk_stat(fill->options.disk, &stat);
    if (r == -ECANCELED || stat.unkept_chunks > pace->unkept)
        return false;
    return r == 0 || sleep_ms(fill, FAILED_MS);
}

/* --- the hot list ---------------------------------------------------------------------------- */

static void list_get(struct fill *fill)
{
    const struct cr_id *root = &cr_version_info(cr_seatdisk_version(fill->options.disk))->root;
    struct cr_hotlist list = {0};
    if (!fill->options.no_hot)
        (void)cr_hot_read(fill->options.server, root, &list, NULL);
    pthread_mutex_lock(&fill->mutex);
    fill->list = list;
    fill->listed = true;
    atomic_store(&fill->hot_chunks, list.count);
    pthread_cond_broadcast(&fill->woken);
    pthread_mutex_unlock(&fill->mutex);
}

/* Note when all of it is there. Called with the mutex held. */
static void list_check(struct fill *fill)
{
    if (fill->list.count > 0 && fill->next == fill->list.count && fill->at_work == 0 &&
        atomic_load(&fill->hot_ms) == 0)
        atomic_store(&fill->hot_ms, now_ms() - fill->begun_ms + 1);
}

/* The next chunks of the list that are not there, at most `max`; 0 = no more, or stop. */
static size_t list_take(struct fill *fill, uint32_t *chunks, size_t max)
{
    size_t count = 0;
    uint64_t disk_chunks = cr_version_chunks(cr_seatdisk_version(fill->options.disk));
    pthread_mutex_lock(&fill->mutex);
    while (count < max && fill->next < fill->list.count && !fill->stop) {
        uint32_t chunk = fill->list.chunks[fill->next++];
        if (chunk < disk_chunks && !cr_seatdisk_has(fill->options.disk, chunk))
            chunks[count++] = chunk;
    }
    fill->at_work += count > 0;
    list_check(fill);
    pthread_mutex_unlock(&fill->mutex);
    return count;
}

static void list_give_back(struct fill *fill)
{
    pthread_mutex_lock(&fill->mutex);
    fill->at_work--;
    list_check(fill);
    pthread_mutex_unlock(&fill->mutex);
}

/* False = stop, or there is no point in going on. */
static bool list_work(struct fill *fill)
{
    uint32_t chunks[BATCH_MAX];
    struct pace pace = pace_begin(fill);
    size_t count;
    bool go_on = true;
    while (go_on && (count = list_take(fill, chunks, pace.batch)) > 0) {
        go_on = chunks_fetch(fill, &pace, chunks, count);
        list_give_back(fill);
    }
    return go_on;
}

/* --- the rest -------------------------------------------------------------------------------- */

/* Wait until no read had to wait for a while. False = stop. */
static bool idle_wait(struct fill *fill)
{
    struct cr_seatdisk_stat stat;
    uint64_t stalled = UINT64_MAX, since_ms = now_ms();
    for (;;) {
        cr_seatdisk_stat(fill->options.disk, &stat);
        if (stat.stalled_reads != stalled || cr_seatdisk_demand_waits(fill->options.disk))
            since_ms = now_ms();
        stalled = stat.stalled_reads;
        if (now_ms() - since_ms >= IDLE_MS)
            return true;
        if (!sleep_ms(fill, LOOK_AGAIN_MS))
            return false;
    }
}

/*
 * The next missing chunks from *at on, which moves; at most `max`, of one segment where they do not
 * follow each other. A segment that cannot be read now is passed by. 0 = the end of the disk.
 */
static size_t rest_take(struct fill *fill, uint64_t *at, uint32_t *chunks, size_t max)
{
    struct cr_version *version = cr_seatdisk_version(fill->options.disk);
    const struct cr_id *ids = NULL;
    size_t count = 0;
    for (uint64_t end = cr_version_chunks(version); *at < end && count < max; (*at)++) {
        uint32_t segment = (uint32_t)(*at >> CR_SEGMENT_SHIFT);
        bool skip = cr_version_segment(version, segment, &ids, NULL) < 0 || ids == NULL;
        if (skip) {
            *at |= CR_SEGMENT_CHUNKS - 1;
            continue;
        }
        if (!cr_id_is_hole(&ids[*at & (CR_SEGMENT_CHUNKS - 1)]) &&
            !cr_seatdisk_has(fill->options.disk, *at))
            chunks[count++] = (uint32_t)*at;
    }
    return count;
}

/* Wait as long as what was received is ahead of the rate. False = stop. */
static bool rate_wait(struct fill *fill, uint64_t received, uint64_t begun_ms)
{
    uint64_t due_ms = received * 1000 / fill->options.rate_bytes, spent_ms = now_ms() - begun_ms;
    return due_ms <= spent_ms || sleep_ms(fill, due_ms - spent_ms);
}

/* One pass over the disk. */
static void rest_work(struct fill *fill)
{
    uint32_t chunks[BATCH_MAX];
    struct pace pace = pace_begin(fill);
    struct cr_seatdisk_stat stat;
    uint64_t at = 0, received = 0, stalled = UINT64_MAX, begun_ms = 0;
    size_t count;
    while (!cr_seatdisk_complete(fill->options.disk) &&
           (count = rest_take(fill, &at, chunks, pace.batch)) > 0) {
        cr_seatdisk_stat(fill->options.disk, &stat);
        if (stat.stalled_reads != stalled) {
            if (!idle_wait(fill))
                return;
            cr_seatdisk_stat(fill->options.disk, &stat);
            stalled = stat.stalled_reads;
            received = fill->options.received(fill->options.context);
            begun_ms = now_ms();
        }
        if (!chunks_fetch(fill, &pace, chunks, count) ||
            !rate_wait(fill, fill->options.received(fill->options.context) - received, begun_ms))
            return;
    }
}

/* --- threads --------------------------------------------------------------------------------- */

static void *help(void *context)
{
    struct fill *fill = context;
    pthread_mutex_lock(&fill->mutex);
    while (!fill->listed && !fill->stop)
        pthread_cond_wait(&fill->woken, &fill->mutex);
    pthread_mutex_unlock(&fill->mutex);
    (void)list_work(fill);
    return NULL;
}

static void *lead(void *context)
{
    struct fill *fill = context;
    list_get(fill);
    if (list_work(fill) && fill->options.rate_bytes > 0)
        rest_work(fill);
    return NULL;
}

int fill_start(const struct fill_options *options, struct fill **ret_fill)
{
    struct fill *fill = cr_calloc(1, sizeof(*fill));
    if (fill == NULL)
        return -ENOMEM;
    fill->options = *options;
    fill->begun_ms = now_ms();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&fill->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&fill->mutex, NULL);
    int r = 0;
    while (r == 0 && fill->started < WORKERS) {
        r = -pthread_create(&fill->threads[fill->started], NULL, fill->started == 0 ? lead : help,
                            fill);
        fill->started += r == 0;
    }
    if (r < 0) {
        fill_stop(fill);
        return r;
    }
    *ret_fill = fill;
    return 0;
}

void fill_stop(struct fill *fill)
{
    if (fill == NULL)
        return;
    pthread_mutex_lock(&fill->mutex);
    fill->stop = true;
    pthread_cond_broadcast(&fill->woken);
    pthread_mutex_unlock(&fill->mutex);
    for (unsigned i = 0; i < fill->started; i++)
        pthread_join(fill->threads[i], NULL);
    cr_hotlist_done(&fill->list);
    pthread_cond_destroy(&fill->woken);
    pthread_mutex_destroy(&fill->mutex);
    free(fill);
}

void fill_stat(struct fill *fill, struct fill_stat *ret_stat)
{
    *ret_stat = (struct fill_stat){0};
    if (fill == NULL)
        return;
    ret_stat->hot_chunks = atomic_load(&fill->hot_chunks);
    ret_stat->hot_ms = atomic_load(&fill->hot_ms);
}
