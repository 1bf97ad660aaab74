/* SPDX-License-Identifier: MIT */
/* A pass of the collector: its lock, its generation, who publishes; then the steps of gc.h. */
#include "lib/base/mem.h"
#include "lib/store/gc_pass.h"

#include <errno.h>
#include <inttypes.h>

int gc_step(struct gc_pass *pass, struct cr_error *err)
{
    const struct cr_gc_options *o = pass->options;
    pass->done++;
    if (pass->total < pass->done)
        pass->total = pass->done;
    return o->progress == NULL ? 0 : o->progress(o->context, pass->done, pass->total, err);
}

/* --- marks ----------------------------------------------------------------------------------- */

static int by_space_and_id(const void *a, const void *b)
{
    const struct gc_mark *x = a, *y = b;
    if (x->space != y->space)
        return x->space < y->space ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, CR_ID_BYTES);
}

const struct gc_mark *gc_mark_find(const struct gc_pass *pass, enum cr_space space,
                                   const struct cr_id *id)
{
    struct gc_mark key = {.space = space, .id = *id};
    return pass->mark_count == 0
               ? NULL
               : bsearch(&key, pass->marks, pass->mark_count, sizeof(key), by_space_and_id);
}

static int mark_take(void *context, const struct cr_mark *mark)
{
    struct gc_pass *pass = context;
    struct gc_mark taken = {
        .space = mark->space, .generation = mark->generation, .marked_s = mark->marked_s};
    if (cr_id_parse(mark->name, strlen(mark->name), &taken.id) < 0)
        return 0;
    if (taken.generation > CR_GENERATIONS_MAX)
        taken.generation = UINT64_MAX; /* damaged: of none */
    if (pass->mark_count == pass->mark_room) {
        size_t room = pass->mark_room ? 2 * pass->mark_room : 256;
        struct gc_mark *grown = realloc(pass->marks, room * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        pass->marks = grown;
        pass->mark_room = room;
    }
    pass->marks[pass->mark_count++] = taken;
    return 0;
}

static int marks_load(struct gc_pass *pass, struct cr_error *err)
{
    int r = pass->blobs->ops->marks(pass->blobs, mark_take, pass, err);
    if (r < 0)
        return r == -ENOMEM ? cr_error_errno(err, r, "listing what is condemned") : r;
    if (pass->mark_count > 0)
        qsort(pass->marks, pass->mark_count, sizeof(*pass->marks), by_space_and_id);
    return 0;
}

/* --- generation and leases ------------------------------------------------------------------- */

struct lease_sum {
    uint64_t count, least, most;
};

static int lease_add(void *context, const char *name, uint64_t seen)
{
    struct lease_sum *sum = context;
    if (strcmp(name, CR_LOCK_COLLECTOR) == 0)
        return 0;
    sum->count++;
    if (seen > CR_GENERATIONS_MAX)
        seen = 0; /* damaged: nobody can have seen that many */
    if (seen < sum->least)
        sum->least = seen;
    if (seen > sum->most)
        sum->most = seen;
    return 0;
}

static int leases_sum(struct gc_pass *pass, struct lease_sum *ret_sum, struct cr_error *err)
{
    *ret_sum = (struct lease_sum){.least = UINT64_MAX};
    return pass->blobs->ops->leases(pass->blobs, lease_add, ret_sum, err);
}

/* Write pass->generations, if nobody else has since we did. */
static int generations_store(struct gc_pass *pass, const struct cr_id *expected,
                             struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    char line[40];
    snprintf(line, sizeof(line), "%" PRIu64 "\n", pass->generations.begun);
    int r = cr_buf_append(&text, line, strlen(line));
    for (unsigned i = 0; i < pass->generations.done_count && r == 0; i++) {
        snprintf(line, sizeof(line), "done %" PRIu64 "\n", pass->generations.done[i]);
        r = cr_buf_append(&text, line, strlen(line));
    }
    if (r < 0)
        return cr_error_errno(err, r, "collecting store '%s'", pass->ps->base.uri);
    cr_hash(text.data, text.len, &pass->stored);
    return pass->blobs->ops->replace(pass->blobs, CR_SPACE_STATE, PACKSTORE_GENERATION, expected,
                                     text.data, text.len, err);
}

/* The pass has begun: what is stored is read again, so that a collector beside us is seen. */
static int generation_begin(struct gc_pass *pass, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf before = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_id hash;
    int r = packstore_blob_get(pass->ps, CR_SPACE_STATE, PACKSTORE_GENERATION, &before, err);
    if (r < 0 && r != -ENOENT)
        return r;
    bool none = r == -ENOENT;
    cr_hash(before.data, before.len, &hash);
    pass->generations.begun = pass->generation;
    r = generations_store(pass, none ? NULL : &hash, err);
    if (r == -EAGAIN)
        r = cr_error_set(err, r,
                         "another collector of store '%s' began while this one was silent; run the "
                         "command again",
                         pass->ps->base.uri);
    return r;
}

/* It came to its end: from now on its marks are believed. Those of which none stands are forgotten.
 */
static int generation_end(struct gc_pass *pass, struct cr_error *err)
{
    struct pack_generations *all = &pass->generations;
    struct cr_id stored = pass->stored;
    uint64_t oldest = UINT64_MAX;
    unsigned kept = 0;
    for (size_t i = 0; i < pass->mark_count; i++)
        if (pass->marks[i].generation < oldest)
            oldest = pass->marks[i].generation;
    for (unsigned i = 0; i < all->done_count; i++)
        if (all->done[i] >= oldest && all->done_count - i < PACKSTORE_DONE_MAX)
            all->done[kept++] = all->done[i];
    all->done[kept++] = pass->generation;
    all->done_count = kept;
    int r = generations_store(pass, &stored, err);
    if (r == -EAGAIN)
        r = cr_error_set(err, r,
                         "another collector of store '%s' began before this one came to its end: "
                         "what it condemned does not count; run the command again",
                         pass->ps->base.uri);
    return r;
}

/*
 * Steps 1 and 2. The new generation is above every mark and lease as well, so that it is right even
 * where the stored one was lost or damaged.
 */
static int generation_raise(struct gc_pass *pass, struct cr_error *err)
{
    struct lease_sum leases = {0};
    int r = packstore_generations(pass->ps, &pass->generations, err);
    if (r == 0)
        r = marks_load(pass, err);
    if (r == 0)
        r = leases_sum(pass, &leases, err);
    if (r < 0)
        return r;
    uint64_t most = pass->generations.begun;
    if (leases.most > most)
        most = leases.most;
    for (size_t i = 0; i < pass->mark_count; i++)
        if (pass->marks[i].generation != UINT64_MAX && pass->marks[i].generation > most)
            most = pass->marks[i].generation;
    if (most >= CR_GENERATIONS_MAX)
        return cr_error_set(err, -EBADMSG,
                            "nothing was removed: the generation of store '%s' is damaged: while "
                            "nobody writes to the store, remove its 'state/generation' and all "
                            "marks",
                            pass->ps->base.uri);
    pass->generation = most + 1;
    pass->stat->generation = pass->generation;
    if (!pass->options->dry_run)
        r = generation_begin(pass, err);
    if (r == 0)
        r = leases_sum(pass, &leases, err);
    pass->least_seen = leases.least;
    pass->stat->leases = leases.count;
    return r;
}

/* --- the pass -------------------------------------------------------------------------------- */

static void pass_done(struct gc_pass *pass)
{
    for (uint32_t i = 0; pass->packs != NULL && i < cr_index_packs(pass->index); i++)
        free(pass->packs[i].live);
    free(pass->packs);
    cr_index_free(pass->index);
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        cr_idset_done(&pass->live[i]);
    free(pass->versions);
    free(pass->marks);
}

static int pass_run(struct gc_pass *pass, struct cr_error *err)
{
    struct cr_blobs *blobs = pass->blobs;
    int r = generation_raise(pass, err);
    if (r == 0)
        r = gc_live(pass, err);
    if (r == 0)
        r = gc_repack(pass, err);
    if (r == 0)
        r = gc_revive(pass, err);
    /* What is live must be durable before anything goes, whoever wrote it. */
    if (r == 0 && !pass->options->dry_run)
        r = blobs->ops->sync(blobs, err);
    if (r == 0)
        r = gc_dead(pass, err);
    if (r == 0)
        r = gc_sides(pass, err);
    if (r == 0 && !pass->options->dry_run)
        r = blobs->ops->sync(blobs, err);
    if (r == 0 && !pass->options->dry_run)
        r = generation_end(pass, err);
    return r;
}

int cr_gc_run(struct cr_store *store, const struct cr_gc_options *options,
              struct cr_gc_stat *ret_stat, struct cr_error *err)
{
    *ret_stat = (struct cr_gc_stat){0};
    if (!packstore_is(store))
        return cr_error_set(err, -ENOTSUP,
                            "store '%s' is only seen from outside: collect where it lives",
                            store->uri);
    CLEANUP(pass_done)
    struct gc_pass pass = {.ps = packstore_of(store),
                           .blobs = packstore_of(store)->blobs,
                           .options = options,
                           .stat = ret_stat};
    struct cr_store_lock *lock = NULL;
    int r = cr_index_new(&pass.index);
    if (r < 0)
        return cr_error_errno(err, r, "collecting store '%s'", store->uri);
    if (!options->dry_run)
        r = pass.blobs->ops->lock(pass.blobs, CR_LOCK_COLLECTOR, &lock, err);
    if (r < 0)
        return r;
    r = pass_run(&pass, err);
    if (lock != NULL)
        pass.blobs->ops->unlock(pass.blobs, lock);
    return r;
}
