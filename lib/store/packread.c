/* SPDX-License-Identifier: MIT */
/*
 * Reading chunks. The ids of a request are looked up together, those that lie close to each other
 * in a pack are read in one run, and many runs are under way at once. What is not found, or lies in
 * a pack that is gone (collected, its live chunks written elsewhere), is looked for again after
 * the packs were listed anew.
 */
#include "lib/store/packstore.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

/* Frames of one pack that lie this close are read in one go, up to RUN_MAX bytes. */
#define RUN_GAP (16 * CR_KIB)
#define RUN_MAX (2 * CR_MIB)
/* Under way at once, for one request. */
#define RUNS_MAX       64
#define RUNS_BYTES_MAX (16 * CR_MIB)
/* A chunk whose pack is gone that often while it is looked for is given up. */
#define LOOKS_MAX 8

struct wanted {
    size_t index; /* in the caller's ids */
    struct cr_place place;
    struct cr_id pack;
};

/* One request. */
struct request {
    struct packstore *ps;
    const struct cr_id *ids;
    cr_frame_sink *sink;
    void *context;
    struct wanted *wanted; /* found in the index */
    size_t *missing;       /* numbers of ids that are not, or whose pack is gone */
    size_t found, lost;
    bool last; /* no more looking: what is missing now is */
};

struct run {
    size_t from, to; /* of wanted */
    uint32_t start, bytes;
    uint8_t *data;
    char pack[CR_ID_HEX];
};

/* The runs that are read together. */
struct batch {
    struct run runs[RUNS_MAX];
    struct cr_blob_read reads[RUNS_MAX];
    size_t count;
    uint64_t bytes;
};

static void batch_free(struct batch **batch)
{
    for (size_t i = 0; *batch != NULL && i < (*batch)->count; i++)
        free((*batch)->runs[i].data);
    free(*batch);
}

static int by_place(const void *a, const void *b)
{
    const struct cr_place *x = &((const struct wanted *)a)->place;
    const struct cr_place *y = &((const struct wanted *)b)->place;
    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Look up `count` ids, which `which` numbers (NULL: the first ones). */
static void lookup(struct request *q, const size_t *which, size_t count)
{
    struct packstore *ps = q->ps;
    size_t lost = 0;
    q->found = 0;
    pthread_rwlock_rdlock(&ps->lock);
    for (size_t i = 0; i < count; i++) {
        struct wanted *wanted = &q->wanted[q->found];
        wanted->index = which == NULL ? i : which[i];
        if (cr_index_find(ps->index, &q->ids[wanted->index], &wanted->place)) {
            wanted->pack = cr_index_pack(ps->index, wanted->place.pack)->name;
            q->found++;
        } else {
            q->missing[lost++] = wanted->index; /* never ahead of `which` where they are one */
        }
    }
    pthread_rwlock_unlock(&ps->lock);
    q->lost = lost;
    qsort(q->wanted, q->found, sizeof(*q->wanted), by_place);
}

/*
 * -ENOENT only where all packs are well; else the chunk may lie in one that is not: -EBADMSG, or
 * -EIO while asking again may help. What is damaged stands before the store's name, which may be
 * long.
 */
static int missing_error(struct packstore *ps, const struct cr_id *id, struct cr_error *err)
{
    char hex[CR_ID_HEX], pack[CR_ID_HEX];
    int code = -ENOENT;
    cr_id_format(id, hex);
    pthread_rwlock_rdlock(&ps->lock);
    const struct pack_damages *damaged = &ps->damaged;
    const struct pack_damage *first = damaged->list;
    for (size_t i = 0; i < damaged->count && code != -EIO; i++)
        code = damaged->list[i].code;
    if (damaged->count == 0)
        cr_error_set(err, code, "chunk '%s' is missing from store '%s'", hex, ps->base.uri);
    else if (damaged->count == 1)
        cr_error_set(err, code,
                     "chunk '%s' is missing, and pack '%s' is damaged: %.200s (in store '%s')", hex,
                     cr_id_format(&first->name, pack), first->why.text, ps->base.uri);
    else
        cr_error_set(err, code,
                     "chunk '%s' is missing, and %zu packs are damaged, such as '%s': %.200s (in "
                     "store '%s')",
                     hex, damaged->count, cr_id_format(&first->name, pack), first->why.text,
                     ps->base.uri);
    pthread_rwlock_unlock(&ps->lock);
    return code;
}

/* The next frames of q->wanted that lie close together in one pack. */
static struct run run_of(const struct request *q, size_t from)
{
    const struct cr_place *first = &q->wanted[from].place;
    uint32_t end = first->offset + first->frame_len;
    size_t to = from + 1;
    for (; to < q->found; to++) {
        const struct cr_place *next = &q->wanted[to].place;
        if (next->pack != first->pack || next->offset > end + RUN_GAP ||
            next->offset + next->frame_len - first->offset > RUN_MAX)
            break;
        if (next->offset + next->frame_len > end)
            end = next->offset + next->frame_len;
    }
    struct run run = {.from = from, .to = to, .start = first->offset, .bytes = end - first->offset};
    cr_id_format(&q->wanted[from].pack, run.pack);
    return run;
}

/* Hand out the frames of a run that was read. */
static int run_tell(struct request *q, const struct run *run, const struct cr_blob_read *read)
{
    char hex[CR_ID_HEX];
    for (size_t i = run->from; i < run->to; i++) {
        const struct wanted *wanted = &q->wanted[i];
        struct cr_error each = {0};
        int result = read->result, stop;
        if (result == -ENOENT && !q->last) {
            q->missing[q->lost++] = wanted->index;
            continue;
        }
        if (result < 0)
            result =
                cr_error_set(&each, result, "chunk '%s' cannot be read from pack '%s': %.300s",
                             cr_id_format(&q->ids[wanted->index], hex), run->pack, read->err.text);
        stop = q->sink(q->context, wanted->index, result,
                       result < 0 ? NULL : run->data + (wanted->place.offset - run->start),
                       result < 0 ? 0 : wanted->place.frame_len, &each);
        if (stop != 0)
            return stop;
    }
    return 0;
}

static int batch_read(struct request *q, struct batch *batch)
{
    int stop = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct run *run = &batch->runs[i];
        batch->reads[i] = (struct cr_blob_read){
            .name = run->pack, .data = run->data, .len = run->bytes, .offset = run->start};
    }
    cr_blobs_read_many(q->ps->blobs, CR_SPACE_PACKS, batch->reads, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        if (stop == 0)
            stop = run_tell(q, &batch->runs[i], &batch->reads[i]);
        free(batch->runs[i].data);
    }
    batch->count = 0;
    batch->bytes = 0;
    return stop;
}

/* Read all that was found; what lies in packs that are gone joins the missing. */
static int found_read(struct request *q, struct cr_error *err)
{
    CLEANUP(batch_free) struct batch *batch = cr_calloc(1, sizeof(*batch));
    if (batch == NULL)
        return cr_error_errno(err, -ENOMEM, "reading %zu chunks", q->found);
    for (size_t from = 0; from < q->found; from = batch->runs[batch->count - 1].to) {
        struct run run = run_of(q, from);
        if (batch->count == RUNS_MAX || batch->bytes + run.bytes > RUNS_BYTES_MAX) {
            int stop = batch_read(q, batch);
            if (stop != 0)
                return stop;
        }
        run.data = malloc(run.bytes);
        if (run.data == NULL)
            return cr_error_errno(err, -ENOMEM, "reading %zu chunks", q->found);
        batch->bytes += run.bytes;
        batch->runs[batch->count++] = run;
    }
    return batch_read(q, batch);
}

static int missing_tell(struct request *q)
{
    for (size_t i = 0; i < q->lost; i++) {
        struct cr_error why = {0};
        int result = missing_error(q->ps, &q->ids[q->missing[i]], &why);
        int stop = q->sink(q->context, q->missing[i], result, NULL, 0, &why);
        if (stop != 0)
            return stop;
    }
    return 0;
}

int packstore_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                         cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    CLEANUP_FREE struct wanted *wanted = cr_calloc(count + 1, sizeof(*wanted));
    CLEANUP_FREE size_t *missing = cr_calloc(count, sizeof(*missing));
    if (wanted == NULL || missing == NULL)
        return cr_error_errno(err, -ENOMEM, "reading %zu chunks", count);
    struct request q = {.ps = ps,
                        .ids = ids,
                        .sink = sink,
                        .context = context,
                        .wanted = wanted,
                        .missing = missing};
    lookup(&q, NULL, count);
    size_t unknown = q.lost;
    int r = found_read(&q, err);
    for (unsigned look = 0; r == 0 && q.lost > 0 && !q.last; look++) {
        /* A pack that is gone is news; an id that nobody has may be asked for again and again. */
        bool gone = q.lost > unknown;
        r = packstore_refresh(ps, !gone, err);
        if (r < 0)
            return r;
        q.last = look == LOOKS_MAX || (look > 0 && !gone);
        lookup(&q, missing, q.lost);
        unknown = q.lost;
        r = found_read(&q, err);
    }
    return r != 0 ? r : missing_tell(&q);
}
