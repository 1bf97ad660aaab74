/* SPDX-License-Identifier: MIT */
/*
 * Writing. A put is handed to librados, which copies the bytes, and goes on in the background; an
 * object appears whole, so a crash leaves it absent or whole. Once a put has failed every later one
 * and every sync of this open store fails too: what is above believes that the blob is there.
 */
#include "lib/base/mem.h"
#include "lib/rados/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int cr_rados_operate(struct cr_rados *rados, rados_write_op_t op, rados_ioctx_t io,
                     const char *object)
{
    if (op == NULL)
        return -ENOMEM;
    int r = rados->api->write_op_operate(op, io, object, NULL, LIBRADOS_OPERATION_FULL_TRY);
    rados->api->release_write_op(op);
    return r;
}

/* --- put and sync ---------------------------------------------------------------------------- */

struct put {
    struct cr_rados *rados;
    rados_completion_t done;
    enum cr_space space;
    size_t len;
    char name[CR_BLOB_NAME_MAX + 1];
};

/* Keep the first failure. Called with the mutex held. */
static void keep_failure(struct cr_rados *rados, int r, enum cr_space space, const char *name)
{
    if (rados->failed == 0)
        rados->failed = cr_rados_blob_error(rados, r, "writing", space, name, &rados->failure);
}

/* Called by a thread of librados. */
static void put_done(rados_completion_t done, void *argument)
{
    struct put *put = argument;
    struct cr_rados *rados = put->rados;
    int r = rados->api->aio_get_return_value(done);
    pthread_mutex_lock(&rados->mutex);
    if (r < 0)
        keep_failure(rados, r, put->space, put->name);
    rados->writing--;
    rados->writing_bytes -= put->len;
    pthread_cond_broadcast(&rados->change);
    pthread_mutex_unlock(&rados->mutex);
    rados->api->aio_release(done);
    free(put);
}

static void sum_text(const void *data, size_t len, char out[static CR_ID_HEX])
{
    struct cr_id sum;
    cr_hash(data, len, &sum);
    cr_id_format(&sum, out);
}

static rados_write_op_t put_op(struct cr_rados *rados, enum cr_space space, const void *data,
                               size_t len)
{
    const struct cr_rados_api *api = rados->api;
    rados_write_op_t op = api->create_write_op();
    if (op == NULL)
        return NULL;
    api->write_op_set_alloc_hint2(op, len, len,
                                  LIBRADOS_ALLOC_HINT_FLAG_IMMUTABLE |
                                      LIBRADOS_ALLOC_HINT_FLAG_INCOMPRESSIBLE |
                                      LIBRADOS_ALLOC_HINT_FLAG_RANDOM_READ);
    api->write_op_write_full(op, data, len);
    api->write_op_rmxattr(op, CR_RADOS_GENERATION);
    if (space != CR_SPACE_PACKS) { /* it may be replaced, with a comparison */
        char sum[CR_ID_HEX];
        sum_text(data, len, sum);
        api->write_op_setxattr(op, CR_RADOS_SUM, sum, CR_ID_HEX - 1);
    }
    return op;
}

/* Wait until there is room for `len` bytes more, and count them. */
static int room_take(struct cr_rados *rados, size_t len, struct cr_error *err)
{
    pthread_mutex_lock(&rados->mutex);
    while (rados->failed == 0 && rados->writing > 0 &&
           rados->writing_bytes + len > CR_RADOS_WRITING_MAX)
        pthread_cond_wait(&rados->change, &rados->mutex);
    int r = rados->failed;
    if (r == 0) {
        rados->writing++;
        rados->writing_bytes += len;
    } else {
        cr_error_set(err, r, "%s", rados->failure.text);
    }
    pthread_mutex_unlock(&rados->mutex);
    return r;
}

/* A put that did not even begin. */
static int room_give(struct cr_rados *rados, int r, enum cr_space space, const char *name,
                     size_t len, struct cr_error *err)
{
    pthread_mutex_lock(&rados->mutex);
    keep_failure(rados, r, space, name);
    rados->writing--;
    rados->writing_bytes -= len;
    pthread_cond_broadcast(&rados->change);
    cr_error_set(err, r, "%s", rados->failure.text);
    pthread_mutex_unlock(&rados->mutex);
    return r;
}

int cr_rados_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
                 size_t len, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    int r = room_take(rados, len, err);
    if (r < 0)
        return r;
    rados_write_op_t op = put_op(rados, space, data, len);
    struct put *put = cr_calloc(1, sizeof(*put));
    r = op == NULL || put == NULL ? -ENOMEM : 0;
    if (put != NULL) {
        put->rados = rados;
        put->space = space;
        put->len = len;
        snprintf(put->name, sizeof(put->name), "%s", name);
    }
    if (r == 0)
        r = rados->api->aio_create_completion2(put, put_done, &put->done);
    if (r == 0) {
        /* `put` is put_done's as soon as this succeeds. */
        rados_completion_t done = put->done;
        r = rados->api->aio_write_op_operate(op, rados->spaces[space], done, name, NULL,
                                             LIBRADOS_OPERATION_FULL_TRY);
        if (r < 0)
            rados->api->aio_release(done);
    }
    if (op != NULL)
        rados->api->release_write_op(op);
    if (r < 0) {
        free(put);
        return room_give(rados, r, space, name, len, err);
    }
    return 0;
}

/* An object that anybody can read has been committed on all its OSDs, so the others' need nothing.
 */
int cr_rados_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    pthread_mutex_lock(&rados->mutex);
    while (rados->writing > 0)
        pthread_cond_wait(&rados->change, &rados->mutex);
    int r = rados->failed;
    if (r < 0)
        cr_error_set(err, r, "%s", rados->failure.text);
    pthread_mutex_unlock(&rados->mutex);
    return r;
}

int cr_rados_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    int r = rados->api->remove(rados->spaces[space], name);
    return r < 0 ? cr_rados_blob_error(rados, r, "removing", space, name, err) : 0;
}

/* --- compare-and-set ------------------------------------------------------------------------- */

static void compare(struct cr_rados *rados, rados_write_op_t op, const char *attribute,
                    const char *value)
{
    rados->api->write_op_cmpxattr(op, attribute, LIBRADOS_CMPXATTR_OP_EQ, value, strlen(value));
}

static int stale(struct cr_rados *rados, const char *name, struct cr_error *err)
{
    return cr_error_set(err, -ESTALE,
                        "image '%s' was not changed: this process was silent for so long (%u s) "
                        "that it lost its right to write it; run the command again",
                        name, rados->uri.lease_s);
}

/* What a comparison that failed means. */
static int replace_refused(struct cr_rados *rados, enum cr_space space, const char *name,
                           const char *cookie, struct cr_error *err)
{
    char fence[CR_RADOS_COOKIE_BYTES] = "";
    if (space == CR_SPACE_HEADS) {
        int r = cr_rados_attribute(rados, rados->spaces[space], name, CR_RADOS_FENCE, fence,
                                   sizeof(fence));
        if (r < 0 && r != -ENOENT)
            return cr_rados_blob_error(rados, r, "reading", space, name, err);
        if (r < 0 || strcmp(fence, cookie) != 0)
            return stale(rados, name, err);
    }
    return cr_error_set(err, -EAGAIN, "'%s.%s/%s' in pool '%s' was changed by another writer",
                        rados->uri.name_space, cr_space_names[space], name,
                        cr_rados_pool(rados, rados->spaces[space]));
}

int cr_rados_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                     const struct cr_id *expected, const void *data, size_t len,
                     struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    const struct cr_rados_api *api = rados->api;
    char cookie[CR_RADOS_COOKIE_BYTES] = "", before[CR_ID_HEX] = "", after[CR_ID_HEX];
    bool head = space == CR_SPACE_HEADS;
    if (head && !cr_rados_cookie(rados, name, cookie))
        return stale(rados, name, err);
    rados_write_op_t op = api->create_write_op();
    if (op == NULL)
        return cr_error_errno(err, -ENOMEM, "writing '%s/%s'", cr_space_names[space], name);
    if (expected != NULL)
        cr_id_format(expected, before);
    sum_text(data, len, after);
    if (head) /* its object is there, with our fence, since it was locked */
        compare(rados, op, CR_RADOS_FENCE, cookie);
    if (head || expected != NULL)
        compare(rados, op, CR_RADOS_SUM, before);
    else
        api->write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
    api->write_op_write_full(op, data, len);
    api->write_op_setxattr(op, CR_RADOS_SUM, after, CR_ID_HEX - 1);
    int r = cr_rados_operate(rados, op, rados->spaces[space], name);
    if (r == -ECANCELED || r == -EEXIST || r == -ENOENT)
        return replace_refused(rados, space, name, cookie, err);
    if (r == -ETIMEDOUT)
        return cr_error_set(err, r,
                            "writing '%s.%s/%s' in pool '%s' of Ceph: no answer within %u s, so it "
                            "is not known whether it was written: see what `ceph -s` says, then "
                            "look before running the command again",
                            rados->uri.name_space, cr_space_names[space], name,
                            cr_rados_pool(rados, rados->spaces[space]), rados->uri.timeout_s);
    if (r < 0)
        return cr_rados_blob_error(rados, r, "writing", space, name, err);
    if (head)
        cr_rados_tell(rados, name);
    return 0;
}
