/* SPDX-License-Identifier: MIT */
#include "client/blockd/boot.h"

#include "lib/base/mem.h"
#include "lib/blk/lookup.h"
#include "lib/hotlist/hotlist.h"
#include "lib/net/several.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Twice as many as chunks, so that a free slot is found soon. A power of two. */
#define SLOTS (2 * CR_HOT_CHUNKS_MAX)

struct boot {
    struct boot_options options;
    pthread_t thread;
    atomic_bool recording;
    atomic_uint_least64_t sent;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t woken;
    bool stop, too_long;
    int64_t first_s, last_s; /* when the first and the last new chunk was touched */
    struct cr_hotlist list;
    uint32_t *slots; /* of chunks seen, plus one; 0 = free */
};

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* --- recording ------------------------------------------------------------------------------- */

/* Called with the mutex held. False: it was there. */
static bool chunk_add(struct boot *boot, uint32_t chunk)
{
    size_t at = chunk * 2654435761U % SLOTS;
    for (; boot->slots[at] != 0; at = (at + 1) % SLOTS)
        if (boot->slots[at] == chunk + 1)
            return false;
    if (boot->list.count == CR_HOT_CHUNKS_MAX) {
        boot->too_long = true;
        atomic_store(&boot->recording, false);
        return false;
    }
    boot->slots[at] = chunk + 1;
    boot->list.chunks[boot->list.count++] = chunk;
    return true;
}

void boot_touch(struct boot *boot, uint64_t offset, uint32_t len)
{
    if (boot == NULL || !atomic_load_explicit(&boot->recording, memory_order_relaxed) || len == 0)
        return;
    uint64_t first = offset >> CR_CHUNK_SHIFT, last = (offset + len - 1) >> CR_CHUNK_SHIFT;
    pthread_mutex_lock(&boot->mutex);
    bool is_first = boot->list.count == 0, is_new = false;
    for (uint64_t chunk = first; chunk <= last && atomic_load(&boot->recording); chunk++)
        is_new = chunk_add(boot, (uint32_t)chunk) || is_new;
    if (is_new)
        boot->last_s = now_s();
    if (is_new && is_first) {
        boot->first_s = boot->last_s;
        pthread_cond_signal(&boot->woken);
    }
    pthread_mutex_unlock(&boot->mutex);
}

/* --- the end --------------------------------------------------------------------------------- */

/* Holes are not fetched. Their segments are known: they were read. */
static int holes_remove(struct boot *boot)
{
    struct cr_version *version = cr_seatdisk_version(boot->options.disk);
    const struct cr_id *id = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < boot->list.count; i++) {
        int r = cr_lookup_chunk(version, boot->list.chunks[i], &id, NULL);
        if (r < 0)
            return r;
        if (id != NULL)
            boot->list.chunks[count++] = boot->list.chunks[i];
    }
    boot->list.count = count;
    return 0;
}

/* A server that takes no boots, or not this one, has its reasons: the guest works all the same. */
static int boot_send(struct boot *boot)
{
    struct cr_version *version = cr_seatdisk_version(boot->options.disk);
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX), answer = CR_BUF_INIT(4096);
    char path[CR_ID_HEX + 16], hex[CR_ID_HEX];
    boot->list.root = cr_version_info(version)->root;
    boot->list.disk_bytes = cr_version_disk_bytes(version);
    snprintf(path, sizeof(path), "/v1/boots/%s", cr_id_format(&boot->list.root, hex));
    int r = holes_remove(boot);
    if (r == 0)
        r = cr_hotlist_format(&boot->list, &bytes);
    if (r == 0)
        r = cr_several_post(boot->options.server, path, bytes.data, bytes.len, &answer, NULL);
    if (r == 0)
        atomic_store(&boot->sent, boot->list.count);
    return r;
}

/* When the boot is over if nothing new is touched; 0 = it has not begun. With the mutex held. */
static int64_t end_s(const struct boot *boot)
{
    int64_t quiet = boot->last_s + boot->options.quiet_s, max = boot->first_s + boot->options.max_s;
    return boot->list.count == 0 ? 0 : quiet < max ? quiet : max;
}

static void *wait_and_send(void *context)
{
    struct boot *boot = context;
    pthread_mutex_lock(&boot->mutex);
    while (!boot->stop && !boot->too_long) {
        struct timespec until = {.tv_sec = end_s(boot)};
        if (until.tv_sec == 0)
            pthread_cond_wait(&boot->woken, &boot->mutex);
        else if (until.tv_sec <= now_s())
            break;
        else
            pthread_cond_timedwait(&boot->woken, &boot->mutex, &until);
    }
    atomic_store(&boot->recording, false);
    bool is_whole = !boot->stop && !boot->too_long;
    free(TAKE_PTR(boot->slots));
    pthread_mutex_unlock(&boot->mutex);
    if (is_whole)
        (void)boot_send(boot);
    cr_hotlist_done(&boot->list);
    return NULL;
}

int boot_start(const struct boot_options *options, struct boot **ret_boot)
{
    struct boot *boot = cr_calloc(1, sizeof(*boot));
    if (boot == NULL)
        return -ENOMEM;
    boot->options = *options;
    boot->slots = cr_calloc(SLOTS, sizeof(*boot->slots));
    boot->list.chunks = cr_calloc(CR_HOT_CHUNKS_MAX, sizeof(*boot->list.chunks));
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&boot->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&boot->mutex, NULL);
    atomic_store(&boot->recording, true);
    int r = boot->slots == NULL || boot->list.chunks == NULL ? -ENOMEM : 0;
    if (r == 0)
        r = -pthread_create(&boot->thread, NULL, wait_and_send, boot);
    if (r == 0) {
        *ret_boot = boot;
        return 0;
    }
    cr_hotlist_done(&boot->list);
    free(boot->slots);
    free(boot);
    return r;
}

void boot_stop(struct boot *boot)
{
    if (boot == NULL)
        return;
    pthread_mutex_lock(&boot->mutex);
    boot->stop = true;
    pthread_cond_signal(&boot->woken);
    pthread_mutex_unlock(&boot->mutex);
    pthread_join(boot->thread, NULL);
    pthread_cond_destroy(&boot->woken);
    pthread_mutex_destroy(&boot->mutex);
    free(boot);
}

uint64_t boot_sent(const struct boot *boot)
{
    return boot == NULL ? 0 : atomic_load(&boot->sent);
}
