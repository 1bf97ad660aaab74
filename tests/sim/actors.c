/* SPDX-License-Identifier: MIT */
#include "tests/sim/actors.h"

#include "lib/base/mem.h"
#include "lib/store/gc.h"
#include "lib/store/publish.h"
#include "lib/store/scrub.h"

#include <errno.h>
#include <inttypes.h>

struct model model;

#define DISK_CHUNKS (CR_SEGMENT_CHUNKS + TOUCHED / 2) /* two segments */
#define DISK_BYTES  ((uint64_t)DISK_CHUNKS * CR_CHUNK_BYTES)

static const char *const image_names[IMAGES] = {"physics", "maths", "music"};

/* Half of them at the disk's beginning, half in its last segment. */
static uint64_t touched_index(unsigned i)
{
    return i < TOUCHED / 2 ? i : CR_SEGMENT_CHUNKS + (i - TOUCHED / 2);
}

/* Incompressible enough that packs differ in size by what they hold. */
static void chunk_fill(uint8_t *chunk, uint8_t value)
{
    uint32_t x = value * 2654435761U;
    memset(chunk, value, CR_CHUNK_BYTES);
    for (size_t i = 0; value != 0 && i < 256; i++) {
        x = x * 1664525U + 1013904223U;
        chunk[i] = (uint8_t)(x >> 24);
    }
}

static struct known *known_find(unsigned image, uint64_t number)
{
    for (unsigned i = 0; i < model.count; i++)
        if (model.versions[i].image == image && model.versions[i].number == number)
            return &model.versions[i];
    return NULL;
}

/* A version that exists, by chance; NULL when there is none. */
static struct known *known_any(struct world *world)
{
    unsigned start = model.count ? (unsigned)world_random(world, model.count) : 0;
    for (unsigned i = 0; i < model.count; i++) {
        struct known *known = &model.versions[(start + i) % model.count];
        if (known->told && !known->removing)
            return known;
    }
    return NULL;
}

static struct cr_ref ref_to(const struct known *known)
{
    struct cr_ref ref = {.number = known->number};
    snprintf(ref.name, sizeof(ref.name), "%s", image_names[known->image]);
    return ref;
}

/* --- publishing
 * -------------------------------------------------------------------------------
 */

/* New values for about half of the chunks. */
static int chunks_publish(struct actor *actor, struct cr_publish *publish, struct known *plan,
                          struct cr_error *err)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    int r = 0;
    for (unsigned i = 0; i < TOUCHED && r == 0; i++) {
        if (world_random(actor->world, 2) == 0)
            continue;
        plan->values[i] = (uint8_t)world_random(actor->world, VALUES);
        chunk_fill(chunk, plan->values[i]);
        r = cr_publish_chunk(publish, (unsigned)world_random(actor->world, 3), touched_index(i),
                             chunk, err);
    }
    return r;
}

/* A disk that was published before, perhaps of a version that was removed: the
 * same blobs again. */
static int chunks_again(struct cr_publish *publish, const struct known *plan, struct cr_error *err)
{
    uint8_t chunk[CR_CHUNK_BYTES];
    int r = 0;
    for (unsigned i = 0; i < TOUCHED && r == 0; i++) {
        chunk_fill(chunk, plan->values[i]);
        r = cr_publish_chunk(publish, 0, touched_index(i), chunk, err);
    }
    return r;
}

static int version_publish(struct actor *actor, struct cr_store *store, struct cr_error *err)
{
    struct known plan = {.image = (unsigned)world_random(actor->world, IMAGES)};
    bool again = model.count > 0 && world_random(actor->world, 3) == 0;
    struct known *from = !again && world_random(actor->world, 4) ? known_any(actor->world) : NULL;
    struct cr_version_info info = {0};
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_publish *publish = NULL;
    int r = 0;
    if (again)
        memcpy(plan.values, model.versions[world_random(actor->world, model.count)].values,
               sizeof(plan.values));
    if (from != NULL) {
        struct cr_ref ref = ref_to(from);
        memcpy(plan.values, from->values, sizeof(plan.values));
        r = cr_version_open(store, &ref, &base, err);
    }
    if (r == 0)
        r = cr_publish_begin(store, image_names[plan.image], DISK_BYTES, base, &publish, err);
    if (r < 0)
        return r;
    r = again ? chunks_again(publish, &plan, err) : chunks_publish(actor, publish, &plan, err);
    if (r < 0) {
        cr_publish_abort(publish);
        return r;
    }
    r = cr_publish_commit(publish, NULL, &info, NULL, err);
    if (r < 0 || actor->crashed || model.count == VERSIONS_MAX)
        return r;
    plan.number = info.number;
    plan.root = info.root;
    plan.told = true;
    model.versions[model.count++] = plan;
    model.published++;
    return 0;
}

/* Only a call that failed, somebody else's lock or a removed base excuse a
 * failure. */
static void excuse(struct actor *actor, const char *what, int r, const struct cr_error *err)
{
    if (r < 0 && !actor->hurt && r != -EBUSY && r != -ENOENT && r != -EAGAIN && r != -ESTALE)
        world_fault(actor->world, "%s failed though nothing was wrong: %s", what, err->text);
}

void publisher(struct actor *actor)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    int r = actor_store(actor, &store, &err);
    for (uint64_t n = 1 + world_random(actor->world, 3); n > 0 && r == 0 && !actor->crashed; n--)
        r = version_publish(actor, store, &err);
    excuse(actor, "a publish", r, &err);
}

/* --- removing
 * ---------------------------------------------------------------------------------
 */

static int version_remove(struct actor *actor, struct cr_store *store, struct known *known,
                          struct cr_error *err)
{
    const char *name = image_names[known->image];
    struct cr_store_lock *lock = NULL;
    struct cr_head head = {0};
    struct cr_id hash;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    int r = store->ops->image_lock(store, name, &lock, err);
    if (r < 0)
        return r;
    r = cr_store_head_read(store, name, &head, &hash, err);
    if (r == 0 && (r = cr_head_remove(&head, known->number)) == 0)
        r = cr_head_format(&head, &bytes);
    if (r == 0) {
        known->removing = true;
        r = store->ops->head_set(store, name, &hash, bytes.data, bytes.len, err);
    }
    if (r == 0 && !actor->crashed)
        model.removed++;
    cr_head_done(&head);
    store->ops->image_unlock(store, lock);
    return r;
}

void remover(struct actor *actor)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    int r = actor_store(actor, &store, &err);
    for (uint64_t n = 1 + world_random(actor->world, 3); n > 0 && r == 0; n--) {
        struct known *known = known_any(actor->world);
        if (known != NULL)
            r = version_remove(actor, store, known, &err);
    }
    excuse(actor, "a removal", r, &err);
}

/* --- collecting and scrubbing
 * ----------------------------------------------------------------- */

static int collect(struct actor *actor, struct cr_store *store, int64_t grace_s,
                   struct cr_gc_stat *stat, struct cr_error *err)
{
    struct cr_gc_options options = {
        .now_s = actor->world->now_s, .grace_s = grace_s, .live_percent_min = 40};
    int r = cr_gc_run(store, &options, stat, err);
    if (r == 0) {
        model.collected++;
        model.repacked += stat->repacked;
        model.deleted += stat->removed;
    }
    return r;
}

void collector(struct actor *actor)
{
    static const int64_t graces_s[] = {0, 0, 5, 50};
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    struct cr_gc_stat stat;
    int r = actor_store(actor, &store, &err);
    for (uint64_t n = 2 + world_random(actor->world, 7); n > 0 && r == 0; n--)
        r = collect(actor, store, graces_s[world_random(actor->world, CR_ARRAY_LEN(graces_s))],
                    &stat, &err);
    excuse(actor, "a collection", r, &err);
}

void scrubber(struct actor *actor)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    struct cr_scrub_stat stat = {0};
    struct cr_scrub_options options = {.restart = true, .repair = world_random(actor->world, 2)};
    int r = actor_store(actor, &store, &err);
    if (r == 0)
        r = cr_scrub_run(store, &options, &stat, &err);
    excuse(actor, "a scrub", r, &err);
    if (r == 0)
        model.scrubbed++;
    if (r == 0 && !actor->hurt && stat.damaged > 0)
        world_fault(actor->world, "a scrub found %" PRIu64 " things damaged", stat.damaged);
}

/* --- reading
 * ----------------------------------------------------------------------------------
 */

/* Every chunk that holds data, and one that does not, has the bytes that it
 * must have. */
static int version_read(struct cr_store *store, const struct known *known, struct cr_error *err)
{
    uint8_t want[CR_CHUNK_BYTES], got[CR_CHUNK_BYTES];
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    struct cr_ref ref = ref_to(known);
    int r = cr_version_open(store, &ref, &version, err);
    if (r == 0 && !cr_id_equal(&cr_version_info(version)->root, &known->root))
        return cr_error_set(err, -EBADMSG, "the root is another one");
    for (unsigned i = 0; i < TOUCHED && r == 0; i++) {
        struct cr_id id;
        r = cr_version_chunk(version, touched_index(i), &id, err);
        if (r == 0)
            r = cr_store_chunk_read(store, &id, got, CR_CHUNK_BYTES, err);
        chunk_fill(want, known->values[i]);
        if (r == 0 && memcmp(want, got, sizeof(want)) != 0)
            return cr_error_set(err, -EILSEQ, "chunk %u has wrong bytes", i);
    }
    return r;
}

void reader(struct actor *actor)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    if (actor_store(actor, &store, &err) < 0)
        return;
    for (uint64_t n = 1 + world_random(actor->world, 6); n > 0; n--) {
        struct known *known = known_any(actor->world);
        int r = known != NULL ? version_read(store, known, &err) : 0;
        model.read += r == 0 && known != NULL;
        if (r == -EILSEQ || (r < 0 && !actor->hurt && !known->removing))
            world_fault(actor->world, "a reader of %s@%" PRIu64 ": %s", image_names[known->image],
                        known->number, err.text);
    }
}

/* So many leave nothing to do: repack, condemn, remove, and look again. */
#define COLLECTIONS 4U

/* --- judging
 * ----------------------------------------------------------------------------------
 */

/* Every version that a head lists can be read whole, also one that nobody was
 * told of. */
static void listed_are_whole(struct actor *actor, struct cr_store *store, unsigned image)
{
    struct cr_head head = {0};
    struct cr_error err = {0};
    int r = cr_store_head_read(store, image_names[image], &head, NULL, &err);
    if (r < 0 && r != -ENOENT)
        world_fault(actor->world, "a head: %s", err.text);
    if (r < 0)
        return;
    for (uint32_t i = 0; i < head.count; i++) {
        struct known *known = known_find(image, head.versions[i].number);
        if (known == NULL &&
            model.count < VERSIONS_MAX) { /* its publisher died before it was told */
            known = &model.versions[model.count++];
            *known = (struct known){
                .image = image, .number = head.versions[i].number, .root = head.versions[i].root};
        }
        if (known == NULL)
            continue;
        struct cr_ref ref = ref_to(known);
        CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
        uint8_t got[CR_CHUNK_BYTES];
        r = cr_version_open(store, &ref, &version, &err);
        for (unsigned k = 0; k < TOUCHED && r == 0; k++) {
            struct cr_id id;
            r = cr_version_chunk(version, touched_index(k), &id, &err);
            if (r == 0)
                r = cr_store_chunk_read(store, &id, got, CR_CHUNK_BYTES, &err);
        }
        if (r < 0)
            world_fault(actor->world, "%s@%" PRIu64 " is listed: %s", ref.name, ref.number,
                        err.text);
    }
    cr_head_done(&head);
}

static void told_are_there(struct actor *actor, struct cr_store *store)
{
    for (unsigned i = 0; i < model.count; i++) {
        const struct known *known = &model.versions[i];
        struct cr_error err = {0};
        if (known->told && !known->removing && version_read(store, known, &err) < 0)
            world_fault(actor->world, "%s@%" PRIu64 " was published: %s", image_names[known->image],
                        known->number, err.text);
    }
}

static void judge(struct actor *actor, unsigned collections)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_error err = {0};
    struct cr_gc_stat stat = {0};
    int r = actor_store(actor, &store, &err);
    for (unsigned pass = 0; pass <= collections && r == 0; pass++) {
        if (pass > 0)
            r = collect(actor, store, 0, &stat, &err);
        told_are_there(actor, store);
        for (unsigned image = 0; image < IMAGES; image++)
            listed_are_whole(actor, store, image);
    }
    if (r < 0)
        world_fault(actor->world, "the last collection: %s", err.text);
    else if (collections == COLLECTIONS &&
             stat.condemned + stat.waiting + stat.removed + stat.repacked > 0)
        world_fault(actor->world, "after %u collections there is still something to collect",
                    COLLECTIONS);
}

void judge_between(struct actor *actor)
{
    judge(actor, (unsigned)world_random(actor->world, 2));
}

void judge_at_last(struct actor *actor)
{
    judge(actor, COLLECTIONS);
}
