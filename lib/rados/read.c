/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/rados/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int cut_off(struct cr_rados *rados, enum cr_space space, const char *name, uint64_t end,
                   struct cr_error *err)
{
    return cr_error_set(err, -ENODATA,
                        "'%s.%s/%s' in pool '%s' of Ceph is cut off before byte %" PRIu64,
                        rados->uri.name_space, cr_space_names[space], name,
                        cr_rados_pool(rados, rados->spaces[space]), end);
}

int cr_rados_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                  size_t len, uint64_t offset, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    int r = rados->api->read(rados->spaces[space], name, data, len, offset);
    if (r < 0)
        return cr_rados_blob_error(rados, r, "reading", space, name, err);
    return (size_t)r < len ? cut_off(rados, space, name, offset + len, err) : 0;
}

int cr_rados_attribute(struct cr_rados *rados, rados_ioctx_t io, const char *object,
                       const char *name, char *out, size_t size)
{
    int r = rados->api->getxattr(io, object, name, out, size - 1);
    if (r == -ENODATA)
        r = 0;
    if (r < 0)
        return r;
    out[r] = '\0';
    return 0;
}

/* --- many at once ---------------------------------------------------------------------------- */

/* Neighbours in the caller's list that lie in the same blob are one operation of at most so many.
 */
#define RANGES_MAX 16U

struct batch {
    struct cr_blob_read *reads;
    size_t count;
    rados_read_op_t op;
    rados_completion_t done;
    size_t got[RANGES_MAX];
    int results[RANGES_MAX];
};

static int batch_start(struct cr_rados *rados, enum cr_space space, struct batch *batch)
{
    const struct cr_rados_api *api = rados->api;
    batch->op = api->create_read_op();
    if (batch->op == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < batch->count; i++)
        api->read_op_read(batch->op, batch->reads[i].offset, batch->reads[i].len,
                          batch->reads[i].data, &batch->got[i], &batch->results[i]);
    int r = api->aio_create_completion2(NULL, NULL, &batch->done);
    if (r < 0) {
        batch->done = NULL;
        return r;
    }
    r = api->aio_read_op_operate(batch->op, rados->spaces[space], batch->done, batch->reads[0].name,
                                 0);
    if (r < 0) {
        api->aio_release(batch->done);
        batch->done = NULL;
    }
    return r;
}

/* Wait for a batch whose start returned `r`, and tell each read its result. */
static void batch_finish(struct cr_rados *rados, enum cr_space space, struct batch *batch, int r)
{
    const struct cr_rados_api *api = rados->api;
    if (batch->done != NULL) {
        api->aio_wait_for_complete(batch->done);
        r = api->aio_get_return_value(batch->done);
        api->aio_release(batch->done);
    }
    if (batch->op != NULL)
        api->release_read_op(batch->op);
    for (size_t i = 0; i < batch->count; i++) {
        struct cr_blob_read *read = &batch->reads[i];
        int result = r < 0 ? r : batch->results[i];
        if (result < 0)
            read->result =
                cr_rados_blob_error(rados, result, "reading", space, read->name, &read->err);
        else if (batch->got[i] < read->len)
            read->result = cut_off(rados, space, read->name, read->offset + read->len, &read->err);
        else
            read->result = 0;
    }
}

void cr_rados_read_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_read *reads,
                        size_t count)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    struct batch ring[CR_RADOS_READING_MAX];
    int started[CR_RADOS_READING_MAX];
    size_t begun = 0, ended = 0; /* batches */
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && to - from < RANGES_MAX; to++)
            if (strcmp(reads[to].name, reads[from].name) != 0)
                break;
        if (begun - ended == CR_RADOS_READING_MAX) {
            size_t slot = ended++ % CR_RADOS_READING_MAX;
            batch_finish(rados, space, &ring[slot], started[slot]);
        }
        size_t slot = begun++ % CR_RADOS_READING_MAX;
        ring[slot] = (struct batch){.reads = reads + from, .count = to - from};
        started[slot] = batch_start(rados, space, &ring[slot]);
    }
    for (; ended < begun; ended++) {
        size_t slot = ended % CR_RADOS_READING_MAX;
        batch_finish(rados, space, &ring[slot], started[slot]);
    }
}

/* The size of a blob, or what stat's result `r` says. */
static int size_take(struct cr_rados *rados, enum cr_space space, struct cr_blob_size *size, int r)
{
    if (r == 0 && size->bytes == 0 && space == CR_SPACE_HEADS)
        r = -ENOENT; /* it only carries a fence */
    return r < 0 ? cr_rados_blob_error(rados, r, "reading", space, size->name, &size->err) : 0;
}

static void size_finish(struct cr_rados *rados, enum cr_space space, struct cr_blob_size *size,
                        rados_completion_t done)
{
    const struct cr_rados_api *api = rados->api;
    if (done != NULL) {
        api->aio_wait_for_complete(done);
        size->result = api->aio_get_return_value(done);
        api->aio_release(done);
    }
    size->result = size_take(rados, space, size, size->result);
}

/* Begin to ask; NULL when that failed with `result`. */
static rados_completion_t size_start(struct cr_rados *rados, enum cr_space space,
                                     struct cr_blob_size *size)
{
    const struct cr_rados_api *api = rados->api;
    rados_completion_t done = NULL;
    size->bytes = 0;
    size->result = api->aio_create_completion2(NULL, NULL, &done);
    if (size->result < 0)
        return NULL;
    size->result = api->aio_stat(rados->spaces[space], size->name, done, &size->bytes, NULL);
    if (size->result == 0)
        return done;
    api->aio_release(done);
    return NULL;
}

void cr_rados_size_many(struct cr_blobs *blobs, enum cr_space space, struct cr_blob_size *sizes,
                        size_t count)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    rados_completion_t ring[CR_RADOS_READING_MAX];
    size_t ended = 0;
    for (size_t begun = 0; begun < count; begun++) {
        if (begun - ended == CR_RADOS_READING_MAX) {
            size_finish(rados, space, &sizes[ended], ring[ended % CR_RADOS_READING_MAX]);
            ended++;
        }
        ring[begun % CR_RADOS_READING_MAX] = size_start(rados, space, &sizes[begun]);
    }
    for (; ended < count; ended++)
        size_finish(rados, space, &sizes[ended], ring[ended % CR_RADOS_READING_MAX]);
}

int cr_rados_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                  uint64_t *ret_bytes, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    struct cr_blob_size size = {.name = name};
    int r = rados->api->stat(rados->spaces[space], name, &size.bytes, NULL);
    r = size_take(rados, space, &size, r);
    if (r == 0)
        *ret_bytes = size.bytes;
    else if (err != NULL)
        *err = size.err;
    return r;
}

/* --- listing --------------------------------------------------------------------------------- */

int cr_rados_names(struct cr_rados *rados, rados_ioctx_t io, const char *folder, cr_name_sink *sink,
                   void *context, struct cr_error *err)
{
    const struct cr_rados_api *api = rados->api;
    rados_list_ctx_t list;
    int r = api->nobjects_list_open(io, &list);
    if (r < 0)
        return cr_rados_error(rados, r, "listing", io, folder, "", err);
    int stop = 0;
    while (stop == 0) {
        const char *entry, *key, *space;
        size_t entry_len, key_len, space_len;
        r = api->nobjects_list_next2(list, &entry, &key, &space, &entry_len, &key_len, &space_len);
        if (r < 0)
            break;
        char name[CR_BLOB_NAME_MAX + 1];
        if (entry_len > CR_BLOB_NAME_MAX || memchr(entry, '\0', entry_len) != NULL)
            continue; /* none of ours */
        memcpy(name, entry, entry_len);
        name[entry_len] = '\0';
        stop = sink(context, name);
    }
    api->nobjects_list_close(list);
    if (stop != 0 || r == -ENOENT) /* the end of the list */
        return stop;
    return cr_rados_error(rados, r, "listing", io, folder, "", err);
}

struct head_filter {
    struct cr_rados *rados;
    cr_name_sink *sink;
    void *context;
    struct cr_error *err;
};

/* Leave out those that only carry a fence. */
static int head_filter(void *context, const char *name)
{
    struct head_filter *filter = context;
    uint64_t size;
    int r = cr_rados_size(&filter->rados->base, CR_SPACE_HEADS, name, &size, filter->err);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : filter->sink(filter->context, name);
}

int cr_rados_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                  struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    struct head_filter filter = {.rados = rados, .sink = sink, .context = context, .err = err};
    if (space == CR_SPACE_HEADS)
        return cr_rados_names(rados, rados->spaces[space], cr_space_names[space], head_filter,
                              &filter, err);
    return cr_rados_names(rados, rados->spaces[space], cr_space_names[space], sink, context, err);
}
