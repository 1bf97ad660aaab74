/* SPDX-License-Identifier: MIT */
#include "lib/blk/newlayer.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/qemu_img.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <string.h>

#define SECTOR_BYTES 512U

struct cr_newlayer {
    struct nbd_handle *nbd; /* a qemu-nbd that libnbd has started and ends */
    char *path;
};

static int nbd_failed(const struct cr_newlayer *layer, struct cr_error *err)
{
    int code = nbd_get_errno();
    return cr_error_set(err, code > 0 ? -code : -EIO, "cannot write '%s': %s", layer->path,
                        nbd_get_error());
}

static int layer_create(const char *path, const char *backing, uint64_t disk_bytes,
                        struct cr_error *err)
{
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    char size[32];
    snprintf(size, sizeof(size), "%" PRIu64,
             (disk_bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES);
    const char *const argv[] = {
        "qemu-img", "create", "-q", "-f",    "qcow2", "-u", "-o", "cluster_size=64k",
        "-F",       "raw",    "-b", backing, path,    size, NULL};
    if (access(path, F_OK) == 0)
        return cr_error_set(err, -EEXIST, "'%s' exists; move it away or name another file", path);
    int r = cr_qemu_img_run(&run, argv, err);
    if (r == 0 && run.status != 0)
        return cr_error_set(err, -EIO, "cannot make '%s': %s", path, cr_qemu_img_complaint(&run));
    return r;
}

/* The image below is told to be none: only whole clusters are written, so nothing of it is read. */
static char *spec_make(const char *path)
{
    json_t *json = json_pack("{s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2", "backing", "file",
                             "driver", "file", "filename", path);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT), *spec = NULL;
    if (text != NULL && asprintf(&spec, "json:%s", text) < 0)
        spec = NULL;
    free(text);
    json_decref(json);
    return spec;
}

int cr_newlayer_open(const char *path, const char *backing, uint64_t disk_bytes,
                     struct cr_newlayer **ret_layer, struct cr_error *err)
{
    int r = layer_create(path, backing, disk_bytes, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *spec = spec_make(path);
    struct cr_newlayer *layer = cr_calloc(1, sizeof(*layer));
    char program[] = "qemu-nbd";
    char *argv[] = {program, spec, NULL};
    if (layer != NULL)
        layer->path = strdup(path);
    if (layer == NULL || layer->path == NULL || spec == NULL ||
        (layer->nbd = nbd_create()) == NULL) {
        r = cr_error_errno(err, -ENOMEM, "cannot make '%s'", path);
        unlink(path);
    } else if (nbd_connect_systemd_socket_activation(layer->nbd, argv) < 0) {
        r = nbd_failed(layer, err);
    }
    if (r < 0) {
        cr_newlayer_drop(layer);
        return r;
    }
    *ret_layer = layer;
    return 0;
}

int cr_newlayer_write(struct cr_newlayer *layer, const void *data, size_t len, uint64_t offset,
                      struct cr_error *err)
{
    size_t whole = len - len % SECTOR_BYTES, rest = len - whole;
    uint8_t sector[SECTOR_BYTES] = {0}; /* the last one of a disk that ends inside it */
    memcpy(sector, (const uint8_t *)data + whole, rest);
    int r = whole > 0 ? nbd_pwrite(layer->nbd, data, whole, offset, 0) : 0;
    if (r == 0 && rest > 0)
        r = nbd_pwrite(layer->nbd, sector, SECTOR_BYTES, offset + whole, 0);
    return r < 0 ? nbd_failed(layer, err) : 0;
}

int cr_newlayer_finish(struct cr_newlayer *layer, struct cr_error *err)
{
    if (nbd_flush(layer->nbd, 0) < 0 || nbd_shutdown(layer->nbd, 0) < 0)
        return nbd_failed(layer, err);
    nbd_close(TAKE_PTR(layer->nbd)); /* waits for qemu-nbd, which ends with its last client */
    free(TAKE_PTR(layer->path));
    return 0;
}

void cr_newlayer_drop(struct cr_newlayer *layer)
{
    if (layer == NULL)
        return;
    nbd_close(layer->nbd);
    if (layer->path != NULL)
        unlink(layer->path);
    free(layer->path);
    free(layer);
}
