/* SPDX-License-Identifier: MIT */
/*
 * Keeping a store's index up to date: which packs there are, which cannot be read, and, for
 * writers, what a collector has condemned.
 */
#include "lib/store/packstore.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* How long a listing that brought nothing new answers for an id that nobody has. */
#define QUIET_MS 1000

int64_t packstore_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- a listing ------------------------------------------------------------------------------- */

static int damage_add(struct pack_damages *damages, const struct cr_id *name, int code,
                      const struct cr_error *why)
{
    struct pack_damage *grown = realloc(damages->list, (damages->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    damages->list = grown;
    damages->list[damages->count++] =
        (struct pack_damage){.name = *name, .code = code, .why = *why};
    return 0;
}

/* Known already? Then it was seen again. */
static bool pack_touch(struct packstore *ps, const struct cr_id *name)
{
    pthread_rwlock_wrlock(&ps->lock);
    bool known = cr_index_has_pack(ps->index, name);
    if (known)
        cr_index_touch(ps->index, name);
    pthread_rwlock_unlock(&ps->lock);
    return known;
}

/* New packs of a listing, whose footers are read together. */
struct newcomers {
    struct packstore *ps;
    struct pack_footer *footers; /* PACKSTORE_FOOTERS_MAX */
    size_t count;
};

static int index_one(struct packstore *ps, const struct pack_footer *footer)
{
    int r = footer->result;
    if (r == -ENOENT)
        return 0; /* collected meanwhile */
    /* One pack that cannot be read does not hide the others. */
    if (r == -EBADMSG || r == -ENODATA || r == -EIO)
        return damage_add(&ps->newfound, &footer->name, r == -EIO ? -EIO : -EBADMSG, &footer->err);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&ps->lock);
    r = cr_index_add_pack(ps->index, &footer->name, footer->entries, footer->count);
    pthread_rwlock_unlock(&ps->lock);
    ps->news |= r > 0;
    return r < 0 ? r : 0;
}

static int newcomers_index(struct newcomers *new_)
{
    int r = 0;
    packstore_footers_read(new_->ps, new_->footers, new_->count);
    for (size_t i = 0; i < new_->count; i++) {
        if (r == 0)
            r = index_one(new_->ps, &new_->footers[i]);
        free(new_->footers[i].entries);
    }
    new_->count = 0;
    return r;
}

static int newcomer_note(void *context, const char *text)
{
    struct newcomers *new_ = context;
    struct cr_id name;
    if (cr_id_parse(text, strlen(text), &name) < 0 || pack_touch(new_->ps, &name))
        return 0;
    new_->footers[new_->count++] = (struct pack_footer){.name = name};
    return new_->count < PACKSTORE_FOOTERS_MAX ? 0 : newcomers_index(new_);
}

static int newcomers_list(struct packstore *ps, struct cr_error *err)
{
    CLEANUP_FREE struct pack_footer *footers = cr_calloc(PACKSTORE_FOOTERS_MAX, sizeof(*footers));
    struct newcomers new_ = {.ps = ps, .footers = footers};
    if (footers == NULL)
        return -ENOMEM;
    int r = ps->blobs->ops->list(ps->blobs, CR_SPACE_PACKS, newcomer_note, &new_, err);
    return r == 0 ? newcomers_index(&new_) : r;
}

/*
 * Take in the packs that came since the last time, forget those that went, and look again at those
 * that were damaged: a backup may have brought them back. Others see the old list of damage until
 * the new one is whole. Called with refresh_mutex held.
 */
static int packs_list(struct packstore *ps, struct cr_error *err)
{
    atomic_fetch_add(&ps->refreshes, 1);
    ps->news = false;
    pthread_rwlock_wrlock(&ps->lock);
    uint64_t since = cr_index_tick(ps->index);
    pthread_rwlock_unlock(&ps->lock);
    int r = newcomers_list(ps, err);
    if (r == 0) {
        pthread_rwlock_wrlock(&ps->lock);
        int64_t gone = cr_index_sweep(ps->index, since);
        ps->news |= gone > 0;
        r = gone < 0 ? (int)gone : 0;
        struct pack_damages old = ps->damaged;
        ps->damaged = ps->newfound;
        ps->newfound = old;
        pthread_rwlock_unlock(&ps->lock);
    }
    free(ps->newfound.list);
    ps->newfound = (struct pack_damages){0};
    bool quiet = r == 0 && !ps->news && ps->damaged.count == 0;
    atomic_store(&ps->quiet_until_ms, quiet ? ps->clock_ms() + QUIET_MS : 0);
    if (r < 0 && err != NULL && err->text[0] == '\0')
        cr_error_errno(err, r, "reading the packs of store '%s'", ps->base.uri);
    return r;
}

int packstore_refresh(struct packstore *ps, bool for_missing, struct cr_error *err)
{
    uint64_t before = atomic_load(&ps->refreshes);
    int r = 0;
    pthread_mutex_lock(&ps->refresh_mutex);
    /* While we waited somebody began and ended a listing: it saw all that ours would see. */
    bool done = atomic_load(&ps->refreshes) > before && ps->refresh_worked;
    if (!done && !(for_missing && ps->clock_ms() < atomic_load(&ps->quiet_until_ms))) {
        r = packs_list(ps, err);
        ps->refresh_worked = r == 0;
    }
    pthread_mutex_unlock(&ps->refresh_mutex);
    return r;
}

/* --- what is condemned ----------------------------------------------------------------------- */

/* "BEGUN" on the first line, then "done N" lines with rising numbers not above it. */
static void generations_parse(const char *text, struct pack_generations *generations)
{
    uint64_t number;
    *generations = (struct pack_generations){0};
    if (cr_u64_take(&text, CR_GENERATIONS_MAX, &generations->begun) < 0)
        return;
    while (strncmp(text, "\ndone ", 6) == 0 && generations->done_count < PACKSTORE_DONE_MAX) {
        text += 6;
        if (cr_u64_take(&text, CR_GENERATIONS_MAX, &number) < 0)
            return;
        uint64_t before =
            generations->done_count ? generations->done[generations->done_count - 1] : 0;
        if (number > before && number <= generations->begun)
            generations->done[generations->done_count++] = number;
    }
}

int packstore_generations(struct packstore *ps, struct pack_generations *ret_generations,
                          struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX + 1);
    *ret_generations = (struct pack_generations){0};
    int r = packstore_blob_get(ps, CR_SPACE_STATE, PACKSTORE_GENERATION, &text, err);
    if (r == -ENOENT)
        return 0;
    /* What makes no sense counts as none: a writer has then seen nothing, a collector begins above
     * every mark and lease (gc.c). */
    if (r < 0)
        return r == -EBADMSG ? 0 : r;
    r = cr_buf_append(&text, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "reading the generations of store '%s'", ps->base.uri);
    generations_parse((const char *)text.data, ret_generations);
    return 0;
}

struct mark_sets {
    struct cr_idset sets[CR_SPACE_COUNT];
};

static void mark_sets_done(struct mark_sets *marks)
{
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        cr_idset_done(&marks->sets[i]);
}

static int mark_take(void *context, const struct cr_mark *mark)
{
    struct mark_sets *marks = context;
    struct cr_id id;
    if (cr_id_parse(mark->name, strlen(mark->name), &id) < 0)
        return 0;
    int r = cr_idset_add(&marks->sets[mark->space], &id);
    return r < 0 ? r : 0;
}

static int marks_load(struct packstore *ps, struct cr_error *err)
{
    CLEANUP(mark_sets_done) struct mark_sets marks = {0};
    int r = ps->blobs->ops->marks(ps->blobs, mark_take, &marks, err);
    if (r < 0)
        return r == -ENOMEM ? cr_error_errno(err, r, "listing what is condemned") : r;
    pthread_rwlock_wrlock(&ps->lock);
    cr_index_condemn(ps->index, &marks.sets[CR_SPACE_PACKS]);
    for (int i = CR_SPACE_SEGMENTS; i <= CR_SPACE_MANIFESTS; i++) {
        struct cr_idset old = ps->condemned[i];
        ps->condemned[i] = marks.sets[i];
        marks.sets[i] = old;
    }
    pthread_rwlock_unlock(&ps->lock);
    return 0;
}

int packstore_look(struct packstore *ps, struct cr_store_lock *lock, struct cr_error *err)
{
    struct pack_generations generations;
    /* The mutex over all of it: an older list of marks must not come after a newer one. */
    pthread_mutex_lock(&ps->refresh_mutex);
    int r = packstore_generations(ps, &generations, err);
    if (r == 0)
        r = marks_load(ps, err);
    /* Packs after marks: one that was removed together with its mark before we read the marks is
     * not listed any more. */
    if (r == 0)
        r = packs_list(ps, err);
    ps->refresh_worked = r == 0;
    if (r == 0 && generations.done_count > 0)
        r = ps->blobs->ops->lock_seen(ps->blobs, lock, generations.done[generations.done_count - 1],
                                      err);
    pthread_mutex_unlock(&ps->refresh_mutex);
    return r;
}

/* Take the mark of one blob away; -ENOENT when the collector was faster. */
static int blob_revive(struct packstore *ps, enum cr_space space, const struct cr_id *id,
                       struct cr_error *err)
{
    char hex[CR_ID_HEX];
    uint64_t bytes;
    int r = ps->blobs->ops->unmark(ps->blobs, space, cr_id_format(id, hex), err);
    return r < 0 ? r : ps->blobs->ops->size(ps->blobs, space, hex, &bytes, err);
}

static int chunk_keep(struct packstore *ps, const struct cr_id *id, struct cr_error *err)
{
    struct cr_place place;
    struct cr_id pack = {0};
    pthread_rwlock_rdlock(&ps->lock);
    bool condemned = cr_index_find(ps->index, id, &place) && place.condemned;
    if (condemned)
        pack = cr_index_pack(ps->index, place.pack)->name;
    pthread_rwlock_unlock(&ps->lock);
    if (!condemned)
        return 0;
    int r = blob_revive(ps, CR_SPACE_PACKS, &pack, err);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&ps->lock);
    cr_index_revive(ps->index, &pack);
    pthread_rwlock_unlock(&ps->lock);
    return 0;
}

int packstore_keep(struct cr_store *store, enum cr_kind kind, const struct cr_id *ids, size_t count,
                   struct cr_error *err)
{
    struct packstore *ps = packstore_of(store);
    enum cr_space space = kind == CR_MANIFEST ? CR_SPACE_MANIFESTS : CR_SPACE_SEGMENTS;
    pthread_rwlock_rdlock(&ps->lock);
    bool any = cr_index_condemns(ps->index) || ps->condemned[CR_SPACE_SEGMENTS].count > 0 ||
               ps->condemned[CR_SPACE_MANIFESTS].count > 0;
    pthread_rwlock_unlock(&ps->lock);
    if (!any)
        return 1;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (cr_id_is_hole(&ids[i]))
            continue;
        if (kind == CR_CHUNK)
            r = chunk_keep(ps, &ids[i], err);
        else if (packstore_object_condemned(ps, kind, &ids[i]))
            r = blob_revive(ps, space, &ids[i], err);
    }
    return r;
}

bool packstore_object_condemned(struct packstore *ps, enum cr_kind kind, const struct cr_id *id)
{
    enum cr_space space = kind == CR_MANIFEST ? CR_SPACE_MANIFESTS : CR_SPACE_SEGMENTS;
    pthread_rwlock_rdlock(&ps->lock);
    bool condemned = ps->condemned[space].count > 0 && cr_idset_has(&ps->condemned[space], id);
    pthread_rwlock_unlock(&ps->lock);
    return condemned;
}
