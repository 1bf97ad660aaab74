/* SPDX-License-Identifier: MIT */
/*
 * An export in a format of QEMU's: qemu-img makes the empty image, a qemu-nbd that libnbd starts
 * and ends writes it. One connection, because qemu-nbd fills an image in one thread anyway; the
 * workers decompress while one of them writes.
 */
#include "image-tools/export.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/qemu_img.h"
#include "lib/blk/rbd.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>

#define SECTOR_BYTES 512U
#define ZERO_BYTES   CR_GIB /* zeroed by one request */

struct qemu {
    struct target base;
    struct nbd_handle *nbd;
    pthread_mutex_t mutex; /* over the connection */
};

static int nbd_failed(const struct target *target, struct cr_error *err)
{
    int code = nbd_get_errno();
    return cr_error_set(err, code > 0 ? -code : -EIO, "cannot write '%s': %s", target->name,
                        nbd_get_error());
}

static int qemu_write(struct target *target, const void *data, size_t len, uint64_t offset,
                      struct cr_error *err)
{
    struct qemu *qemu = (struct qemu *)target;
    size_t whole = len - len % SECTOR_BYTES, rest = len - whole;
    uint8_t sector[SECTOR_BYTES] = {0}; /* the last one of a disk that ends inside it */
    memcpy(sector, (const uint8_t *)data + whole, rest);
    pthread_mutex_lock(&qemu->mutex);
    int r = whole > 0 ? nbd_pwrite(qemu->nbd, data, whole, offset, 0) : 0;
    if (r == 0 && rest > 0)
        r = nbd_pwrite(qemu->nbd, sector, SECTOR_BYTES, offset + whole, 0);
    if (r < 0)
        r = nbd_failed(target, err);
    pthread_mutex_unlock(&qemu->mutex);
    return r;
}

static int qemu_finish(struct target *target, bool sync, struct cr_error *err)
{
    struct qemu *qemu = (struct qemu *)target;
    if ((sync && nbd_flush(qemu->nbd, 0) < 0) || nbd_shutdown(qemu->nbd, 0) < 0)
        return nbd_failed(target, err);
    nbd_close(TAKE_PTR(qemu->nbd)); /* waits for qemu-nbd, which ends with its last client */
    return 0;
}

static void qemu_close(struct target *target)
{
    struct qemu *qemu = (struct qemu *)target;
    nbd_close(qemu->nbd);
    pthread_mutex_destroy(&qemu->mutex);
    free(qemu);
}

static const struct target_ops qemu_ops = {qemu_write, qemu_finish, qemu_close};

/* --- opening ------------------------------------------------------------------------------- */

/* Run qemu-img, which `what` ("make", "resize") the image; -EIO with its complaint. */
static int qemu_img(const char *const *argv, const char *what, const char *name,
                    struct cr_error *err)
{
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    int r = cr_qemu_img_run(&run, argv, err);
    if (r == 0 && run.status != 0)
        return cr_error_set(err, -EIO, "cannot %s '%s': %s", what, name,
                            cr_qemu_img_complaint(&run));
    return r;
}

static uint64_t whole_sectors(uint64_t bytes)
{
    return (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
}

static int image_create(const char *spec, const char *name, const char *format, uint64_t disk_bytes,
                        struct cr_error *err)
{
    char size[32];
    snprintf(size, sizeof(size), "%" PRIu64, whole_sectors(disk_bytes));
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", format, spec, size, NULL};
    return qemu_img(argv, "make", name, err);
}

/* A qemu-nbd that writes the image, and a connection to it. */
static int image_serve(const char *spec, const char *name, const char *format, struct qemu **ret,
                       struct cr_error *err)
{
    struct qemu *qemu = cr_calloc(1, sizeof(*qemu));
    if (qemu == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot make '%s'", name);
    qemu->base = (struct target){.ops = &qemu_ops, .name = name};
    pthread_mutex_init(&qemu->mutex, NULL);
    CLEANUP(target_cleanup) struct target *target = &qemu->base;
    char program[] = "qemu-nbd", option[] = "--format", discard[] = "--discard=unmap";
    char *spec_copy = strdup(spec), *format_copy = strdup(format);
    char *argv[] = {program, discard, option, format_copy, spec_copy, NULL};
    qemu->nbd = nbd_create();
    int r = -ENOMEM;
    if (qemu->nbd != NULL && spec_copy != NULL && format_copy != NULL)
        r = nbd_connect_systemd_socket_activation(qemu->nbd, argv);
    free(spec_copy);
    free(format_copy);
    if (r < 0)
        return nbd_failed(target, err);
    target = NULL;
    *ret = qemu;
    return 0;
}

int target_qemu_open(const char *path, const char *name, const char *format, uint64_t disk_bytes,
                     struct target **ret_target, struct cr_error *err)
{
    struct qemu *qemu = NULL;
    int r = image_create(path, name, format, disk_bytes, err);
    if (r == 0)
        r = image_serve(path, name, format, &qemu, err);
    if (r == 0)
        *ret_target = &qemu->base;
    return r;
}

/* --- a block device in Ceph ---------------------------------------------------------------- */

/* 1 = there is one. What else goes wrong shows when it is made. */
static int rbd_exists(const char *spec, struct cr_error *err)
{
    const char *const argv[] = {"qemu-img", "info", "-U", "-f", "raw", spec, NULL};
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    int r = cr_qemu_img_run(&run, argv, err);
    return r < 0 ? r : run.status == 0;
}

/* Nothing of what was there shall shine through. */
static int rbd_clear(struct qemu *qemu, uint64_t bytes, struct cr_error *err)
{
    for (uint64_t at = 0; at < bytes;) {
        uint64_t part = bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES;
        if (nbd_zero(qemu->nbd, part, at, 0) < 0)
            return nbd_failed(&qemu->base, err);
        at += part;
    }
    return 0;
}

static int rbd_open(const char *spec, const char *uri, bool force, uint64_t disk_bytes,
                    struct qemu **ret_qemu, struct cr_error *err)
{
    char size[32];
    snprintf(size, sizeof(size), "%" PRIu64, whole_sectors(disk_bytes));
    const char *const resize[] = {"qemu-img", "resize", "-q", "-f", "raw",
                                  "--shrink", spec,     size, NULL};
    int exists = rbd_exists(spec, err);
    if (exists < 0)
        return exists;
    if (exists && !force)
        return cr_error_set(err, -EEXIST, "'%s' exists; name another image or add --force", uri);
    int r = exists ? qemu_img(resize, "resize", uri, err)
                   : image_create(spec, uri, "raw", disk_bytes, err);
    if (r == 0)
        r = image_serve(spec, uri, "raw", ret_qemu, err);
    if (r == 0 && exists && (r = rbd_clear(*ret_qemu, whole_sectors(disk_bytes), err)) < 0)
        qemu_close(&(*ret_qemu)->base);
    return r;
}

int target_rbd_open(const char *uri, bool force, uint64_t disk_bytes, struct target **ret_target,
                    struct cr_error *err)
{
    CLEANUP_FREE char *spec = NULL;
    struct qemu *qemu = NULL;
    int r = cr_rbd_spec(uri, &spec, err);
    if (r == 0)
        r = rbd_open(spec, uri, force, disk_bytes, &qemu, err);
    if (r == 0)
        *ret_target = &qemu->base;
    return r;
}
