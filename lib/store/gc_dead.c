/* SPDX-License-Identifier: MIT */
/* Marks: taken from what is live, set on what is dead; and the removal of what was dead for long
 * enough. */
#include "lib/base/mem.h"
#include "lib/store/gc_pass.h"

#include <errno.h>

static bool pack_is_live(const struct gc_pack *pack)
{
    return pack->live_entries > 0 && !pack->repacked;
}

/* --- the living ------------------------------------------------------------------------------ */

static bool is_live(const struct gc_pass *pass, const struct gc_mark *mark)
{
    if (mark->space != CR_SPACE_PACKS)
        return cr_idset_has(&pass->live[mark->space], &mark->id);
    uint32_t number;
    return cr_index_number(pass->index, &mark->id, &number) && pack_is_live(&pass->packs[number]);
}

static int unmark(struct gc_pass *pass, enum cr_space space, const struct cr_id *id,
                  struct cr_error *err)
{
    char hex[CR_ID_HEX];
    return pass->options->dry_run
               ? 0
               : pass->blobs->ops->unmark(pass->blobs, space, cr_id_format(id, hex), err);
}

int gc_revive(struct gc_pass *pass, struct cr_error *err)
{
    for (size_t i = 0; i < pass->mark_count; i++) {
        const struct gc_mark *mark = &pass->marks[i];
        if (!is_live(pass, mark))
            continue;
        int r = unmark(pass, mark->space, &mark->id, err);
        if (r < 0)
            return r;
        pass->stat->revived++;
    }
    return 0;
}

/* --- the dead -------------------------------------------------------------------------------- */

static int condemn(struct gc_pass *pass, enum cr_space space, const char *hex, uint64_t bytes,
                   struct cr_error *err)
{
    struct cr_mark mark = {.space = space,
                           .name = hex,
                           .generation = pass->generation,
                           .marked_s = pass->options->now_s};
    int r = pass->options->dry_run ? 0 : pass->blobs->ops->mark(pass->blobs, &mark, err);
    if (r == -ENOENT)
        return 0;
    pass->stat->condemned++;
    pass->stat->condemned_bytes += bytes;
    return r;
}

/*
 * Is the mark believed? Not one that was damaged, one of a collection that did not come to its end
 * (it may have been set after publishers looked, by a collector that was suspended and had lost its
 * lock), nor one of tomorrow, set by a clock that was wrong.
 */
static bool is_believed(const struct gc_pass *pass, const struct gc_mark *mark)
{
    const struct pack_generations *all = &pass->generations;
    for (unsigned i = 0; mark != NULL && i < all->done_count; i++)
        if (all->done[i] == mark->generation)
            return mark->marked_s <= pass->options->now_s;
    return false;
}

/* May it go now? Nobody who publishes can have missed the mark, and readers had their time. */
static bool is_due(const struct gc_pass *pass, const struct gc_mark *mark)
{
    return mark->generation <= pass->least_seen &&
           pass->options->now_s - mark->marked_s >= pass->options->grace_s;
}

static int dead(struct gc_pass *pass, enum cr_space space, const struct cr_id *id, uint64_t bytes,
                struct cr_error *err)
{
    const struct gc_mark *mark = gc_mark_find(pass, space, id);
    char hex[CR_ID_HEX];
    cr_id_format(id, hex);
    if (!is_believed(pass, mark))
        return condemn(pass, space, hex, bytes, err);
    if (is_due(pass, mark)) {
        int r = pass->options->dry_run ? 0
                                       : pass->blobs->ops->remove_marked(pass->blobs, space, hex,
                                                                         mark->generation, err);
        if (r == 0) {
            pass->stat->removed++;
            pass->stat->removed_bytes += bytes;
            pass->stat->side_removed += space == CR_SPACE_RECORDS;
            return 0;
        }
        if (r != -EAGAIN)
            return r;
        if (err != NULL)
            err->text[0] = '\0'; /* somebody has just written it again */
        return 0;
    }
    pass->stat->waiting++;
    pass->stat->waiting_bytes += bytes;
    return 0;
}

static int packs_dead(struct gc_pass *pass, struct cr_error *err)
{
    for (uint32_t i = 0; i < cr_index_packs(pass->index); i++) {
        const struct cr_index_pack *pack = cr_index_pack(pass->index, i);
        if (pack_is_live(&pass->packs[i]))
            continue;
        uint64_t bytes = pass->packs[i].bytes + CR_PACK_HEADER_BYTES + CR_PACK_TRAILER_BYTES +
                         (uint64_t)pack->count * CR_PACK_ENTRY_BYTES;
        char hex[CR_ID_HEX];
        /* Readers know a pack that was live until now: their time begins now, too. */
        int r = pass->packs[i].repacked
                    ? condemn(pass, CR_SPACE_PACKS, cr_id_format(&pack->name, hex), bytes, err)
                    : dead(pass, CR_SPACE_PACKS, &pack->name, bytes, err);
        if (r == 0)
            r = gc_step(pass, err);
        if (r != 0)
            return r;
    }
    return 0;
}

struct object_walk {
    struct gc_pass *pass;
    enum cr_space space;
    struct cr_error *err;
};

static int object_walk(void *context, const char *name)
{
    struct object_walk *walk = context;
    struct gc_pass *pass = walk->pass;
    struct cr_id id;
    uint64_t bytes = 0;
    if (cr_id_parse(name, strlen(name), &id) < 0 || cr_idset_has(&pass->live[walk->space], &id))
        return 0;
    int r = pass->blobs->ops->size(pass->blobs, walk->space, name, &bytes, NULL);
    if (r == -ENOENT)
        return 0;
    r = dead(pass, walk->space, &id, bytes, walk->err);
    return r == 0 ? gc_step(pass, walk->err) : r;
}

/* Marks whose blob is not there: a removal was cut short between the two. */
static int stale_marks(struct gc_pass *pass, struct cr_error *err)
{
    for (size_t i = 0; i < pass->mark_count; i++) {
        const struct gc_mark *mark = &pass->marks[i];
        char hex[CR_ID_HEX];
        uint64_t bytes;
        int r = pass->blobs->ops->size(pass->blobs, mark->space, cr_id_format(&mark->id, hex),
                                       &bytes, NULL);
        if (r == -ENOENT)
            r = unmark(pass, mark->space, &mark->id, err);
        if (r == -ENOMEM || r == -EIO)
            return r;
    }
    return 0;
}

int gc_dead(struct gc_pass *pass, struct cr_error *err)
{
    static const enum cr_space spaces[] = {CR_SPACE_MANIFESTS, CR_SPACE_SEGMENTS, CR_SPACE_RECORDS};
    int r = packs_dead(pass, err);
    for (size_t i = 0; i < CR_ARRAY_LEN(spaces) && r == 0; i++) {
        struct object_walk walk = {.pass = pass, .space = spaces[i], .err = err};
        r = pass->blobs->ops->list(pass->blobs, spaces[i], object_walk, &walk, err);
    }
    return r == 0 ? stale_marks(pass, err) : r;
}

/* --- deltas and hot lists ----------------------------------------------------------------------
 */

/* "OLDROOT-NEWROOT" or "OLDROOT-NEWROOT.SUFFIX" */
static bool delta_parse(const char *name, struct cr_id *ret_old, struct cr_id *ret_new)
{
    const size_t hex = CR_ID_HEX - 1;
    size_t len = strlen(name);
    return len >= 2 * hex + 1 && name[hex] == '-' &&
           (name[2 * hex + 1] == '\0' || name[2 * hex + 1] == '.') &&
           cr_id_parse(name, hex, ret_old) == 0 && cr_id_parse(name + hex + 1, hex, ret_new) == 0;
}

/* "ROOT" or "ROOT.SUFFIX" */
static bool hot_parse(const char *name, struct cr_id *ret_root)
{
    const size_t hex = CR_ID_HEX - 1;
    return strlen(name) >= hex && (name[hex] == '\0' || name[hex] == '.') &&
           cr_id_parse(name, hex, ret_root) == 0;
}

static int side_remove(struct object_walk *walk, const char *name)
{
    struct gc_pass *pass = walk->pass;
    int r = pass->options->dry_run
                ? 0
                : pass->blobs->ops->remove(pass->blobs, walk->space, name, walk->err);
    if (r == -ENOENT)
        return 0;
    pass->stat->side_removed += r == 0;
    return r == 0 ? gc_step(pass, walk->err) : r;
}

static int delta_walk(void *context, const char *name)
{
    struct object_walk *walk = context;
    const struct cr_idset *roots = &walk->pass->live[CR_SPACE_MANIFESTS];
    struct cr_id from, to;
    if (!delta_parse(name, &from, &to) || (cr_idset_has(roots, &from) && cr_idset_has(roots, &to)))
        return 0;
    return side_remove(walk, name);
}

static int hot_walk(void *context, const char *name)
{
    struct object_walk *walk = context;
    struct cr_id root;
    if (!hot_parse(name, &root) || cr_idset_has(&walk->pass->live[CR_SPACE_MANIFESTS], &root))
        return 0;
    return side_remove(walk, name);
}

/*
 * They can be made again at any time, so they need no mark: one that is removed while somebody
 * reads it costs that reader the full chunks, or the order in which to fetch them.
 */
int gc_sides(struct gc_pass *pass, struct cr_error *err)
{
    struct object_walk walk = {.pass = pass, .space = CR_SPACE_DELTAS, .err = err};
    int r = pass->blobs->ops->list(pass->blobs, CR_SPACE_DELTAS, delta_walk, &walk, err);
    walk.space = CR_SPACE_HOT;
    return r == 0 ? pass->blobs->ops->list(pass->blobs, CR_SPACE_HOT, hot_walk, &walk, err) : r;
}
