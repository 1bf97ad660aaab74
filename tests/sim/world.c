/* SPDX-License-Identifier: MIT */
#include "tests/sim/world.h"

#include "lib/base/mem.h"
#include "lib/store/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#define STACK_BYTES (1 * CR_MIB)

const char *const mutant_names[MUTANT_COUNT] = {
    [MUTANT_NONE] = "none",           [MUTANT_PUT_KEEPS_MARK] = "put-keeps-mark",
    [MUTANT_NO_LEASES] = "no-leases", [MUTANT_REMOVES_ANY] = "removes-any",
    [MUTANT_NO_MARKS] = "no-marks",   [MUTANT_LAZY_SYNC] = "lazy-sync",
    [MUTANT_NO_FENCE] = "no-fence",
};

/* How a blob was before a call changed it. */
struct change {
    enum cr_space space;
    char name[CR_BLOB_NAME_MAX + 1];
    bool existed;
    uint8_t *data; /* owned */
    size_t len;
    struct cr_mark mark; /* generation 0 = none */
};

struct cr_store_lock {
    struct cr_store_lock *next;
    char name[CR_NAME_MAX + 16];
    struct cr_store_lock *real; /* of the truth; NULL = gone with the process */
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014) */
uint64_t world_random(struct world *world, uint64_t n)
{
    uint64_t z = (world->random += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

void world_fault(struct world *world, const char *format, ...)
{
    if (world->fault[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->fault, sizeof(world->fault), format, arguments);
    va_end(arguments);
    if (world->trace != NULL)
        fprintf(world->trace, "FAULT %s\n", world->fault);
}

/* --- what a power cut takes back
 * ----------------------------------------------------------------
 */

static void change_done(struct change *change)
{
    free(change->data);
    *change = (struct change){0};
}

struct mark_find {
    struct change *change;
};

static int mark_find(void *context, const struct cr_mark *mark)
{
    struct change *change = ((struct mark_find *)context)->change;
    if (mark->space == change->space && strcmp(mark->name, change->name) == 0)
        change->mark = *mark;
    return 0;
}

/* Remember how `name` is now. */
static void change_note(struct world *world, enum cr_space space, const char *name)
{
    struct cr_blobs *truth = world->truth;
    struct change change = {.space = space};
    snprintf(change.name, sizeof(change.name), "%s", name);
    uint64_t bytes = 0;
    change.existed = truth->ops->size(truth, space, name, &bytes, NULL) == 0;
    if (change.existed) {
        change.len = (size_t)bytes;
        change.data = malloc(change.len + 1);
        if (change.data == NULL)
            abort();
        truth->ops->read(truth, space, name, change.data, change.len, 0, NULL);
    }
    struct mark_find find = {.change = &change};
    truth->ops->marks(truth, mark_find, &find, NULL);
    struct change *grown = realloc(world->changes, (world->change_count + 1) * sizeof(*grown));
    if (grown == NULL)
        abort();
    world->changes = grown;
    world->changes[world->change_count++] = change;
}

static void changes_forget(struct world *world)
{
    for (size_t i = 0; i < world->change_count; i++)
        change_done(&world->changes[i]);
    world->change_count = 0;
}

static void change_undo(struct world *world, const struct change *change)
{
    struct cr_blobs *truth = world->truth;
    if (change->existed)
        truth->ops->put(truth, change->space, change->name, change->data, change->len, NULL);
    else
        truth->ops->remove(truth, change->space, change->name, NULL);
    if (change->existed && change->mark.generation != 0) {
        struct cr_mark mark = change->mark;
        mark.name = change->name;
        truth->ops->mark(truth, &mark, NULL);
    } else {
        truth->ops->unmark(truth, change->space, change->name, NULL);
    }
}

/* Of each name the newest changes are lost, so many as chance says. */
static void power_cut(struct world *world)
{
    if (world->trace != NULL)
        fprintf(world->trace, "POWER CUT with %zu changes unsynced\n", world->change_count);
    for (size_t i = world->change_count; i > 0; i--) {
        struct change *change = &world->changes[i - 1];
        bool newer_stays = false;
        for (size_t k = i; k < world->change_count && !newer_stays; k++)
            newer_stays = world->changes[k].name[0] != '\0' &&
                          world->changes[k].space == change->space &&
                          strcmp(world->changes[k].name, change->name) == 0;
        if (newer_stays || world_random(world, 2) == 0)
            continue; /* this change stays, and so do those before it */
        change_undo(world, change);
        change->name[0] = '\0';
    }
    changes_forget(world);
}

/* --- steps
 * ------------------------------------------------------------------------------------
 */

enum fate { FATE_GOES_ON, FATE_FAILS_BEFORE, FATE_FAILS_AFTER };

static void locks_lose(struct actor *actor)
{
    for (struct cr_store_lock *lock = actor->locks; lock != NULL; lock = lock->next) {
        if (lock->real != NULL)
            actor->world->truth->ops->unlock(actor->world->truth, lock->real);
        lock->real = NULL;
    }
}

/* A crashed one is gone; one that was cut off for too long comes back and does not know of it. */
static void befall(struct actor *actor, bool crashes)
{
    actor->hurt = true;
    actor->crashed = crashes;
    locks_lose(actor);
    if (actor->world->trace != NULL)
        fprintf(actor->world->trace, "%u %s %s\n", actor->number, actor->role,
                crashes ? "crashes" : "loses its leases");
}

/* Others go first, perhaps; then this call of `actor` meets its fate. */
static enum fate step(struct actor *actor, const char *call, enum cr_space space, const char *name)
{
    struct world *world = actor->world;
    if (actor->crashed)
        return FATE_FAILS_BEFORE;
    swapcontext(&actor->context, &world->scheduler);
    world->steps++;
    if (world_random(world, 16) == 0)
        world->now_s += (int64_t)world_random(world, 20);
    if (world->trace != NULL)
        fprintf(world->trace, "%u %s %s %s/%s\n", actor->number, actor->role, call,
                cr_space_names[space], name);
    if (actor->crashed)
        return FATE_FAILS_BEFORE;
    if (!actor->faulty)
        return FATE_GOES_ON;
    uint64_t chance = world_random(world, 400);
    if (chance < 2) {
        befall(actor, true);
        return chance == 0 ? FATE_FAILS_BEFORE : FATE_FAILS_AFTER;
    }
    if (chance < 4) {
        actor->hurt = true;
        return chance == 2 ? FATE_FAILS_BEFORE : FATE_FAILS_AFTER;
    }
    if (chance == 4 && actor->locks != NULL)
        befall(actor, false);
    return FATE_GOES_ON;
}

static int failed(struct cr_error *err)
{
    return cr_error_set(err, -EIO, "the simulated disk failed");
}

static struct actor *actor_of(struct cr_blobs *blobs)
{
    return (struct actor *)blobs;
}

/* A call that changes nothing: its fate before, the call, its fate after. */
#define CALL(actor, what, space, name, call)                                                       \
    do {                                                                                           \
        enum fate fate_ = step(actor, what, space, name);                                          \
        if (fate_ == FATE_FAILS_BEFORE)                                                            \
            return failed(err);                                                                    \
        int r_ = (call);                                                                           \
        return fate_ == FATE_FAILS_AFTER ? failed(err) : r_;                                       \
    } while (0)

/* One that does; a power cut may take it back until there was a sync. */
#define CHANGE(actor, what, space, name, call)                                                     \
    do {                                                                                           \
        enum fate fate_ = step(actor, what, space, name);                                          \
        if (fate_ == FATE_FAILS_BEFORE)                                                            \
            return failed(err);                                                                    \
        change_note((actor)->world, space, name);                                                  \
        int r_ = (call);                                                                           \
        return fate_ == FATE_FAILS_AFTER ? failed(err) : r_;                                       \
    } while (0)

static void view_close(struct cr_blobs *blobs)
{
    (void)blobs; /* the truth stays */
}

static int view_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                     uint64_t *ret_bytes, struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CALL(actor_of(blobs), "size", space, name,
         truth->ops->size(truth, space, name, ret_bytes, err));
}

static int view_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                     size_t len, uint64_t offset, struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CALL(actor_of(blobs), "read", space, name,
         truth->ops->read(truth, space, name, data, len, offset, err));
}

static int view_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                     struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CALL(actor_of(blobs), "list", space, "", truth->ops->list(truth, space, sink, context, err));
}

static int view_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
                    size_t len, struct cr_error *err)
{
    struct world *world = actor_of(blobs)->world;
    struct cr_blobs *truth = world->truth;
    enum fate fate = step(actor_of(blobs), "put", space, name);
    if (fate == FATE_FAILS_BEFORE)
        return failed(err);
    change_note(world, space, name);
    struct cr_mark mark = world->changes[world->change_count - 1].mark;
    int r = truth->ops->put(truth, space, name, data, len, err);
    if (r == 0 && world->mutant == MUTANT_PUT_KEEPS_MARK && mark.generation != 0) {
        mark.name = name;
        r = truth->ops->mark(truth, &mark, err);
    }
    return fate == FATE_FAILS_AFTER ? failed(err) : r;
}

static int view_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                       struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CHANGE(actor_of(blobs), "remove", space, name, truth->ops->remove(truth, space, name, err));
}

static int view_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    struct world *world = actor_of(blobs)->world;
    enum fate fate = step(actor_of(blobs), "sync", CR_SPACE_PACKS, "");
    if (fate == FATE_FAILS_BEFORE)
        return failed(err);
    if (world->mutant != MUTANT_LAZY_SYNC)
        changes_forget(world);
    return fate == FATE_FAILS_AFTER ? failed(err) : 0;
}

static int view_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                     struct cr_error *err)
{
    struct actor *actor = actor_of(blobs);
    struct cr_blobs *truth = actor->world->truth;
    struct cr_store_lock *lock = cr_calloc(1, sizeof(*lock));
    if (lock == NULL)
        abort();
    int r = step(actor, "lock", CR_SPACE_HEADS, name) == FATE_GOES_ON
                ? truth->ops->lock(truth, name, &lock->real, err)
                : failed(err);
    if (r < 0) {
        free(lock);
        return r;
    }
    snprintf(lock->name, sizeof(lock->name), "%s", name);
    lock->next = actor->locks;
    actor->locks = lock;
    *ret_lock = lock;
    return 0;
}

static int view_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                          struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    enum fate fate = step(actor_of(blobs), "seen", CR_SPACE_HEADS, "");
    if (fate != FATE_GOES_ON || lock->real == NULL)
        return failed(err);
    return truth->ops->lock_seen(truth, lock->real, generation, err);
}

static void view_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    struct actor *actor = actor_of(blobs);
    struct cr_store_lock **link = &actor->locks;
    while (*link != lock)
        link = &(*link)->next;
    *link = lock->next;
    if (lock->real != NULL)
        actor->world->truth->ops->unlock(actor->world->truth, lock->real);
    free(lock);
}

static int view_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context,
                       struct cr_error *err)
{
    struct world *world = actor_of(blobs)->world;
    struct cr_blobs *truth = world->truth;
    CALL(actor_of(blobs), "leases", CR_SPACE_HEADS, "",
         world->mutant == MUTANT_NO_LEASES ? 0 : truth->ops->leases(truth, sink, context, err));
}

static bool holds(const struct actor *actor, const char *name)
{
    const struct cr_store_lock *lock = actor->locks;
    while (lock != NULL && (lock->real == NULL || strcmp(lock->name, name) != 0))
        lock = lock->next;
    return lock != NULL;
}

static int view_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                        const struct cr_id *expected, const void *data, size_t len,
                        struct cr_error *err)
{
    struct actor *actor = actor_of(blobs);
    struct cr_blobs *truth = actor->world->truth;
    enum fate fate = step(actor, "replace", space, name);
    if (fate == FATE_FAILS_BEFORE)
        return failed(err);
    if (space == CR_SPACE_HEADS && !holds(actor, name) && actor->world->mutant != MUTANT_NO_FENCE)
        return cr_error_set(err, -ESTALE, "the lock of image '%s' was lost", name);
    int r = truth->ops->replace(truth, space, name, expected, data, len, err);
    return fate == FATE_FAILS_AFTER ? failed(err) : r;
}

static int view_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CHANGE(actor_of(blobs), "mark", mark->space, mark->name, truth->ops->mark(truth, mark, err));
}

static int view_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name,
                       struct cr_error *err)
{
    struct cr_blobs *truth = actor_of(blobs)->world->truth;
    CHANGE(actor_of(blobs), "unmark", space, name, truth->ops->unmark(truth, space, name, err));
}

static int view_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context,
                      struct cr_error *err)
{
    struct actor *actor = actor_of(blobs);
    struct cr_blobs *truth = actor->world->truth;
    bool told = actor->world->mutant != MUTANT_NO_MARKS || strcmp(actor->role, "collect") == 0;
    CALL(actor, "marks", CR_SPACE_PACKS, "",
         told ? truth->ops->marks(truth, sink, context, err) : 0);
}

static int view_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                              uint64_t generation, struct cr_error *err)
{
    struct world *world = actor_of(blobs)->world;
    struct cr_blobs *truth = world->truth;
    CHANGE(actor_of(blobs), "remove_marked", space, name,
           world->mutant == MUTANT_REMOVES_ANY
               ? (truth->ops->unmark(truth, space, name, err),
                  truth->ops->remove(truth, space, name, err))
               : truth->ops->remove_marked(truth, space, name, generation, err));
}

static const struct cr_blob_ops view_ops = {
    .close = view_close,
    .size = view_size,
    .read = view_read,
    .list = view_list,
    .put = view_put,
    .remove = view_remove,
    .sync = view_sync,
    .lock = view_lock,
    .lock_seen = view_lock_seen,
    .unlock = view_unlock,
    .leases = view_leases,
    .replace = view_replace,
    .mark = view_mark,
    .unmark = view_unmark,
    .marks = view_marks,
    .remove_marked = view_remove_marked,
};

/* --- the world
 * --------------------------------------------------------------------------------
 */

int world_init(struct world *world, uint64_t seed, enum mutant mutant, FILE *trace)
{
    *world = (struct world){.random = seed, .mutant = mutant, .trace = trace, .now_s = 1000000};
    return cr_mem_blobs_new(&world->truth);
}

void world_done(struct world *world)
{
    changes_forget(world);
    free(world->changes);
    world->truth->ops->close(world->truth);
}

int actor_store(struct actor *actor, struct cr_store **ret_store, struct cr_error *err)
{
    int r = cr_packstore_new(&actor->view, ret_store, err);
    if (r == 0)
        snprintf((*ret_store)->uri, sizeof((*ret_store)->uri), "sim:");
    return r;
}

/* makecontext hands over ints only. */
static struct actor *beginning;

static void actor_begin(void)
{
    struct actor *actor = beginning;
    actor->run(actor);
    actor->alive = false;
    for (;;)
        swapcontext(&actor->context, &actor->world->scheduler);
}

struct actor *world_actor(struct world *world, const char *role, void (*run)(struct actor *actor),
                          bool faulty)
{
    static const unsigned speeds[] = {1, 1, 8, 64};
    struct actor *actor = &world->actors[world->actor_count];
    *actor = (struct actor){.view.ops = &view_ops,
                            .world = world,
                            .number = world->actor_count++,
                            .role = role,
                            .run = run,
                            .alive = true,
                            .speed = speeds[world_random(world, CR_ARRAY_LEN(speeds))],
                            .faulty = faulty};
    actor->stack = malloc(STACK_BYTES);
    if (actor->stack == NULL)
        abort();
    getcontext(&actor->context);
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = STACK_BYTES;
    actor->context.uc_link = &world->scheduler;
    makecontext(&actor->context, actor_begin, 0);
    return actor;
}

/* Some actors are much slower than others: a publish that outlasts many
 * collections is worth seeing. */
static struct actor *next_actor(struct world *world)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < world->actor_count; i++)
        all += world->actors[i].alive ? world->actors[i].speed : 0;
    if (all == 0)
        return NULL;
    uint64_t chosen = world_random(world, all);
    for (unsigned i = 0;; i++) {
        struct actor *actor = &world->actors[i];
        if (actor->alive && chosen < actor->speed)
            return actor;
        chosen -= actor->alive ? actor->speed : 0;
    }
}

void world_run(struct world *world)
{
    bool cut = false;
    for (struct actor *actor; (actor = next_actor(world)) != NULL;) {
        if (world->power_cut_at != 0 && world->steps >= world->power_cut_at && !cut) {
            cut = true;
            for (unsigned i = 0; i < world->actor_count; i++)
                if (world->actors[i].alive && !world->actors[i].crashed)
                    befall(&world->actors[i], true);
        }
        world->running = beginning = actor;
        swapcontext(&world->scheduler, &actor->context);
    }
    if (cut)
        power_cut(world);
    for (unsigned i = 0; i < world->actor_count; i++)
        free(world->actors[i].stack);
    world->actor_count = 0;
    world->power_cut_at = 0;
}
