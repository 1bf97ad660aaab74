/* SPDX-License-Identifier: MIT */
#include "image-tools/verify.h"

#include "image-tools/stop.h"
#include "image-tools/work.h"
#include "lib/base/mem.h"
#include "lib/image/idset.h"

#include <errno.h>
#include <pthread.h>

#define BATCH_CHUNKS CR_BATCH_IDS_MAX

void verify_report_done(struct verify_report *report)
{
    free(report->damages);
    *report = (struct verify_report){0};
}

int verify_report_add(struct verify_report *report, const struct verify_damage *damage)
{
    if (report->count == report->room) {
        size_t room = report->room ? 2 * report->room : 16;
        struct verify_damage *damages = reallocarray(report->damages, room, sizeof(*damages));
        if (damages == NULL)
            return -ENOMEM;
        report->damages = damages;
        report->room = room;
    }
    report->damages[report->count++] = *damage;
    return 0;
}

/* What makes an object bad, as opposed to a store that cannot be reached. */
static bool is_damage(int r)
{
    return r == -EBADMSG || r == -ENOENT || r == -EIO || r == -ENODATA;
}

/* --- what is to be read ----------------------------------------------------------------------- */

/* A chunk and where the disk uses it first. */
struct use {
    struct cr_id id;
    uint64_t index;
};

struct uses {
    struct use *items; /* owned */
    uint64_t count, room;
    struct cr_idset seen;
};

static void uses_done(struct uses *uses)
{
    free(uses->items);
    cr_idset_done(&uses->seen);
}

static int uses_add(struct uses *uses, const struct cr_id *id, uint64_t index)
{
    int r = cr_idset_add(&uses->seen, id);
    if (r <= 0)
        return r;
    if (uses->count == uses->room) {
        uint64_t room = uses->room ? 2 * uses->room : 4096;
        struct use *items = reallocarray(uses->items, room, sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        uses->items = items;
        uses->room = room;
    }
    uses->items[uses->count++] = (struct use){.id = *id, .index = index};
    return 0;
}

/* Bytes of the disk in segment `index`. */
static uint64_t segment_bytes(const struct cr_manifest *manifest, uint32_t index)
{
    uint64_t size = (uint64_t)CR_SEGMENT_CHUNKS << CR_CHUNK_SHIFT, offset = index * size;
    return manifest->disk_bytes - offset < size ? manifest->disk_bytes - offset : size;
}

/* Read all segments; their chunks go to `uses`, bad ones to the report. */
static int segments_read(struct cr_version *version, struct uses *uses,
                         struct verify_report *report, struct cr_error *err)
{
    const struct cr_manifest *manifest = cr_version_manifest(version);
    CLEANUP(cr_idset_done) struct cr_idset seen = {0};
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        const struct cr_id *ids;
        struct verify_damage damage = {.kind = "segment"};
        int r = stop_check(err);
        if (r < 0)
            return r;
        int is_new = cr_idset_add(&seen, &manifest->segments[i]);
        if (is_new < 0)
            return cr_error_errno(err, is_new, "cannot verify");
        report->segments += (uint64_t)is_new;
        r = cr_version_segment(version, i, &ids, &damage.reason);
        if (r < 0 && !is_damage(r))
            return cr_error_set(err, r, "%s", damage.reason.text);
        if (r < 0) {
            cr_id_format(&manifest->segments[i], damage.name);
            damage.offset = (uint64_t)i << (CR_SEGMENT_SHIFT + CR_CHUNK_SHIFT);
            damage.disk_bytes = segment_bytes(manifest, i);
            r = verify_report_add(report, &damage);
        }
        uint64_t first = (uint64_t)i << CR_SEGMENT_SHIFT;
        uint32_t count = cr_segment_chunks(manifest->disk_bytes, i);
        for (uint32_t n = 0; r == 0 && damage.name[0] == '\0' && ids != NULL && n < count; n++)
            r = uses_add(uses, &ids[n], first + n);
        if (r < 0)
            return cr_error_errno(err, r, "cannot verify");
    }
    return 0;
}

/* --- reading the chunks ----------------------------------------------------------------------- */

struct run {
    struct cr_store *store;
    const struct uses *uses;
    uint64_t disk_bytes;
    struct progress *progress;
    pthread_mutex_t mutex; /* over the report */
    struct verify_report *report;
};

struct batch {
    struct run *run;
    const struct use *uses;
    uint64_t frame_bytes;
    uint8_t *plain; /* CR_CHUNK_BYTES */
    struct cr_error *err;
};

static int damage_note(struct run *run, const struct use *use, const struct cr_error *reason)
{
    struct verify_damage damage = {.kind = "chunk",
                                   .offset = use->index << CR_CHUNK_SHIFT,
                                   .disk_bytes = cr_chunk_bytes(run->disk_bytes, use->index),
                                   .reason = *reason};
    cr_id_format(&use->id, damage.name);
    pthread_mutex_lock(&run->mutex);
    int r = verify_report_add(run->report, &damage);
    pthread_mutex_unlock(&run->mutex);
    return r;
}

/* One frame of a batch: open it, and so verify it. */
static int frame_check(void *context, size_t index, int result, const void *frame, size_t frame_len,
                       const struct cr_error *err)
{
    struct batch *batch = context;
    const struct use *use = &batch->uses[index];
    struct cr_error reason = {0};
    uint32_t expected = cr_chunk_bytes(batch->run->disk_bytes, use->index);
    size_t len;
    if (result < 0 && err != NULL)
        reason = *err;
    if (result == 0) {
        batch->frame_bytes += frame_len;
        result = cr_object_open(CR_CHUNK, &use->id, frame, frame_len, batch->plain, CR_CHUNK_BYTES,
                                &len, &reason);
        if (result == 0 && len != expected) {
            char hex[CR_ID_HEX];
            result =
                cr_error_set(&reason, -EBADMSG, "chunk '%s' has %zu bytes where its disk has %u",
                             cr_id_format(&use->id, hex), len, expected);
        }
    }
    progress_add(batch->run->progress, expected);
    if (result < 0 && is_damage(result)) {
        result = damage_note(batch->run, use, &reason);
        return result < 0 ? cr_error_errno(batch->err, result, "cannot verify") : 0;
    }
    if (result < 0 && batch->err != NULL)
        *batch->err = reason;
    return result;
}

static int batch_run(void *context, unsigned worker, uint64_t number, struct cr_error *err)
{
    struct run *run = context;
    uint64_t first = number * BATCH_CHUNKS, left = run->uses->count - first;
    size_t count = left < BATCH_CHUNKS ? (size_t)left : BATCH_CHUNKS;
    struct cr_id ids[BATCH_CHUNKS];
    uint8_t plain[CR_CHUNK_BYTES];
    struct batch batch = {.run = run, .uses = run->uses->items + first, .plain = plain, .err = err};
    (void)worker;
    for (size_t i = 0; i < count; i++)
        ids[i] = batch.uses[i].id;
    int r = run->store->ops->chunks_get(run->store, ids, count, frame_check, &batch, err);
    pthread_mutex_lock(&run->mutex);
    run->report->frame_bytes += batch.frame_bytes;
    pthread_mutex_unlock(&run->mutex);
    return r;
}

/* --- how much of the disk a damage costs ------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
    const struct verify_damage *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int verify_run(const struct cli *cli, struct cr_store *store, struct cr_version *version,
               struct verify_report *report, struct cr_error *err)
{
    CLEANUP(uses_done) struct uses uses = {0};
    int r = segments_read(version, &uses, report, err);
    if (r < 0)
        return r;
    report->chunks = uses.count;
    CLEANUP(progress_cleanup)
    struct progress *progress = progress_new(cli, "verifying", uses.count << CR_CHUNK_SHIFT);
    struct run run = {.store = store,
                      .uses = &uses,
                      .disk_bytes = cr_version_disk_bytes(version),
                      .progress = progress,
                      .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .report = report};
    uint64_t batches = (uses.count + BATCH_CHUNKS - 1) / BATCH_CHUNKS;
    r = work_run(cli->threads, batches, batch_run, &run, err);
    pthread_mutex_destroy(&run.mutex);
    if (report->count > 1)
        qsort(report->damages, report->count, sizeof(report->damages[0]), by_place);
    return r;
}
