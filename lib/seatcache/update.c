/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/update.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/delta/delta.h"
#include "lib/seatcache/olddisk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

/* A machine's start may wait this long for old version and delta. */
#define SETTLE_MS 1000U

/* The server may be making the delta, or have nobody who does: asked less and less often. */
#define AGAIN_MS     (3U * 60 * 1000)
#define AGAIN_MS_MAX (60U * 60 * 1000)

/* So many failures, and more than successes: the old version is not worth the delta's bytes. */
#define FALLBACKS_MAX 256U

/* A delta that made nothing for so long gives its memory back. */
#define REST_MS 5000U

/* Parts of other deltas are kept that long: another image of this PC may be using them. */
#define PART_KEPT_S (24 * 60 * 60)

struct cr_update {
    struct cr_store *store;
    struct cr_version *version;
    int disks_fd, objects_fd, parts_fd;
    unsigned again_ms;
    pthread_t thread;
    struct cr_olddisk *_Atomic old; /* set once, by the thread */
    struct cr_delta *_Atomic delta; /* likewise */
    atomic_bool off;                /* the delta is not used any more */
    atomic_uint_least64_t old_chunks, delta_chunks, fallbacks;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t changed;
    bool settled, stop;
};

/* --- the other version ----------------------------------------------------------------------- */

/* Bytes of its file that are filled; 0 = there is none. */
static uint64_t filled_bytes(const struct cr_update *update, const struct cr_id *root)
{
    char name[CR_CHUNKFILE_NAME];
    struct stat st;
    if (fstatat(update->disks_fd, cr_chunkfile_name(root, name), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_blocks * 512;
}

/* The newest of the other versions whose file is at least half as full as the fullest one. */
static const struct cr_version_info *old_choose(const struct cr_update *update,
                                                const struct cr_head *head)
{
    const struct cr_version_info *chosen = NULL;
    const struct cr_id *own = &cr_version_info(update->version)->root;
    uint64_t most = 0;
    for (uint32_t i = 0; i < head->count; i++) {
        uint64_t filled = filled_bytes(update, &head->versions[i].root);
        if (filled > most && !cr_id_equal(&head->versions[i].root, own))
            most = filled;
    }
    for (uint32_t i = 0; i < head->count; i++) {
        uint64_t filled = filled_bytes(update, &head->versions[i].root);
        if (filled > 0 && filled >= most / 2 && !cr_id_equal(&head->versions[i].root, own))
            chosen = &head->versions[i];
    }
    return chosen;
}

/*
 * The head only says which files are of this image. It need not be believed: whatever is taken out
 * of a file is verified by its id.
 */
static int old_find(struct cr_update *update)
{
    struct cr_head head;
    struct cr_olddisk *old = NULL;
    int r =
        cr_store_head_read(update->store, cr_version_ref(update->version)->name, &head, NULL, NULL);
    if (r < 0)
        return r;
    const struct cr_version_info *chosen = old_choose(update, &head);
    r = chosen == NULL ? -ENOENT
                       : cr_olddisk_open(update->disks_fd, update->objects_fd, &chosen->root, &old);
    cr_head_done(&head);
    if (r == 0)
        atomic_store(&update->old, old);
    return r;
}

/* --- its delta ------------------------------------------------------------------------------- */

static void parts_sweep(const struct cr_update *update)
{
    int fd = openat(update->parts_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    int64_t now_s = time(NULL);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' &&
            fstatat(update->parts_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtime + PART_KEPT_S < now_s)
            unlinkat(update->parts_fd, entry->d_name, 0);
}

static int delta_ask(struct cr_update *update)
{
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    const struct cr_olddisk *old = atomic_load(&update->old);
    int r = cr_delta_open(update->store, cr_olddisk_root(old),
                          &cr_version_info(update->version)->root, &delta, NULL);
    if (r < 0)
        return r;
    if (cr_delta_index(delta)->old_bytes != cr_olddisk_bytes(old) ||
        cr_delta_index(delta)->new_bytes != cr_version_disk_bytes(update->version))
        return -EBADMSG;
    parts_sweep(update);
    cr_delta_keep_in(delta, update->parts_fd);
    atomic_store(&update->delta, TAKE_PTR(delta));
    return 0;
}

/* --- the thread ------------------------------------------------------------------------------ */

static struct timespec after_ms(unsigned ms)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += ms / 1000;
    when.tv_nsec += (long)(ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Say that the first round is over; with `wait_ms`, wait so long. False = stop. */
static bool settle(struct cr_update *update, unsigned wait_ms)
{
    struct timespec until = after_ms(wait_ms);
    int r = 0;
    pthread_mutex_lock(&update->mutex);
    update->settled = true;
    pthread_cond_broadcast(&update->changed);
    while (!update->stop && wait_ms > 0 && r == 0)
        r = pthread_cond_timedwait(&update->changed, &update->mutex, &until);
    bool go_on = !update->stop;
    pthread_mutex_unlock(&update->mutex);
    return go_on;
}

/* Until stop: see that an idle delta needs no memory. */
static void watch_idle(struct cr_update *update)
{
    uint64_t made = 0, rested = 0;
    while (settle(update, REST_MS)) {
        uint64_t now = atomic_load(&update->delta_chunks) + atomic_load(&update->fallbacks);
        if (now == made && now != rested) {
            cr_delta_rest(atomic_load(&update->delta));
            rested = now;
        }
        made = now;
    }
}

static void *work(void *context)
{
    struct cr_update *update = context;
    unsigned wait_ms = update->again_ms;
    int r = old_find(update);
    while (r == 0) {
        r = delta_ask(update);
        if (r == 0 || r == -ECANCELED || r == -ENOMEM || !settle(update, wait_ms))
            break;
        wait_ms = wait_ms < AGAIN_MS_MAX / 2 ? 2 * wait_ms : AGAIN_MS_MAX;
        r = 0;
    }
    if (r == 0)
        watch_idle(update);
    settle(update, 0);
    return NULL;
}

/* --- from start to stop ---------------------------------------------------------------------- */

static bool has_others(int disks_fd, const struct cr_id *own)
{
    char name[CR_CHUNKFILE_NAME];
    int fd = openat(disks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    cr_chunkfile_name(own, name);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (strlen(entry->d_name) == strlen(name) && strcmp(entry->d_name, name) != 0)
            return true; /* a map's name is shorter */
    return false;
}

static void update_free(struct cr_update *update)
{
    cr_delta_close(atomic_load(&update->delta));
    cr_olddisk_close(atomic_load(&update->old));
    cr_cleanup_close(&update->disks_fd);
    cr_cleanup_close(&update->objects_fd);
    cr_cleanup_close(&update->parts_fd);
    pthread_mutex_destroy(&update->mutex);
    pthread_cond_destroy(&update->changed);
    free(update);
}

static struct cr_update *update_new(void)
{
    struct cr_update *update = cr_calloc(1, sizeof(*update));
    pthread_condattr_t monotonic;
    if (update == NULL)
        return NULL;
    update->disks_fd = update->objects_fd = update->parts_fd = -1;
    pthread_mutex_init(&update->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&update->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return update;
}

/* Without a folder for them, parts are fetched as often as they are needed. */
static int folders_open(struct cr_update *update, int dir_fd, int disks_fd, int objects_fd)
{
    update->disks_fd = fcntl(disks_fd, F_DUPFD_CLOEXEC, 0);
    update->objects_fd = fcntl(objects_fd, F_DUPFD_CLOEXEC, 0);
    if (update->disks_fd < 0 || update->objects_fd < 0)
        return -errno;
    if (cr_dir_make(dir_fd, "deltas", 0700) == 0)
        update->parts_fd = openat(dir_fd, "deltas", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

static void await_settled(struct cr_update *update)
{
    struct timespec until = after_ms(SETTLE_MS);
    int r = 0;
    pthread_mutex_lock(&update->mutex);
    while (!update->settled && r == 0)
        r = pthread_cond_timedwait(&update->changed, &update->mutex, &until);
    pthread_mutex_unlock(&update->mutex);
}

struct cr_update *cr_update_start(struct cr_store *store, struct cr_version *version, int dir_fd,
                                  int disks_fd, int objects_fd, unsigned again_ms)
{
    if (!has_others(disks_fd, &cr_version_info(version)->root))
        return NULL;
    struct cr_update *update = update_new();
    if (update == NULL)
        return NULL;
    update->store = store;
    update->version = version;
    update->again_ms = again_ms != 0 ? again_ms : AGAIN_MS;
    if (folders_open(update, dir_fd, disks_fd, objects_fd) < 0 ||
        pthread_create(&update->thread, NULL, work, update) != 0) {
        update_free(update);
        return NULL;
    }
    await_settled(update);
    return update;
}

void cr_update_stop(struct cr_update *update)
{
    if (update == NULL)
        return;
    pthread_mutex_lock(&update->mutex);
    update->stop = true;
    pthread_cond_broadcast(&update->changed);
    pthread_mutex_unlock(&update->mutex);
    pthread_join(update->thread, NULL);
    update_free(update);
}

/* --- chunks ---------------------------------------------------------------------------------- */

struct asker {
    const struct cr_olddisk *old;
    bool missed; /* an old block is not at hand */
};

static int read_old(void *context, uint64_t first, uint32_t count, void *out, struct cr_error *err)
{
    struct asker *asker = context;
    int r = cr_olddisk_blocks(asker->old, first, count, out);
    if (r == 0)
        return 0;
    asker->missed = true;
    return cr_error_set(err, r, "not all of the old version is at hand");
}

static bool by_delta(struct cr_update *update, const struct cr_olddisk *old, uint64_t index,
                     const struct cr_id *id, uint8_t *plain)
{
    struct cr_delta *delta = atomic_load(&update->delta);
    struct asker asker = {.old = old};
    if (delta == NULL || atomic_load(&update->off))
        return false;
    int r = cr_delta_chunk(delta, index, id, read_old, &asker, plain, NULL);
    if (r == 0) {
        atomic_fetch_add(&update->delta_chunks, 1);
        return true;
    }
    if (r == -ENOENT && !asker.missed)
        return false; /* not among those that it makes */
    uint64_t failed = atomic_fetch_add(&update->fallbacks, 1) + 1;
    bool is_known = r == -ENOENT || r == -EBADMSG || r == -ENOMEM;
    if (!is_known || (failed > FALLBACKS_MAX && failed > atomic_load(&update->delta_chunks)))
        atomic_store(&update->off, true);
    return false;
}

bool cr_update_chunk(struct cr_update *update, uint64_t index, const struct cr_id *id, uint32_t len,
                     uint8_t *plain)
{
    const struct cr_olddisk *old = update == NULL ? NULL : atomic_load(&update->old);
    if (old == NULL)
        return false;
    if (!cr_olddisk_chunk(old, index, id, len, plain))
        return by_delta(update, old, index, id, plain);
    atomic_fetch_add(&update->old_chunks, 1);
    return true;
}

const struct cr_id *cr_update_source(struct cr_update *update)
{
    const struct cr_olddisk *old = update == NULL ? NULL : atomic_load(&update->old);
    return old == NULL ? NULL : cr_olddisk_root(old);
}

void cr_update_stat(struct cr_update *update, struct cr_update_stat *ret_stat)
{
    struct cr_delta_counts counts = {0};
    struct cr_delta *delta = update == NULL ? NULL : atomic_load(&update->delta);
    *ret_stat = (struct cr_update_stat){0};
    if (update == NULL)
        return;
    if (delta != NULL)
        cr_delta_counts(delta, &counts);
    *ret_stat = (struct cr_update_stat){
        .old_chunks = atomic_load(&update->old_chunks),
        .delta_chunks = atomic_load(&update->delta_chunks),
        .delta_bytes = counts.delta_bytes,
        .fallbacks = atomic_load(&update->fallbacks),
    };
}
