/* SPDX-License-Identifier: MIT */
#include "lib/rados/rados.h"

#include "lib/base/mem.h"
#include "lib/rados/cluster.h"
#include "lib/store/registry.h"

#include <errno.h>
#include <string.h>

#define MARKER_TEXT "carrel-store 1\n"

static void rados_close(struct cr_blobs *blobs)
{
    cr_rados_disconnect(cr_rados_of(blobs));
}

static const struct cr_blob_ops rados_ops = {
    .close = rados_close,
    .size = cr_rados_size,
    .read = cr_rados_read,
    .read_many = cr_rados_read_many,
    .size_many = cr_rados_size_many,
    .list = cr_rados_list,
    .put = cr_rados_put,
    .remove = cr_rados_remove,
    .sync = cr_rados_sync,
    .lock = cr_rados_lock,
    .lock_seen = cr_rados_lock_seen,
    .unlock = cr_rados_unlock,
    .leases = cr_rados_leases,
    .replace = cr_rados_replace,
    .mark = cr_rados_mark,
    .unmark = cr_rados_unmark,
    .marks = cr_rados_marks,
    .remove_marked = cr_rados_remove_marked,
    .watch = cr_rados_watch,
    .watching = cr_rados_watching,
};

/* --- the marker ------------------------------------------------------------------------------ */

static int marker_check(struct cr_rados *rados, const char *rest, struct cr_error *err)
{
    char text[CR_RADOS_NAME_MAX + 32];
    int n = rados->api->read(rados->root, CR_RADOS_MARKER, text, sizeof(text) - 1, 0);
    if (n == -ENOENT)
        return cr_error_set(err, n,
                            "there is no store '%s' in pool '%s' of Ceph; `carrel store init "
                            "'rados:%.300s'` makes one",
                            rados->uri.name_space, rados->uri.meta, rest);
    if (n < 0)
        return cr_rados_error(rados, n, "reading", rados->root, "", CR_RADOS_MARKER, err);
    text[n] = '\0';
    if (strcmp(text, MARKER_TEXT) == 0)
        return 0;
    char meta[CR_RADOS_NAME_MAX + 1];
    if (sscanf(text, "carrel-store 1 meta=%128[^\n]", meta) == 1)
        return cr_error_set(err, -EINVAL,
                            "store '%s' in pool '%s' of Ceph keeps its heads in another pool: add "
                            "'meta=%s' behind a '?' or '&'",
                            rados->uri.name_space, rados->uri.pool, meta);
    return cr_error_set(
        err, -EBADMSG,
        "store '%s' in pool '%s' of Ceph was made by another version of Carrel: its "
        "object '" CR_RADOS_MARKER "' is not \"carrel-store 1\"",
        rados->uri.name_space, rados->uri.meta);
}

/* Ceph likes to know what a pool is for; a client that may not say it does no harm. */
static void pool_claim(struct cr_rados *rados, rados_ioctx_t io)
{
    char list[256];
    size_t len = sizeof(list);
    if (rados->api->application_list(io, list, &len) == 0 && len == 0)
        (void)rados->api->application_enable(io, "carrel", 0);
}

static int marker_make(struct cr_rados *rados, rados_ioctx_t io, const char *text,
                       struct cr_error *err)
{
    rados_write_op_t op = rados->api->create_write_op();
    if (op != NULL) {
        rados->api->write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
        rados->api->write_op_write_full(op, text, strlen(text));
    }
    int r = cr_rados_operate(rados, op, io, CR_RADOS_MARKER);
    if (r == -EEXIST)
        return cr_error_set(err, r, "there is a store '%s' in pool '%s' of Ceph already",
                            rados->uri.name_space, cr_rados_pool(rados, io));
    return r < 0 ? cr_rados_error(rados, r, "writing", io, "", CR_RADOS_MARKER, err) : 0;
}

/*
 * Leave a word in the data pool for those who do not name the other one. It stands there already
 * when an init was interrupted.
 */
static int marker_leave(struct cr_rados *rados, struct cr_error *err)
{
    char text[CR_RADOS_NAME_MAX + 32], found[CR_RADOS_NAME_MAX + 32];
    rados_ioctx_t io = NULL;
    int r = cr_rados_namespace(rados, rados->uri.pool, "", &io, err);
    if (r < 0)
        return r;
    pool_claim(rados, io);
    snprintf(text, sizeof(text), "carrel-store 1 meta=%s\n", rados->uri.meta);
    r = marker_make(rados, io, text, err);
    if (r == -EEXIST) {
        int n = rados->api->read(io, CR_RADOS_MARKER, found, sizeof(found), 0);
        if (n == (int)strlen(text) && memcmp(found, text, (size_t)n) == 0)
            r = 0;
    }
    rados->api->ioctx_destroy(io);
    return r;
}

static int pool_check(struct cr_rados *rados, struct cr_error *err)
{
    int aligned = 0;
    int r = rados->api->ioctx_pool_requires_alignment2(rados->root, &aligned);
    if (r < 0)
        return cr_error_errno(err, r, "asking for the kind of pool '%s'", rados->uri.meta);
    if (aligned)
        return cr_error_set(err, -EOPNOTSUPP,
                            "pool '%s' of Ceph is erasure-coded and can only keep packs: name a "
                            "replicated pool for the rest with '?meta=POOL'",
                            rados->uri.meta);
    return 0;
}

/* --- the scheme ------------------------------------------------------------------------------ */

static int connect_to(const char *rest, struct cr_rados **ret_rados, struct cr_error *err)
{
    struct cr_rados_uri uri;
    int r = cr_rados_uri_parse(rest, &uri, err);
    return r < 0 ? r : cr_rados_connect(&uri, ret_rados, err);
}

int cr_rados_open(const char *rest, struct cr_rados **ret_rados, struct cr_error *err)
{
    struct cr_rados *rados = NULL;
    int r = connect_to(rest, &rados, err);
    if (r < 0)
        return r;
    rados->base.ops = &rados_ops;
    r = marker_check(rados, rest, err);
    if (r < 0) {
        cr_rados_disconnect(rados);
        return r;
    }
    *ret_rados = rados;
    return 0;
}

static int store_open(const char *rest, struct cr_store **ret_store, struct cr_error *err)
{
    struct cr_rados *rados = NULL;
    int r = cr_rados_open(rest, &rados, err);
    return r < 0 ? r : cr_packstore_new(&rados->base, ret_store, err);
}

static int store_init(const char *rest, struct cr_error *err)
{
    struct cr_rados *rados = NULL;
    int r = connect_to(rest, &rados, err);
    if (r < 0)
        return r;
    r = pool_check(rados, err);
    if (r == 0)
        pool_claim(rados, rados->root);
    if (r == 0 && strcmp(rados->uri.pool, rados->uri.meta) != 0)
        r = marker_leave(rados, err);
    if (r == 0)
        r = marker_make(rados, rados->root, MARKER_TEXT, err);
    cr_rados_disconnect(rados);
    return r;
}

static const struct cr_store_scheme scheme = {
    "rados", "rados:POOL[/NAMESPACE][?conf=FILE&id=NAME&meta=POOL]", store_open, store_init};

void cr_rados_register(void)
{
    cr_store_register(&scheme);
}
