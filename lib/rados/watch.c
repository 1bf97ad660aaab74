/* SPDX-License-Identifier: MIT */
/*
 * Being told of new heads. All watch the store's marker; who has set a head notifies it with the
 * image's name. Heads are what counts: a notice that was lost costs time, never truth.
 */
#include "lib/rados/cluster.h"

#include <errno.h>
#include <string.h>

/* After how long without an answer to librados' pings (every 5 s) a watch is not believed in. */
#define SILENCE_MS_MAX 15000
/* How long the cluster keeps a watch whose connection is lost. */
#define WATCH_S 30
/* How long a publisher waits for those who watch. */
#define TELL_MS 1000

/* Called by a thread of librados. */
static void on_notify(void *argument, uint64_t id, uint64_t handle, uint64_t notifier, void *data,
                      size_t len)
{
    struct cr_rados *rados = argument;
    char name[CR_NAME_MAX + 1];
    bool known = len > 0 && len <= CR_NAME_MAX;
    (void)notifier;
    (void)rados->api->notify_ack(rados->root, CR_RADOS_MARKER, id, handle, NULL, 0);
    if (known) {
        memcpy(name, data, len);
        name[len] = '\0';
    }
    rados->changed(rados->changed_context, known ? name : NULL);
}

/* Called by a thread of librados: notices may have been missed. */
static void on_error(void *argument, uint64_t handle, int error)
{
    struct cr_rados *rados = argument;
    (void)handle;
    (void)error;
    pthread_mutex_lock(&rados->mutex);
    rados->watch_is_lost = true;
    pthread_cond_broadcast(&rados->change);
    pthread_mutex_unlock(&rados->mutex);
}

int cr_rados_watch(struct cr_blobs *blobs, cr_store_changed *changed, void *context,
                   struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    if (rados->changed != NULL)
        return cr_error_set(err, -EBUSY, "store '%s' in pool '%s' is being watched already",
                            rados->uri.name_space, rados->uri.meta);
    uint64_t handle = 0;
    rados->changed_context = context;
    rados->changed = changed;
    int r = cr_rados_keeper_start(rados, err);
    if (r == 0 && (r = rados->api->watch3(rados->root, CR_RADOS_MARKER, &handle, on_notify,
                                          on_error, WATCH_S, rados)) < 0)
        cr_rados_error(rados, r, "watching", rados->root, "", CR_RADOS_MARKER, err);
    if (r < 0) {
        rados->changed = NULL;
        return r;
    }
    pthread_mutex_lock(&rados->mutex);
    rados->watch_handle = handle;
    rados->watch_is_set = true;
    pthread_mutex_unlock(&rados->mutex);
    return 0;
}

bool cr_rados_watching(struct cr_blobs *blobs)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    pthread_mutex_lock(&rados->mutex);
    bool watching = rados->watch_is_set && !rados->watch_is_lost;
    uint64_t handle = rados->watch_handle;
    pthread_mutex_unlock(&rados->mutex);
    if (!watching)
        return false;
    int silent_ms = rados->api->watch_check(rados->root, handle);
    return silent_ms >= 0 && silent_ms < SILENCE_MS_MAX;
}

void cr_rados_watch_mend(struct cr_rados *rados)
{
    pthread_mutex_lock(&rados->mutex);
    bool lost = rados->watch_is_set && rados->watch_is_lost;
    uint64_t handle = rados->watch_handle;
    pthread_mutex_unlock(&rados->mutex);
    if (!lost)
        return;
    if (handle != 0)
        (void)rados->api->unwatch2(rados->root, handle);
    handle = 0;
    int r = rados->api->watch3(rados->root, CR_RADOS_MARKER, &handle, on_notify, on_error, WATCH_S,
                               rados);
    pthread_mutex_lock(&rados->mutex);
    rados->watch_handle = r == 0 ? handle : 0;
    rados->watch_is_lost = r < 0;
    pthread_mutex_unlock(&rados->mutex);
    if (r == 0)
        rados->changed(rados->changed_context, NULL);
}

void cr_rados_watch_stop(struct cr_rados *rados)
{
    if (!rados->watch_is_set)
        return;
    if (rados->watch_handle != 0)
        (void)rados->api->unwatch2(rados->root, rados->watch_handle);
    (void)rados->api->watch_flush(rados->cluster);
}

void cr_rados_tell(struct cr_rados *rados, const char *name)
{
    char *reply = NULL;
    size_t reply_len = 0;
    (void)rados->api->notify2(rados->root, CR_RADOS_MARKER, name, (int)strlen(name), TELL_MS,
                              &reply, &reply_len);
    if (reply != NULL)
        rados->api->buffer_free(reply);
}
