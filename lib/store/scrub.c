/* SPDX-License-Identifier: MIT */
/*
 * The way of the scrub: packs, segments, manifests, records, heads, each in the order of their
 * names. Where it stands is the name it did last, so what comes and goes meanwhile does not matter.
 */
#include "lib/base/mem.h"
#include "lib/store/scrub_run.h"
#include "lib/store/side.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define STATE_NAME "scrub"
#define STATE_FORM "carrel-scrub 1"
/* Blobs between two notes of where it stands. */
#define NOTE_EVERY 16
/* How long it sleeps at most before it asks whether to go on. */
#define SLEEP_MS 100

static const enum cr_space spaces[] = {CR_SPACE_PACKS, CR_SPACE_SEGMENTS, CR_SPACE_MANIFESTS,
                                       CR_SPACE_RECORDS, CR_SPACE_HEADS};

int scrub_damaged(struct scrub_run *run, const char *what, const char *name, const char *why)
{
    const struct cr_scrub_options *o = run->options;
    char line[CR_ERROR_BYTES + CR_BLOB_NAME_MAX + 32];
    run->stat->damaged++;
    snprintf(line, sizeof(line), "%s %s: %s", what, name, why);
    return o->damaged == NULL ? 0 : o->damaged(o->context, line);
}

/* --- the rate -------------------------------------------------------------------------------- */

static int told(struct scrub_run *run, struct cr_error *err)
{
    const struct cr_scrub_options *o = run->options;
    if (run->total < run->done)
        run->total = run->done;
    return o->progress == NULL ? 0 : o->progress(o->context, run->done, run->total, err);
}

int scrub_step(struct scrub_run *run, uint64_t bytes, struct cr_error *err)
{
    const uint64_t rate = run->options->bytes_per_s;
    run->done += bytes;
    run->rate_bytes += bytes;
    run->stat->bytes += bytes;
    int r = told(run, err);
    while (r == 0 && rate > 0) {
        uint64_t due_ms = run->rate_bytes / rate * 1000 + run->rate_bytes % rate * 1000 / rate;
        int64_t left = run->begin_ms + (int64_t)due_ms - packstore_clock_ms();
        if (left <= 0)
            break;
        int64_t ms = left < SLEEP_MS ? left : SLEEP_MS;
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
        r = told(run, err);
    }
    return r;
}

/* --- names ----------------------------------------------------------------------------------- */

struct names {
    char (*items)[CR_BLOB_NAME_MAX + 1];
    size_t count, room;
};

static void names_done(struct names *names)
{
    free(names->items);
}

static int name_add(void *context, const char *name)
{
    struct names *names = context;
    if (strlen(name) > CR_BLOB_NAME_MAX)
        return 0;
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 256;
        void *grown = realloc(names->items, room * sizeof(*names->items));
        if (grown == NULL)
            return -ENOMEM;
        names->items = grown;
        names->room = room;
    }
    snprintf(names->items[names->count++], CR_BLOB_NAME_MAX + 1, "%s", name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int names_list(struct scrub_run *run, enum cr_space space, struct names *names,
                      struct cr_error *err)
{
    struct cr_store *store = &run->ps->base;
    int r = space == CR_SPACE_HEADS
                ? store->ops->heads_list(store, name_add, names, err)
                : run->blobs->ops->list(run->blobs, space, name_add, names, err);
    if (r < 0)
        return r == -ENOMEM ? cr_error_errno(err, r, "listing '%s'", cr_space_names[space]) : r;
    if (names->count > 0)
        qsort(names->items, names->count, sizeof(*names->items), by_name);
    return 0;
}

/* --- where it stands ------------------------------------------------------------------------- */

struct place {
    size_t space; /* index in `spaces` */
    char after[CR_BLOB_NAME_MAX + 1];
};

/* What cannot be made out means: from the beginning. */
static bool place_read(struct scrub_run *run, struct place *ret_place)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    char space[16], line[CR_STATE_BYTES_MAX + 1];
    struct place place = {0};
    if (packstore_blob_get(run->ps, CR_SPACE_STATE, STATE_NAME, &text, NULL) < 0 || text.len == 0)
        return false;
    memcpy(line, text.data, text.len);
    line[text.len] = '\0';
    if (sscanf(line, STATE_FORM "\n%15s %159s", space, place.after) != 2)
        return false;
    for (; place.space < CR_ARRAY_LEN(spaces); place.space++) {
        if (strcmp(space, cr_space_names[spaces[place.space]]) == 0) {
            *ret_place = place;
            return true;
        }
    }
    return false;
}

/* Not knowing where it stood costs time only, so a failure to write is none. */
static void place_write(struct scrub_run *run, size_t space, const char *after)
{
    char text[CR_BLOB_NAME_MAX + 64];
    snprintf(text, sizeof(text), STATE_FORM "\n%s %s\n", cr_space_names[spaces[space]], after);
    (void)run->blobs->ops->put(run->blobs, CR_SPACE_STATE, STATE_NAME, text, strlen(text), NULL);
}

/* The end is reached. Who may only read has left no note. */
static int place_remove(struct scrub_run *run, struct cr_error *err)
{
    int r = run->blobs->ops->remove(run->blobs, CR_SPACE_STATE, STATE_NAME, err);
    bool refused = r == -EROFS || r == -EACCES || r == -EPERM;
    return r == -ENOENT || (refused && !run->options->repair) ? 0 : r;
}

/* --- segments, manifests, records, heads
 * -------------------------------------------------------------- */

/* Write the object again from the other store. */
static int object_repair(struct scrub_run *run, enum cr_kind kind, enum cr_space space,
                         const struct cr_id *id, const char *name, struct cr_error *err)
{
    struct cr_store *source = run->options->source;
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(cr_kinds[kind].frame_max);
    CLEANUP_FREE uint8_t *plain = malloc(cr_kinds[kind].plain_max);
    size_t len;
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "repairing '%s'", name);
    if (!run->options->repair || source == NULL ||
        source->ops->object_get(source, kind, id, &frame, NULL) < 0 ||
        cr_object_open(kind, id, frame.data, frame.len, plain, cr_kinds[kind].plain_max, &len,
                       NULL) < 0)
        return 0;
    int r = run->blobs->ops->put(run->blobs, space, name, frame.data, frame.len, err);
    run->stat->repaired += r == 0;
    return r;
}

static int object_scrub(struct scrub_run *run, enum cr_kind kind, enum cr_space space,
                        const char *name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[kind].plain_max);
    struct cr_error why = {0};
    struct cr_id id;
    if (cr_id_parse(name, strlen(name), &id) < 0)
        return 0;
    int r = cr_store_object_read(&run->ps->base, kind, &id, &plain, &why);
    if (r == -ENOENT)
        return 0; /* collected meanwhile */
    if (r == -EBADMSG || r == -EIO || r == -ENODATA) {
        r = scrub_damaged(run, cr_kinds[kind].name, name, why.text);
        return r != 0 ? r : object_repair(run, kind, space, &id, name, err);
    }
    if (r < 0)
        return cr_error_set(err, r, "%s", why.text);
    run->stat->objects++;
    return scrub_step(run, plain.len, err);
}

/* Recipe and log of a build: a blob that is named by its hash. */
static bool record_is(const struct cr_buf *data, const struct cr_id *id)
{
    struct cr_id found;
    cr_hash(data->data, data->len, &found);
    return cr_id_equal(&found, id);
}

static int record_repair(struct scrub_run *run, const struct cr_id *id, const char *name,
                         struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_store *source = run->options->source;
    if (!run->options->repair || source == NULL ||
        cr_store_side_read(source, CR_SPACE_RECORDS, name, &data, NULL) < 0 ||
        !record_is(&data, id))
        return 0;
    int r = run->blobs->ops->put(run->blobs, CR_SPACE_RECORDS, name, data.data, data.len, err);
    run->stat->repaired += r == 0;
    return r;
}

static int record_scrub(struct scrub_run *run, const char *name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_error why = {0};
    struct cr_id id;
    if (cr_id_parse(name, strlen(name), &id) < 0)
        return 0;
    int r = packstore_blob_get(run->ps, CR_SPACE_RECORDS, name, &data, &why);
    if (r == -ENOENT)
        return 0; /* collected meanwhile */
    if (r == 0 && !record_is(&data, &id))
        r = cr_error_set(&why, -EBADMSG, "it does not hash to its name");
    if (r == -EBADMSG || r == -EIO || r == -ENODATA) {
        r = scrub_damaged(run, "record", name, why.text);
        return r != 0 ? r : record_repair(run, &id, name, err);
    }
    if (r < 0)
        return cr_error_set(err, r, "%s", why.text);
    run->stat->records++;
    return scrub_step(run, data.len, err);
}

static int head_scrub(struct scrub_run *run, const char *name, struct cr_error *err)
{
    struct cr_head head;
    struct cr_error why = {0};
    int r = cr_store_head_read(&run->ps->base, name, &head, NULL, &why);
    if (r == -ENOENT)
        return 0;
    if (r == -EBADMSG || r == -EIO || r == -ENODATA)
        return scrub_damaged(run, "head", name, why.text);
    if (r < 0)
        return cr_error_set(err, r, "%s", why.text);
    cr_head_done(&head);
    run->stat->heads++;
    return 0;
}

static int blob_scrub(struct scrub_run *run, enum cr_space space, const char *name,
                      struct cr_error *err)
{
    struct cr_id id;
    if (space == CR_SPACE_HEADS)
        return head_scrub(run, name, err);
    if (space == CR_SPACE_RECORDS)
        return record_scrub(run, name, err);
    if (space != CR_SPACE_PACKS)
        return object_scrub(run, space == CR_SPACE_MANIFESTS ? CR_MANIFEST : CR_SEGMENT, space,
                            name, err);
    return cr_id_parse(name, strlen(name), &id) < 0 ? 0 : scrub_pack(run, &id, err);
}

/* --- the run --------------------------------------------------------------------------------- */

static int space_scrub(struct scrub_run *run, size_t number, const char *after,
                       struct cr_error *err)
{
    CLEANUP(names_done) struct names names = {0};
    const enum cr_space space = spaces[number];
    int r = names_list(run, space, &names, err);
    size_t from = 0;
    while (r == 0 && from < names.count && strcmp(names.items[from], after) <= 0)
        from++;
    for (size_t i = from; i < names.count && r == 0; i++) {
        uint64_t bytes = 0;
        if (space == CR_SPACE_PACKS && run->options->progress != NULL &&
            run->blobs->ops->size(run->blobs, space, names.items[i], &bytes, NULL) == 0)
            run->total += bytes;
    }
    for (size_t i = from; i < names.count && r == 0; i++) {
        r = blob_scrub(run, space, names.items[i], err);
        /* One that was stopped in the middle of a pack does that pack again. */
        if (r == 0 && (i - from) % NOTE_EVERY == NOTE_EVERY - 1)
            place_write(run, number, names.items[i]);
        else if (r != 0 && i > from)
            place_write(run, number, names.items[i - 1]);
    }
    return r;
}

static void run_done(struct scrub_run *run)
{
    free(run->pack);
    free(run->plain);
}

int cr_scrub_run(struct cr_store *store, const struct cr_scrub_options *options,
                 struct cr_scrub_stat *ret_stat, struct cr_error *err)
{
    struct place place = {0};
    *ret_stat = (struct cr_scrub_stat){0};
    if (!packstore_is(store))
        return cr_error_set(err, -ENOTSUP,
                            "store '%s' is only seen from outside: scrub where it lives",
                            store->uri);
    CLEANUP(run_done)
    struct scrub_run run = {.ps = packstore_of(store),
                            .blobs = packstore_of(store)->blobs,
                            .options = options,
                            .stat = ret_stat,
                            .begin_ms = packstore_clock_ms(),
                            .pack = malloc(CR_PACK_BYTES_MAX),
                            .plain = malloc(CR_CHUNK_BYTES)};
    if (run.pack == NULL || run.plain == NULL)
        return cr_error_errno(err, -ENOMEM, "scrubbing store '%s'", store->uri);
    ret_stat->resumed = !options->restart && place_read(&run, &place);
    /* Where else a chunk lies. */
    int r = options->repair ? packstore_refresh(run.ps, false, err) : 0;
    for (size_t i = place.space; i < CR_ARRAY_LEN(spaces) && r == 0; i++) {
        r = space_scrub(&run, i, i == place.space ? place.after : "", err);
        if (r == 0 && i + 1 < CR_ARRAY_LEN(spaces))
            place_write(&run, i + 1, "!"); /* before every name */
    }
    if (r == 0)
        r = place_remove(&run, err);
    if (r == 0 && ret_stat->repaired > 0)
        r = run.blobs->ops->sync(run.blobs, err);
    if (r == 0 && err != NULL)
        err->text[0] = '\0';
    return r;
}
