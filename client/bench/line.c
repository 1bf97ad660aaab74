/* SPDX-License-Identifier: MIT */
#include "client/bench/line.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <time.h>

#define SECOND_NS 1000000000ULL

/* What an Ethernet line spends on 1,448 bytes of a TCP stream: headers, preamble, gap. */
#define PACKET_BYTES  1538ULL
#define PAYLOAD_BYTES 1448ULL

/* Nobody sleeps exactly as long as he wanted: what was missed lately may be caught up. */
#define CREDIT_NS (10ULL * 1000000)

void line_init(struct line *line, uint64_t bits_s)
{
    *line = (struct line){.bits_s = bits_s};
    pthread_mutex_init(&line->mutex, NULL);
}

void line_done(struct line *line)
{
    pthread_mutex_destroy(&line->mutex);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Wait in the queue of the line until it has carried `bytes`. */
static void line_carry(struct line *line, size_t bytes)
{
    if (line->bits_s == 0)
        return;
    uint64_t now = now_ns();
    double seconds = (double)(bytes * PACKET_BYTES) * 8 / PAYLOAD_BYTES / (double)line->bits_s;
    pthread_mutex_lock(&line->mutex);
    if (line->free_ns + CREDIT_NS < now)
        line->free_ns = now - CREDIT_NS;
    line->free_ns += (uint64_t)(seconds * SECOND_NS);
    uint64_t until = line->free_ns;
    pthread_mutex_unlock(&line->mutex);
    if (until <= now)
        return;
    struct timespec at = {.tv_sec = (time_t)(until / SECOND_NS),
                          .tv_nsec = (long)(until % SECOND_NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* --- the store in front ----------------------------------------------------------------------- */

struct line_store {
    struct cr_store store; /* first */
    struct cr_store *inner;
    struct line *line;
};

static struct line_store *of(struct cr_store *store)
{
    return (struct line_store *)store;
}

struct carried {
    struct line *line;
    cr_frame_sink *sink;
    void *context;
};

static int frame_carried(void *context, size_t index, int result, const void *frame, size_t len,
                         const struct cr_error *err)
{
    const struct carried *carried = context;
    line_carry(carried->line, len);
    return carried->sink(carried->context, index, result, frame, len, err);
}

static int line_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                           cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct cr_store *inner = of(store)->inner;
    struct carried carried = {.line = of(store)->line, .sink = sink, .context = context};
    return inner->ops->chunks_get(inner, ids, count, frame_carried, &carried, err);
}

static int line_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                           struct cr_buf *frame, struct cr_error *err)
{
    struct cr_store *inner = of(store)->inner;
    size_t before = frame->len;
    int r = inner->ops->object_get(inner, kind, id, frame, err);
    line_carry(of(store)->line, frame->len - before);
    return r;
}

static int line_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                         struct cr_error *err)
{
    struct cr_store *inner = of(store)->inner;
    size_t before = head->len;
    int r = inner->ops->head_get(inner, name, head, err);
    line_carry(of(store)->line, head->len - before);
    return r;
}

static void line_close(struct cr_store *store)
{
    free(of(store));
}

static const struct cr_store_ops line_ops = {
    .close = line_close,
    .chunks_get = line_chunks_get,
    .object_get = line_object_get,
    .head_get = line_head_get,
};

int line_store_new(struct line *line, struct cr_store *inner, struct cr_store **ret_store,
                   struct cr_error *err)
{
    struct line_store *store = cr_calloc(1, sizeof(*store));
    if (store == NULL)
        return cr_error_errno(err, -ENOMEM, "make a seat");
    store->store.ops = &line_ops;
    memcpy(store->store.uri, inner->uri, sizeof(store->store.uri));
    store->inner = inner;
    store->line = line;
    *ret_store = &store->store;
    return 0;
}
