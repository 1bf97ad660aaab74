/* SPDX-License-Identifier: MIT */
#include "lib/rados/cluster.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* --- errors ---------------------------------------------------------------------------------- */

static const char *client(const struct cr_rados *rados)
{
    return rados->uri.id[0] != '\0' ? rados->uri.id : "admin";
}

const char *cr_rados_pool(const struct cr_rados *rados, rados_ioctx_t io)
{
    return io == rados->spaces[CR_SPACE_PACKS] ? rados->uri.pool : rados->uri.meta;
}

int cr_rados_error(const struct cr_rados *rados, int code, const char *what, rados_ioctx_t io,
                   const char *folder, const char *name, struct cr_error *err)
{
    const char *pool = cr_rados_pool(rados, io);
    char space[2 * CR_RADOS_NAME_MAX + 2];
    snprintf(space, sizeof(space), "%s%s%s", rados->uri.name_space, folder[0] != '\0' ? "." : "",
             folder);
    switch (-code) {
    case ENOSPC:
    case EDQUOT:
        return cr_error_set(err, code,
                            "pool '%s' of Ceph is full (%s '%s/%s'): make room, as `ceph df` and "
                            "`ceph health detail` tell, and run the same command again, nothing is "
                            "lost",
                            pool, what, space, name);
    case ETIMEDOUT:
        return cr_error_set(err, code,
                            "%s '%s/%s' in pool '%s' of Ceph: no answer within %u s: see what "
                            "`ceph -s` says of the cluster and run the same command again",
                            what, space, name, pool, rados->uri.timeout_s);
    case EPERM:
    case EACCES:
    case EROFS:
        return cr_error_set(err, code,
                            "%s '%s/%s' in pool '%s' of Ceph: client.%s may not: give it `mon "
                            "'allow r' osd 'allow rwx pool=%s'` with `ceph auth caps`",
                            what, space, name, pool, client(rados), pool);
    case ESHUTDOWN:
        return cr_error_set(err, code,
                            "%s '%s/%s' in pool '%s' of Ceph: the cluster has put this client on "
                            "its blocklist: run the command again",
                            what, space, name, pool);
    default:
        return cr_error_errno(err, code, "%s '%s/%s' in pool '%s' of Ceph", what, space, name,
                              pool);
    }
}

int cr_rados_blob_error(const struct cr_rados *rados, int code, const char *what,
                        enum cr_space space, const char *name, struct cr_error *err)
{
    return cr_rados_error(rados, code, what, rados->spaces[space], cr_space_names[space], name,
                          err);
}

static int connect_error(const struct cr_rados *rados, int code, struct cr_error *err)
{
    const char *conf = rados->uri.conf[0] != '\0' ? rados->uri.conf : "/etc/ceph/ceph.conf";
    if (code == -ETIMEDOUT)
        return cr_error_set(err, code,
                            "connecting to Ceph as client.%s: no monitor that '%s' names answered "
                            "within %u s: see what `ceph -s` says",
                            client(rados), conf, rados->uri.timeout_s);
    if (code == -ENOENT || code == -EACCES || code == -EPERM || code == -EINVAL)
        return cr_error_set(err, code == -ENOENT ? -EACCES : code,
                            "connecting to Ceph as client.%s: refused (%s): is there a keyring for "
                            "this client, as '%s' says, and may this user read it?",
                            client(rados), strerror(-code), conf);
    return cr_error_errno(err, code, "connecting to Ceph as client.%s, with '%s'", client(rados),
                          conf);
}

/* --- connecting ------------------------------------------------------------------------------ */

static int configure(struct cr_rados *rados, struct cr_error *err)
{
    const struct cr_rados_api *api = rados->api;
    const char *conf = rados->uri.conf[0] != '\0' ? rados->uri.conf : NULL;
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", rados->uri.timeout_s);
    int r = api->create(&rados->cluster, rados->uri.id[0] != '\0' ? rados->uri.id : NULL);
    if (r < 0) {
        rados->cluster = NULL;
        return cr_error_errno(err, r, "starting Ceph's client");
    }
    /* A library says nothing by itself; first of all not about the file that comes now. */
    static const char *const quiet[] = {"log_to_stderr", "err_to_stderr"};
    for (size_t i = 0; i < CR_ARRAY_LEN(quiet); i++)
        (void)api->conf_set(rados->cluster, quiet[i], "false");
    r = api->conf_read_file(rados->cluster, conf);
    if (r < 0)
        return cr_error_errno(err, r, "reading '%s', which names Ceph's monitors",
                              conf != NULL ? conf : "/etc/ceph/ceph.conf");
    (void)api->conf_parse_env(rados->cluster, NULL);
    for (size_t i = 0; i < CR_ARRAY_LEN(quiet); i++)
        (void)api->conf_set(rados->cluster, quiet[i], "false");
    /* The default of the first two is to wait for ever. */
    static const char *const timeouts[] = {"rados_osd_op_timeout", "rados_mon_op_timeout",
                                           "client_mount_timeout"};
    for (size_t i = 0; i < CR_ARRAY_LEN(timeouts) && r == 0; i++)
        r = api->conf_set(rados->cluster, timeouts[i], seconds);
    return r < 0 ? cr_error_errno(err, r, "setting the timeouts of Ceph's client") : 0;
}

int cr_rados_namespace(struct cr_rados *rados, const char *pool, const char *folder,
                       rados_ioctx_t *ret_io, struct cr_error *err)
{
    char name[2 * CR_RADOS_NAME_MAX + 2];
    rados_ioctx_t io = NULL;
    int r = rados->api->ioctx_create(rados->cluster, pool, &io);
    if (r == -ENOENT)
        return cr_error_set(err, r,
                            "Ceph has no pool '%s': `ceph osd pool create %s` makes one, `ceph osd "
                            "pool ls` lists those that exist",
                            pool, pool);
    if (r < 0)
        return cr_error_errno(err, r, "opening pool '%s' of Ceph", pool);
    snprintf(name, sizeof(name), "%s%s%s", rados->uri.name_space, folder[0] != '\0' ? "." : "",
             folder);
    rados->api->ioctx_set_namespace(io, name);
    /* A full cluster is an error at once: the default is to wait until somebody makes room. */
    rados->api->set_pool_full_try(io);
    *ret_io = io;
    return 0;
}

static int open_namespaces(struct cr_rados *rados, struct cr_error *err)
{
    int r = 0;
    for (int i = 0; i < CR_SPACE_COUNT && r == 0; i++)
        r = cr_rados_namespace(rados, i == CR_SPACE_PACKS ? rados->uri.pool : rados->uri.meta,
                               cr_space_names[i], &rados->spaces[i], err);
    if (r == 0)
        r = cr_rados_namespace(rados, rados->uri.meta, "", &rados->root, err);
    if (r == 0)
        r = cr_rados_namespace(rados, rados->uri.meta, "locks", &rados->locks, err);
    return r;
}

int cr_rados_connect(const struct cr_rados_uri *uri, struct cr_rados **ret_rados,
                     struct cr_error *err)
{
    const struct cr_rados_api *api;
    int r = cr_rados_api_load(&api, err);
    if (r < 0)
        return r;
    struct cr_rados *rados = cr_calloc(1, sizeof(*rados));
    if (rados == NULL)
        return cr_error_errno(err, -ENOMEM, "connecting to Ceph");
    rados->api = api;
    rados->uri = *uri;
    pthread_mutex_init(&rados->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&rados->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    r = configure(rados, err);
    if (r == 0 && (r = api->connect(rados->cluster)) < 0)
        r = connect_error(rados, r, err);
    if (r == 0)
        r = open_namespaces(rados, err);
    if (r < 0) {
        cr_rados_disconnect(rados);
        return r;
    }
    *ret_rados = rados;
    return 0;
}

void cr_rados_disconnect(struct cr_rados *rados)
{
    if (rados == NULL)
        return;
    cr_rados_keeper_stop(rados);
    cr_rados_watch_stop(rados);
    pthread_mutex_lock(&rados->mutex);
    while (rados->writing > 0)
        pthread_cond_wait(&rados->change, &rados->mutex);
    pthread_mutex_unlock(&rados->mutex);
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        if (rados->spaces[i] != NULL)
            rados->api->ioctx_destroy(rados->spaces[i]);
    if (rados->root != NULL)
        rados->api->ioctx_destroy(rados->root);
    if (rados->locks != NULL)
        rados->api->ioctx_destroy(rados->locks);
    if (rados->cluster != NULL)
        rados->api->shutdown(rados->cluster);
    pthread_cond_destroy(&rados->change);
    pthread_mutex_destroy(&rados->mutex);
    free(rados);
}
