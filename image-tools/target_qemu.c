/* SPDX-License-Identifier: MIT */
/*
 * An export in a format of QEMU's: qemu-img makes the empty image, a qemu-nbd that libnbd starts
 * and ends writes it. One connection, because qemu-nbd fills an image in one thread anyway; the
 * workers decompress while one of them writes.
 */
#include "image-tools/export.h"
#include "lib/base/mem.h"
#include "lib/blk/qemu_img.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>

#define SECTOR_BYTES 512U

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

static int image_create(const char *path, const char *name, const char *format, uint64_t disk_bytes,
                        struct cr_error *err)
{
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    char size[32];
    snprintf(size, sizeof(size), "%" PRIu64,
             (disk_bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", format, path, size, NULL};
    int r = cr_qemu_img_run(&run, argv, err);
    if (r == 0 && run.status != 0)
        return cr_error_set(err, -EIO, "cannot make '%s': %s", name, cr_qemu_img_complaint(&run));
    return r;
}

int target_qemu_open(const char *path, const char *name, const char *format, uint64_t disk_bytes,
                     struct target **ret_target, struct cr_error *err)
{
    int r = image_create(path, name, format, disk_bytes, err);
    if (r < 0)
        return r;
    struct qemu *qemu = cr_calloc(1, sizeof(*qemu));
    if (qemu == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot make '%s'", name);
    qemu->base = (struct target){.ops = &qemu_ops, .name = name};
    pthread_mutex_init(&qemu->mutex, NULL);
    CLEANUP(target_cleanup) struct target *target = &qemu->base;
    char program[] = "qemu-nbd", option[] = "--format", *path_copy = strdup(path);
    char *format_copy = strdup(format);
    char *argv[] = {program, option, format_copy, path_copy, NULL};
    qemu->nbd = nbd_create();
    r = -ENOMEM;
    if (qemu->nbd != NULL && path_copy != NULL && format_copy != NULL)
        r = nbd_connect_systemd_socket_activation(qemu->nbd, argv);
    free(path_copy);
    free(format_copy);
    if (r < 0)
        return nbd_failed(target, err);
    *ret_target = TAKE_PTR(target);
    return 0;
}
