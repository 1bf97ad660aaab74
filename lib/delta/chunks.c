/* SPDX-License-Identifier: MIT */
#include "lib/delta/chunks.h"

#include "lib/base/mem.h"
#include "lib/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct batch {
    const struct cr_id *ids;
    uint8_t *plain;
    struct cr_error *err;
};

static int chunk_open(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct batch *batch = context;
    uint8_t *plain = batch->plain + index * CR_CHUNK_BYTES;
    size_t len = 0;
    if (result < 0) {
        if (batch->err != NULL && err != NULL)
            *batch->err = *err;
        return result;
    }
    result = cr_object_open(CR_CHUNK, &batch->ids[index], frame, frame_len, plain, CR_CHUNK_BYTES,
                            &len, batch->err);
    if (result == 0)
        memset(plain + len, 0, CR_CHUNK_BYTES - len);
    return result;
}

/* At most CR_DELTA_BATCH of them, without the holes. */
static int batch_read(struct cr_store *store, const struct cr_id *ids, size_t count, uint8_t *plain,
                      struct cr_error *err)
{
    for (size_t i = 0; i < count;) {
        size_t run = 0;
        while (i + run < count && !cr_id_is_hole(&ids[i + run]))
            run++;
        if (run == 0) {
            memset(plain + i * CR_CHUNK_BYTES, 0, CR_CHUNK_BYTES);
            i++;
            continue;
        }
        struct batch batch = {ids + i, plain + i * CR_CHUNK_BYTES, err};
        int r = store->ops->chunks_get(store, ids + i, run, chunk_open, &batch, err);
        if (r < 0)
            return r;
        i += run;
    }
    return 0;
}

int cr_delta_chunks_read(struct cr_store *store, const struct cr_id *ids, size_t count,
                         uint8_t *plain, struct cr_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i += CR_DELTA_BATCH)
        r = batch_read(store, ids + i, count - i < CR_DELTA_BATCH ? count - i : CR_DELTA_BATCH,
                       plain + i * CR_CHUNK_BYTES, err);
    return r;
}

/* --- work ------------------------------------------------------------------------------------ */

struct run {
    struct cr_delta_work *work;
    uint64_t count, piece_bytes;
    cr_delta_piece *piece;
    void *context;
    atomic_uint_fast64_t next;
    atomic_uint worker;
    atomic_int failed;
    pthread_mutex_t mutex; /* over the progress and the first error */
    struct cr_error *err;
};

static void run_fail(struct run *run, int r, const struct cr_error *err)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&run->failed, &none, r) && run->err != NULL)
        *run->err = *err;
}

static void run_progress(struct run *run)
{
    struct cr_delta_work *work = run->work;
    struct cr_error err = {0};
    pthread_mutex_lock(&run->mutex);
    work->done += run->piece_bytes;
    int r =
        work->progress == NULL ? 0 : work->progress(work->context, work->done, work->total, &err);
    if (r != 0)
        run_fail(run, r, &err);
    pthread_mutex_unlock(&run->mutex);
}

static void run_job(void *argument)
{
    struct run *run = argument;
    unsigned worker = atomic_fetch_add(&run->worker, 1);
    while (atomic_load(&run->failed) == 0) {
        uint64_t index = atomic_fetch_add(&run->next, 1);
        struct cr_error err = {0};
        if (index >= run->count)
            return;
        int r = run->piece(run->context, worker, index, &err);
        if (r < 0)
            run_fail(run, r, &err);
        else
            run_progress(run);
    }
}

unsigned cr_delta_threads(const struct cr_delta_work *work)
{
    cpu_set_t set;
    if (work->threads > 0)
        return work->threads;
    return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

int cr_delta_run(struct cr_delta_work *work, uint64_t count, uint64_t piece_bytes,
                 cr_delta_piece *piece, void *context, struct cr_error *err)
{
    unsigned threads = cr_delta_threads(work);
    struct run run = {.work = work,
                      .count = count,
                      .piece_bytes = piece_bytes,
                      .piece = piece,
                      .context = context,
                      .err = err};
    CLEANUP(cr_pool_cleanup) struct cr_pool *pool = NULL;
    int r = cr_pool_new(threads, threads, &pool);
    if (r < 0)
        return cr_error_errno(err, r, "starting %u threads", threads);
    pthread_mutex_init(&run.mutex, NULL);
    for (unsigned i = 0; i < threads; i++)
        cr_pool_submit(pool, run_job, &run);
    cr_pool_wait(pool);
    pthread_mutex_destroy(&run.mutex);
    return atomic_load(&run.failed);
}
