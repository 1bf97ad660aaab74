/* SPDX-License-Identifier: MIT */
/*
 * Leases. Each image has an object of its own with a lock of the cluster on it that ends by itself
 * unless it is renewed. A process can be suspended for longer than that and wake up believing that
 * the lock is still its own; so what counts is the fence, an attribute of the head itself that
 * holds the cookie of who may set it, compared in the same operation that sets the head.
 *
 *   taking        lock, then fence := our cookie, then make sure that the lock is still ours
 *   giving back   fence := empty if it still is ours, then unlock
 *   looking       (leases) no lock but a fence: its owner is gone or late; fence := empty if it
 * still is that one. From then on whoever held it can set nothing.
 *
 * Who was found to hold no lock at some moment and believes it later has taken it after that moment
 * and is somebody new, or its fence is gone: the third step of taking makes that so.
 */
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/rados/cluster.h"
#include "lib/rados/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

struct cr_store_lock {
    struct cr_store_lock *next;
    char name[CR_BLOB_NAME_MAX + 1];
    char cookie[CR_RADOS_COOKIE_BYTES];
    int64_t renewed_ms; /* when we last asked for it and got it */
    int64_t tried_ms;
    bool busy; /* the keeper is renewing it */
    bool lost;
};

/* Also counts while the machine sleeps. */
static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_head(const char *name)
{
    return name[0] != '.'; /* not the collector's */
}

static int lock_call(struct cr_rados *rados, const char *name, const char *cookie, uint8_t flags)
{
    struct timeval duration = {.tv_sec = rados->uri.lease_s};
    return rados->api->lock_exclusive(rados->locks, name, CR_RADOS_LOCK, cookie, "", &duration,
                                      flags);
}

static int lock_error(struct cr_rados *rados, int r, const char *name, struct cr_error *err)
{
    return cr_rados_error(rados, r, "locking", rados->locks, "locks", name, err);
}

/* --- who holds it, and fences ---------------------------------------------------------------- */

/* 1 and who, 0 when nobody does, or -errno. */
static int holder_find(struct cr_rados *rados, const char *name, char *client, size_t client_size,
                       char cookie[static CR_RADOS_COOKIE_BYTES])
{
    char tag[64], clients[256], cookies[512], addresses[512];
    size_t tag_len = sizeof(tag), clients_len = sizeof(clients), cookies_len = sizeof(cookies),
           addresses_len = sizeof(addresses);
    int exclusive = 0;
    ssize_t n = rados->api->list_lockers(rados->locks, name, CR_RADOS_LOCK, &exclusive, tag,
                                         &tag_len, clients, &clients_len, cookies, &cookies_len,
                                         addresses, &addresses_len);
    if (n == -ENOENT)
        return 0;
    if (n <= 0)
        return (int)n;
    snprintf(client, client_size, "%.*s", (int)strnlen(clients, sizeof(clients)), clients);
    snprintf(cookie, CR_RADOS_COOKIE_BYTES, "%.*s", (int)strnlen(cookies, sizeof(cookies)),
             cookies);
    return 1;
}

/*
 * Make the head's fence empty if it still is `cookie`; a head that holds nothing else goes away.
 * Returns 0, -ECANCELED when it is another one, or -errno.
 */
static int fence_clear(struct cr_rados *rados, const char *name, const char *cookie)
{
    const struct cr_rados_api *api = rados->api;
    int r = -ECANCELED;
    for (int whole = 1; whole >= 0 && r == -ECANCELED; whole--) {
        rados_write_op_t op = api->create_write_op();
        if (op == NULL)
            return -ENOMEM;
        api->write_op_assert_exists(op);
        api->write_op_cmpxattr(op, CR_RADOS_FENCE, LIBRADOS_CMPXATTR_OP_EQ, cookie, strlen(cookie));
        if (whole) {
            api->write_op_cmpxattr(op, CR_RADOS_SUM, LIBRADOS_CMPXATTR_OP_EQ, "", 0);
            api->write_op_remove(op);
        } else {
            api->write_op_setxattr(op, CR_RADOS_FENCE, "", 0);
        }
        r = cr_rados_operate(rados, op, rados->spaces[CR_SPACE_HEADS], name);
    }
    return r == -ENOENT ? 0 : r;
}

static int fence_set(struct cr_rados *rados, const char *name, const char *cookie)
{
    rados_write_op_t op = rados->api->create_write_op();
    if (op != NULL) {
        rados->api->write_op_create(op, LIBRADOS_CREATE_IDEMPOTENT, NULL);
        rados->api->write_op_setxattr(op, CR_RADOS_FENCE, cookie, strlen(cookie));
    }
    return cr_rados_operate(rados, op, rados->spaces[CR_SPACE_HEADS], name);
}

/* --- taking and giving back ------------------------------------------------------------------ */

/*
 * Somebody has it. Returns 0 when that was a process of this machine that no longer exists, and its
 * lock is broken now; else -EBUSY.
 */
static int lock_is_busy(struct cr_rados *rados, const char *name, struct cr_error *err)
{
    char client[128], cookie[CR_RADOS_COOKIE_BYTES], who[CR_HOLDER_TEXT];
    int r = holder_find(rados, name, client, sizeof(client), cookie);
    if (r < 0)
        return lock_error(rados, r, name, err);
    if (r == 0)
        return 0; /* it ended meanwhile */
    if (cr_holder_is_gone(cookie)) {
        r = rados->api->break_lock(rados->locks, name, CR_RADOS_LOCK, client, cookie);
        return r == 0 || r == -ENOENT ? 0 : lock_error(rados, r, name, err);
    }
    cr_holder_describe(cookie, who);
    if (!has_head(name))
        return cr_error_set(err, -EBUSY,
                            "store '%s' in pool '%s' is being collected by another process (%s): "
                            "wait until it is done; if it is gone for good, %u s are enough",
                            rados->uri.name_space, rados->uri.meta, who, rados->uri.lease_s);
    return cr_error_set(err, -EBUSY,
                        "image '%s' in pool '%s' is being written by another process (%s): wait "
                        "until it is done and run the command again; if it is gone for good, %u s "
                        "are enough",
                        name, rados->uri.meta, who, rados->uri.lease_s);
}

#define TAKE_ATTEMPTS 4

static int lock_take(struct cr_rados *rados, struct cr_store_lock *lock, struct cr_error *err)
{
    int r = -EBUSY;
    for (int attempt = 0; attempt < TAKE_ATTEMPTS; attempt++) {
        lock->renewed_ms = now_ms();
        r = lock_call(rados, lock->name, lock->cookie, 0);
        if (r == -EBUSY) {
            int busy = lock_is_busy(rados, lock->name, err);
            if (busy < 0)
                return busy;
            continue;
        }
        if (r == 0 && has_head(lock->name)) {
            r = fence_set(rados, lock->name, lock->cookie);
            if (r == 0)
                r = lock_call(rados, lock->name, lock->cookie, LIBRADOS_LOCK_FLAG_MUST_RENEW);
            if (r < 0)
                (void)rados->api->unlock(rados->locks, lock->name, CR_RADOS_LOCK, lock->cookie);
        }
        if (r != -ENOENT && r != -EBUSY)
            break;
    }
    return r < 0 ? lock_error(rados, r, lock->name, err) : 0;
}

int cr_rados_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                  struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    CLEANUP_FREE struct cr_store_lock *lock = cr_calloc(1, sizeof(*lock));
    if (lock == NULL)
        return cr_error_errno(err, -ENOMEM, "locking image '%s'", name);
    snprintf(lock->name, sizeof(lock->name), "%s", name);
    int r = cr_holder_cookie(lock->cookie, sizeof(lock->cookie), err);
    if (r == 0)
        r = cr_rados_keeper_start(rados, err);
    if (r == 0)
        r = lock_take(rados, lock, err);
    if (r < 0)
        return r;
    lock->tried_ms = lock->renewed_ms;
    pthread_mutex_lock(&rados->mutex);
    lock->next = rados->held;
    rados->held = lock;
    pthread_mutex_unlock(&rados->mutex);
    *ret_lock = TAKE_PTR(lock);
    return 0;
}

void cr_rados_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    pthread_mutex_lock(&rados->mutex);
    while (lock->busy)
        pthread_cond_wait(&rados->change, &rados->mutex);
    struct cr_store_lock **link = &rados->held;
    while (*link != lock)
        link = &(*link)->next;
    *link = lock->next;
    pthread_mutex_unlock(&rados->mutex);
    /* What fails here ends by itself. */
    if (has_head(lock->name))
        (void)fence_clear(rados, lock->name, lock->cookie);
    (void)rados->api->unlock(rados->locks, lock->name, CR_RADOS_LOCK, lock->cookie);
    free(lock);
}

int cr_rados_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                       struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    char text[CR_RADOS_COOKIE_BYTES + 24];
    int n = snprintf(text, sizeof(text), "%s %" PRIu64, lock->cookie, generation);
    int r = rados->api->setxattr(rados->locks, lock->name, CR_RADOS_SEEN, text, (size_t)n);
    return r < 0 ? lock_error(rados, r, lock->name, err) : 0;
}

bool cr_rados_cookie(struct cr_rados *rados, const char *name,
                     char out[static CR_RADOS_COOKIE_BYTES])
{
    bool found = false;
    pthread_mutex_lock(&rados->mutex);
    for (struct cr_store_lock *lock = rados->held; lock != NULL && !found; lock = lock->next) {
        if (strcmp(lock->name, name) != 0 || lock->lost)
            continue;
        memcpy(out, lock->cookie, CR_RADOS_COOKIE_BYTES);
        found = true;
    }
    pthread_mutex_unlock(&rados->mutex);
    return found;
}

int cr_rados_collector_check(struct cr_rados *rados, struct cr_error *err)
{
    bool late = false;
    int64_t now = now_ms();
    pthread_mutex_lock(&rados->mutex);
    for (struct cr_store_lock *lock = rados->held; lock != NULL; lock = lock->next)
        if (strcmp(lock->name, CR_LOCK_COLLECTOR) == 0)
            late = lock->lost || now - lock->renewed_ms > (int64_t)rados->uri.lease_s * 1000;
    pthread_mutex_unlock(&rados->mutex);
    if (!late)
        return 0;
    return cr_error_set(err, -ESTALE,
                        "the collection of store '%s' in pool '%s' was silent for so long (%u s) "
                        "that it lost its right to go on; run the command again",
                        rados->uri.name_space, rados->uri.meta, rados->uri.lease_s);
}

/* --- renewing -------------------------------------------------------------------------------- */

/* 0, -ESTALE when the lock is lost for good, or another error: then try again soon. */
static int lock_renew(struct cr_rados *rados, const char *name, const char *cookie)
{
    int r = lock_call(rados, name, cookie, LIBRADOS_LOCK_FLAG_MUST_RENEW);
    if (r == -EBUSY || (r == -ENOENT && !has_head(name)))
        return -ESTALE;
    if (r != -ENOENT)
        return r;
    /* It ended, perhaps because the cluster stood still. Nobody cared if the fence is still ours.
     */
    r = lock_call(rados, name, cookie, 0);
    if (r == -EBUSY)
        return -ESTALE;
    if (r < 0 && r != -EEXIST)
        return r;
    char fence[CR_RADOS_COOKIE_BYTES] = "";
    r = cr_rados_attribute(rados, rados->spaces[CR_SPACE_HEADS], name, CR_RADOS_FENCE, fence,
                           sizeof(fence));
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && strcmp(fence, cookie) == 0)
        return 0;
    (void)rados->api->unlock(rados->locks, name, CR_RADOS_LOCK, cookie);
    return -ESTALE;
}

void cr_rados_locks_renew(struct cr_rados *rados)
{
    int64_t due = (int64_t)rados->uri.lease_s * 1000 / 3;
    for (;;) {
        int64_t start = now_ms();
        pthread_mutex_lock(&rados->mutex);
        struct cr_store_lock *lock = rados->held;
        while (lock != NULL && (lock->lost || start - lock->tried_ms < due))
            lock = lock->next;
        if (lock != NULL)
            lock->busy = true;
        pthread_mutex_unlock(&rados->mutex);
        if (lock == NULL)
            return;
        int r = lock_renew(rados, lock->name, lock->cookie);
        pthread_mutex_lock(&rados->mutex);
        /* One that failed is tried again after a second. */
        lock->tried_ms = r == 0 ? start : now_ms() - due + 1000;
        if (r == 0)
            lock->renewed_ms = start;
        lock->lost = r == -ESTALE;
        lock->busy = false;
        pthread_cond_broadcast(&rados->change);
        pthread_mutex_unlock(&rados->mutex);
    }
}

/* --- all leases ------------------------------------------------------------------------------ */

struct lease_look {
    struct cr_rados *rados;
    cr_lease_sink *sink;
    void *context;
    struct cr_error *err;
};

static uint64_t seen_parse(const char *text, const char *cookie)
{
    size_t len = strlen(cookie);
    uint64_t generation;
    if (strncmp(text, cookie, len) != 0 || text[len] != ' ' ||
        cr_u64_parse(text + len + 1, UINT64_MAX, &generation) < 0)
        return 0; /* what stands there is of an earlier holder */
    return generation;
}

static int lease_look(void *context, const char *name)
{
    struct lease_look *look = context;
    struct cr_rados *rados = look->rados;
    char fence[CR_RADOS_COOKIE_BYTES] = "", cookie[CR_RADOS_COOKIE_BYTES], client[128];
    char seen[CR_RADOS_COOKIE_BYTES + 24] = "";
    for (;;) {
        int r = !has_head(name) ? 0
                                : cr_rados_attribute(rados, rados->spaces[CR_SPACE_HEADS], name,
                                                     CR_RADOS_FENCE, fence, sizeof(fence));
        if (r == -ENOENT)
            fence[0] = '\0';
        else if (r < 0)
            return lock_error(rados, r, name, look->err);
        r = holder_find(rados, name, client, sizeof(client), cookie);
        if (r > 0) {
            r = cr_rados_attribute(rados, rados->locks, name, CR_RADOS_SEEN, seen, sizeof(seen));
            if (r < 0 && r != -ENOENT)
                return lock_error(rados, r, name, look->err);
            return look->sink(look->context, name, seen_parse(seen, cookie));
        }
        if (r == 0 && fence[0] == '\0')
            return 0;
        if (r == 0)
            r = fence_clear(rados, name, fence);
        if (r == 0)
            return 0;
        if (r != -ECANCELED) /* else somebody has taken it just now: look again */
            return lock_error(rados, r, name, look->err);
    }
}

int cr_rados_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context,
                    struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    struct lease_look look = {.rados = rados, .sink = sink, .context = context, .err = err};
    return cr_rados_names(rados, rados->locks, "locks", lease_look, &look, err);
}
