/* SPDX-License-Identifier: MIT */
/* Side objects: blobs that are handed through whole, after a look at their names and sizes. */
#include "lib/store/packstore.h"
#include "lib/store/side.h"

#include <errno.h>
#include <string.h>

static int name_check(struct cr_store *store, enum cr_space space, const char *name,
                      struct cr_error *err)
{
    /* Of the state, who is in charge of an image (lib/sync); the rest is the collector's. */
    bool ours = cr_side_space_public(space) ||
                (space == CR_SPACE_STATE && strncmp(name, "sync.", strlen("sync.")) == 0);
    if (ours && cr_side_name_valid(name))
        return 0;
    return cr_error_set(err, -EINVAL,
                        "store '%s': '%.200s' is no name of a side object: letters, digits, '.', "
                        "'_' and '-', not beginning with '.', at most %u",
                        store->uri, name, CR_BLOB_NAME_MAX);
}

static int size_check(struct cr_store *store, enum cr_space space, const char *name, size_t len,
                      struct cr_error *err)
{
    if (len <= CR_SIDE_BYTES_MAX)
        return 0;
    return cr_error_set(err, -EFBIG, "store '%s': '%s/%s' would have %zu bytes, at most %llu fit",
                        store->uri, cr_space_names[space], name, len,
                        (unsigned long long)CR_SIDE_BYTES_MAX);
}

int packstore_side_get(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err)
{
    int r = name_check(store, space, name, err);
    return r < 0 ? r : packstore_blob_get(packstore_of(store), space, name, out, err);
}

struct valid_names {
    cr_name_sink *sink;
    void *context;
};

static int valid_name(void *context, const char *name)
{
    struct valid_names *valid = context;
    return cr_side_name_valid(name) ? valid->sink(valid->context, name) : 0;
}

int packstore_side_list(struct cr_store *store, enum cr_space space, cr_name_sink *sink,
                        void *context, struct cr_error *err)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    struct valid_names valid = {.sink = sink, .context = context};
    int r = name_check(store, space, "any", err);
    return r < 0 ? r : blobs->ops->list(blobs, space, valid_name, &valid, err);
}

int packstore_side_put(struct cr_store *store, enum cr_space space, const char *name,
                       const void *data, size_t len, struct cr_error *err)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    int r = name_check(store, space, name, err);
    if (r == 0)
        r = size_check(store, space, name, len, err);
    return r < 0 ? r : blobs->ops->put(blobs, space, name, data, len, err);
}

int packstore_side_replace(struct cr_store *store, enum cr_space space, const char *name,
                           const struct cr_id *expected, const void *data, size_t len,
                           struct cr_error *err)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    int r = name_check(store, space, name, err);
    if (r == 0)
        r = size_check(store, space, name, len, err);
    return r < 0 ? r : blobs->ops->replace(blobs, space, name, expected, data, len, err);
}

int packstore_side_remove(struct cr_store *store, enum cr_space space, const char *name,
                          struct cr_error *err)
{
    struct cr_blobs *blobs = packstore_of(store)->blobs;
    int r = name_check(store, space, name, err);
    return r < 0 ? r : blobs->ops->remove(blobs, space, name, err);
}
