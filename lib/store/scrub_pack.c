/* SPDX-License-Identifier: MIT */
/*
 * Verifying a pack, and writing a damaged one again: its good frames, and of the others those that
 * another pack or another store has. Then the damaged pack goes, in the collector's way: it is
 * condemned, looked at once more, and removed only while that very mark stands. So a publisher who
 * writes the same pack anew at the same moment keeps what it wrote.
 */
#include "lib/base/mem.h"
#include "lib/store/scrub_run.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* What is found in a pack. */
struct found {
    struct cr_pack_entry *entries; /* owned; of the footer or, where that is damaged, salvaged */
    bool *good;                    /* owned; of each */
    uint32_t count, bad;
    bool footer_bad;
    bool unreadable; /* the place underneath says EIO: later it may know better */
};

static void found_done(struct found *found)
{
    free(found->entries);
    free(found->good);
}

/* --- looking --------------------------------------------------------------------------------- */

/* The frame of an entry hashes to its id; afterwards it is in run->pack. */
static int frame_check(struct scrub_run *run, const char *hex, const struct cr_pack_entry *e,
                       bool read, struct cr_error *why)
{
    size_t len;
    int r = read ? 0
                 : run->blobs->ops->read(run->blobs, CR_SPACE_PACKS, hex, run->pack + e->offset,
                                         e->frame_len, e->offset, why);
    return r < 0 ? r
                 : cr_object_open(CR_CHUNK, &e->id, run->pack + e->offset, e->frame_len, run->plain,
                                  CR_CHUNK_BYTES, &len, why);
}

static bool is_damage(int r)
{
    return r == -EBADMSG || r == -EIO || r == -ENODATA;
}

static int frames_check(struct scrub_run *run, const char *hex, struct found *found, bool tell,
                        struct cr_error *err)
{
    found->good = cr_calloc(found->count, sizeof(*found->good));
    if (found->good == NULL)
        return cr_error_errno(err, -ENOMEM, "reading pack '%s'", hex);
    const struct cr_pack_entry *last = &found->entries[found->count - 1];
    /* All in one go; where that fails, one by one, to know which. */
    bool read = run->blobs->ops->read(run->blobs, CR_SPACE_PACKS, hex, run->pack,
                                      last->offset + last->frame_len, 0, NULL) == 0;
    for (uint32_t i = 0; i < found->count; i++) {
        const struct cr_pack_entry *e = &found->entries[i];
        struct cr_error why = {0};
        int r = frame_check(run, hex, e, read, &why);
        if (r < 0 && !is_damage(r))
            return cr_error_set(err, r, "%s", why.text);
        found->good[i] = r == 0;
        found->bad += r != 0;
        found->unreadable |= r == -EIO;
        if (!tell)
            continue;
        run->stat->chunks += r == 0;
        if (r < 0)
            r = scrub_damaged(run, "pack", hex, why.text);
        if (r == 0)
            r = scrub_step(run, e->frame_len, err);
        if (r != 0)
            return r;
    }
    return 0;
}

/*
 * The list at the end is damaged, but the frames lie behind each other from the pack's start and
 * each hash is a name: find them without it, up to the first that is none.
 */
static int salvage(struct scrub_run *run, const char *hex, struct found *found,
                   struct cr_error *err)
{
    uint64_t size = 0;
    if (run->blobs->ops->size(run->blobs, CR_SPACE_PACKS, hex, &size, NULL) < 0 ||
        size > CR_PACK_BYTES_MAX ||
        run->blobs->ops->read(run->blobs, CR_SPACE_PACKS, hex, run->pack, (size_t)size, 0, NULL) <
            0) {
        found->unreadable = true;
        return 0;
    }
    found->entries = cr_calloc(CR_PACK_CHUNKS_MAX, sizeof(*found->entries));
    found->good = cr_calloc(CR_PACK_CHUNKS_MAX, sizeof(*found->good));
    if (found->entries == NULL || found->good == NULL)
        return cr_error_errno(err, -ENOMEM, "reading pack '%s'", hex);
    for (size_t at = CR_PACK_HEADER_BYTES; at < size && found->count < CR_PACK_CHUNKS_MAX;) {
        struct cr_pack_entry *e = &found->entries[found->count];
        size_t frame_len, len;
        int r = cr_frame_first(run->pack + at, (size_t)size - at, run->plain, CR_CHUNK_BYTES,
                               &frame_len, &len);
        if (r == -ENOMEM || frame_len == 0)
            break; /* here the list begins */
        if (r == 0 && frame_len <= CR_CHUNK_FRAME_MAX && !cr_is_zero(run->plain, len)) {
            cr_hash(run->plain, len, &e->id);
            e->offset = (uint32_t)at;
            e->frame_len = (uint32_t)frame_len;
            found->good[found->count++] = true;
        } else {
            run->stat->lost++;
        }
        at += frame_len;
    }
    return 0;
}

/* Look at the whole pack. 0 and found->bad, found->footer_bad; -ENOENT when it is gone. */
static int pack_look(struct scrub_run *run, const struct cr_id *name, bool tell,
                     struct found *found, struct cr_error *err)
{
    char hex[CR_ID_HEX];
    struct cr_error why = {0};
    cr_id_format(name, hex);
    int r = packstore_footer_read(run->ps, name, &found->entries, &found->count, &why);
    if (r == -ENOENT)
        return r;
    if (!is_damage(r))
        return r < 0 ? cr_error_set(err, r, "%s", why.text)
                     : frames_check(run, hex, found, tell, err);
    found->footer_bad = true;
    found->unreadable = r == -EIO;
    if (tell && (r = scrub_damaged(run, "pack", hex, why.text)) != 0)
        return r;
    return run->options->repair && tell ? salvage(run, hex, found, err) : 0;
}

/* --- mending --------------------------------------------------------------------------------- */

struct frame_copy {
    const struct cr_id *id;
    uint8_t *frame, *plain;
    size_t frame_len; /* 0 = not found */
};

static int frame_take(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct frame_copy *copy = context;
    size_t len;
    (void)index;
    (void)err;
    if (result == 0 && frame_len <= CR_CHUNK_FRAME_MAX &&
        cr_object_open(CR_CHUNK, copy->id, frame, frame_len, copy->plain, CR_CHUNK_BYTES, &len,
                       NULL) == 0) {
        memcpy(copy->frame, frame, frame_len);
        copy->frame_len = frame_len;
    }
    return 0;
}

/* A good frame of the chunk from another pack of this store. */
static void frame_elsewhere(struct scrub_run *run, const struct cr_id *name,
                            struct frame_copy *copy)
{
    struct packstore *ps = run->ps;
    struct cr_place place;
    char hex[CR_ID_HEX];
    pthread_rwlock_rdlock(&ps->lock);
    bool found = cr_index_find_beside(ps->index, copy->id, name, &place);
    if (found)
        cr_id_format(&cr_index_pack(ps->index, place.pack)->name, hex);
    pthread_rwlock_unlock(&ps->lock);
    if (found && place.frame_len <= CR_CHUNK_FRAME_MAX &&
        run->blobs->ops->read(run->blobs, CR_SPACE_PACKS, hex, copy->frame, place.frame_len,
                              place.offset, NULL) == 0)
        (void)frame_take(copy, 0, 0, copy->frame, place.frame_len, NULL);
}

static int frame_add(struct cr_pack *pack, const struct cr_id *id, const void *frame, size_t len,
                     struct cr_error *err)
{
    int r = cr_pack_add(pack, id, frame, len);
    return r < 0 ? cr_error_errno(err, r, "writing a damaged pack again") : 0;
}

/* The bad frame, from wherever it is whole. */
static int bad_replace(struct scrub_run *run, const struct cr_id *name, const struct cr_id *id,
                       struct cr_pack *pack, struct cr_error *err)
{
    uint8_t frame[CR_CHUNK_FRAME_MAX];
    struct cr_store *source = run->options->source;
    struct frame_copy copy = {.id = id, .frame = frame, .plain = run->plain};
    frame_elsewhere(run, name, &copy);
    if (copy.frame_len == 0 && source != NULL)
        (void)source->ops->chunks_get(source, id, 1, frame_take, &copy, NULL);
    if (copy.frame_len == 0) {
        run->stat->lost++;
        return 0;
    }
    run->stat->repaired++;
    return frame_add(pack, id, frame, copy.frame_len, err);
}

/*
 * Remove the damaged pack, unless somebody wrote it again: then it is whole, or its mark is gone.
 */
static int pack_remove(struct scrub_run *run, const struct cr_id *name, struct cr_error *err)
{
    CLEANUP(found_done) struct found found = {0};
    struct cr_blobs *blobs = run->blobs;
    char hex[CR_ID_HEX];
    /* Of no collection: if we die here, no collector believes the mark. */
    struct cr_mark mark = {.space = CR_SPACE_PACKS,
                           .name = cr_id_format(name, hex),
                           .generation = UINT64_MAX,
                           .marked_s = (int64_t)time(NULL)};
    int r = blobs->ops->mark(blobs, &mark, err);
    if (r == 0)
        r = pack_look(run, name, false, &found, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (found.bad == 0 && !found.footer_bad)
        return blobs->ops->unmark(blobs, CR_SPACE_PACKS, hex, err);
    r = blobs->ops->remove_marked(blobs, CR_SPACE_PACKS, hex, mark.generation, err);
    return r == -EAGAIN ? 0 : r;
}

static int pack_mend(struct scrub_run *run, const struct cr_id *name, const struct found *found,
                     struct cr_pack *pack, struct cr_error *err)
{
    struct cr_blobs *blobs = run->blobs;
    struct cr_id fresh;
    char hex[CR_ID_HEX];
    int r = 0;
    for (uint32_t i = 0; i < found->count && r == 0; i++) {
        const struct cr_pack_entry *e = &found->entries[i];
        r = found->good[i] ? frame_add(pack, &e->id, run->pack + e->offset, e->frame_len, err)
                           : bad_replace(run, name, &e->id, pack, err);
    }
    if (r < 0)
        return r;
    /* What could not be read now is not given up. */
    if (found->unreadable && (found->footer_bad || pack->count < found->count))
        return 0;
    if (pack->count > 0 && (r = cr_pack_finish(pack, &fresh)) < 0)
        return cr_error_errno(err, r, "writing a damaged pack again");
    run->stat->repaired += found->footer_bad;
    /* Of the same name: the same list of frames, each of the same length; written over it. */
    if (pack->count > 0) {
        r = blobs->ops->put(blobs, CR_SPACE_PACKS, cr_id_format(&fresh, hex), pack->bytes.data,
                            pack->bytes.len, err);
        if (r == 0)
            r = blobs->ops->sync(blobs, err);
        if (r < 0 || cr_id_equal(&fresh, name))
            return r;
    }
    r = pack_remove(run, name, err);
    return r < 0 ? r : packstore_refresh(run->ps, false, err);
}

int scrub_pack(struct scrub_run *run, const struct cr_id *name, struct cr_error *err)
{
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(cr_pack_done) struct cr_pack pack;
    cr_pack_init(&pack);
    int r = pack_look(run, name, true, &found, err);
    if (r == -ENOENT)
        return 0;
    if (r != 0)
        return r;
    run->stat->packs += !found.footer_bad;
    if (!run->options->repair || (found.bad == 0 && !found.footer_bad))
        return 0;
    return pack_mend(run, name, &found, &pack, err);
}
