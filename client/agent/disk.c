/* SPDX-License-Identifier: MIT */
#include "client/agent/disk.h"

#include "client/agent/qmp.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* The node of the flat file; there is at most one for each machine. */
#define NODE_PLAIN "carrel-plain"
/* The nodes of layers, numbered from 0 at the bottom. */
#define NODE_LAYER "carrel-layer-"

/* The name of the node that `driver` made of the file `path`; borrowed from `nodes`. */
static const char *node_find(json_t *nodes, const char *driver, const char *path)
{
    size_t i = 0;
    json_t *node = NULL;
    json_array_foreach(nodes, i, node)
    {
        const char *of = json_string_value(json_object_get(node, "drv"));
        const char *file = json_string_value(json_object_get(node, "file"));
        if (of != NULL && file != NULL && strcmp(of, driver) == 0 && strcmp(file, path) == 0)
            return json_string_value(json_object_get(node, "node-name"));
    }
    return NULL;
}

/* The options that the overlay's node runs with, another base put in; what is left out of a
 * reopening falls back to QEMU's defaults. */
static json_t *overlay_options(json_t *nodes, const char *overlay, const char *base)
{
    const char *format = node_find(nodes, "qcow2", overlay);
    const char *storage = node_find(nodes, "file", overlay);
    size_t i = 0;
    json_t *node = NULL;
    json_array_foreach(nodes, i, node)
    {
        const char *name = json_string_value(json_object_get(node, "node-name"));
        if (format == NULL || storage == NULL || name == NULL || strcmp(name, format) != 0)
            continue;
        json_t *cache = json_object_get(node, "cache");
        return json_pack("{s:[{s:s, s:s, s:s, s:s, s:b, s:s, s:{s:b, s:b}}]}", "options", "driver",
                         "qcow2", "node-name", format, "file", storage, "backing", base,
                         "read-only", 0, "discard", "unmap", "cache", "direct",
                         json_is_true(json_object_get(cache, "direct")), "no-flush",
                         json_is_true(json_object_get(cache, "no-flush")));
    }
    return NULL;
}

/* Take away the nodes of the NBD base that nothing stands on any more: the connection ends. */
static void nbd_drop(struct vm *vm, json_t *nodes)
{
    static const char *const drivers[] = {"raw", "nbd"}; /* from top to bottom */
    for (size_t d = 0; d < CR_ARRAY_LEN(drivers); d++) {
        size_t i = 0;
        json_t *node = NULL;
        json_array_foreach(nodes, i, node)
        {
            const char *of = json_string_value(json_object_get(node, "drv"));
            const char *file = json_string_value(json_object_get(node, "file"));
            json_t *name = json_object_get(node, "node-name");
            if (of != NULL && file != NULL && strcmp(of, drivers[d]) == 0 &&
                strncmp(file, "nbd", 3) == 0)
                qmp_ask(vm, "blockdev-del", json_pack("{s:O}", "node-name", name), "", NULL, NULL);
        }
    }
}

int disk_open_plain(struct vm *vm, const char *overlay, const char *plain, struct cr_error *err)
{
    static const char what[] = "opening the complete version";
    CLEANUP_JSON json_t *nodes = NULL;
    int r =
        qmp_ask(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), what, &nodes, err);
    if (r < 0)
        return r;
    if (node_find(nodes, "qcow2", overlay) == NULL)
        return cr_error_set(err, -ENOENT, "%s: QEMU has no node for '%s'", what, overlay);
    r = qmp_ask(vm, "blockdev-add",
                json_pack("{s:s, s:s, s:b, s:{s:s, s:s, s:b, s:s}}", "driver", "raw", "node-name",
                          NODE_PLAIN, "read-only", 1, "file", "driver", "file", "filename", plain,
                          "read-only", 1, "locking", "off"),
                what, NULL, err);
    if (r < 0)
        return r;
    r = qmp_ask(vm, "blockdev-reopen", overlay_options(nodes, overlay, NODE_PLAIN), what, NULL,
                err);
    if (r < 0)
        qmp_ask(vm, "blockdev-del", json_pack("{s:s}", "node-name", NODE_PLAIN), "", NULL, NULL);
    else
        nbd_drop(vm, nodes);
    return r;
}

int disk_add_layer(struct vm *vm, const char *overlay, unsigned count, const char *layer,
                   struct cr_error *err)
{
    static const char what[] = "moving the overlay on to another place";
    char name[32], last[32];
    CLEANUP_JSON json_t *nodes = NULL;
    int r =
        qmp_ask(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), what, &nodes, err);
    if (r < 0)
        return r;
    snprintf(last, sizeof(last), NODE_LAYER "%u", count - 1);
    snprintf(name, sizeof(name), NODE_LAYER "%u", count);
    const char *below = count > 0 ? last : node_find(nodes, "qcow2", overlay);
    if (below == NULL)
        return cr_error_set(err, -ENOENT, "%s: QEMU has no node for '%s'", what, overlay);
    /* Layers live for one session, so flushing them would only cost time (domain_xml.c). */
    r = qmp_ask(vm, "blockdev-add",
                json_pack("{s:s, s:s, s:n, s:s, s:{s:b}, s:{s:s, s:s, s:s, s:{s:b}}}", "driver",
                          "qcow2", "node-name", name, "backing", "discard", "unmap", "cache",
                          "no-flush", 1, "file", "driver", "file", "filename", layer, "discard",
                          "unmap", "cache", "no-flush", 1),
                what, NULL, err);
    if (r < 0)
        return r;
    r = qmp_ask(vm, "blockdev-snapshot", json_pack("{s:s, s:s}", "node", below, "overlay", name),
                what, NULL, err);
    if (r < 0)
        qmp_ask(vm, "blockdev-del", json_pack("{s:s}", "node-name", name), "", NULL, NULL);
    return r;
}
