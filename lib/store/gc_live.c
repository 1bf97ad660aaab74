/* SPDX-License-Identifier: MIT */
/*
 * What is live: every version of every head, its manifest, its segments, and of each chunk one
 * place. One thing that cannot be read ends the pass before anything is removed: what it would have
 * led to is not known.
 */
#include "lib/base/mem.h"
#include "lib/store/gc_pass.h"

#include <errno.h>

/* --- heads ----------------------------------------------------------------------------------- */

struct head_walk {
    struct gc_pass *pass;
    struct cr_error *err;
};

static int versions_reserve(struct gc_pass *pass, size_t more)
{
    size_t room = pass->version_room ? pass->version_room : 64;
    while (room < pass->version_count + more)
        room *= 2;
    if (room == pass->version_room)
        return 0;
    struct gc_version *versions = realloc(pass->versions, room * sizeof(*versions));
    if (versions == NULL)
        return -ENOMEM;
    pass->versions = versions;
    pass->version_room = room;
    return 0;
}

static int head_take(struct gc_pass *pass, const struct cr_head *head)
{
    int r = versions_reserve(pass, head->count);
    for (uint32_t i = 0; i < head->count && r >= 0; i++) {
        const struct cr_version_info *info = &head->versions[i];
        struct gc_version *version = &pass->versions[pass->version_count++];
        *version = (struct gc_version){.ref = {.number = info->number}, .root = info->root};
        memcpy(version->ref.name, head->name, sizeof(version->ref.name));
        r = cr_idset_add(&pass->live[CR_SPACE_RECORDS], &info->record);
    }
    return r < 0 ? r : 0;
}

static int head_walk(void *context, const char *name)
{
    struct head_walk *walk = context;
    struct cr_head head;
    int r = cr_store_head_read(&walk->pass->ps->base, name, &head, NULL, walk->err);
    if (r == -ENOENT) {
        if (walk->err != NULL)
            walk->err->text[0] = '\0';
        return 0; /* it went meanwhile */
    }
    if (r < 0)
        return cr_error_prefix(walk->err, r, "nothing was removed");
    r = head_take(walk->pass, &head);
    cr_head_done(&head);
    return r < 0 ? cr_error_errno(walk->err, r, "reading heads") : 0;
}

/* --- packs ----------------------------------------------------------------------------------- */

struct pack_walk {
    struct gc_pass *pass;
    struct cr_error *err;
};

static int pack_walk(void *context, const char *text)
{
    struct pack_walk *walk = context;
    struct gc_pass *pass = walk->pass;
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    uint32_t count = 0;
    struct cr_id name;
    struct cr_error why = {0};
    if (cr_id_parse(text, strlen(text), &name) < 0)
        return 0;
    int r = packstore_footer_read(pass->ps, &name, &entries, &count, &why);
    if (r == -ENOENT)
        return 0;
    if (r == -EBADMSG || r == -ENODATA || r == -EIO) {
        pass->stat->damaged++;
        return 0;
    }
    if (r < 0)
        return cr_error_set(walk->err, r, "reading pack '%s': %s", text, why.text);
    r = cr_index_add_pack(pass->index, &name, entries, count);
    return r < 0 ? cr_error_errno(walk->err, r, "reading packs") : gc_step(pass, walk->err);
}

static int packs_load(struct gc_pass *pass, struct cr_error *err)
{
    struct pack_walk walk = {.pass = pass, .err = err};
    struct cr_idset condemned = {0};
    int r = 0;
    for (size_t i = 0; i < pass->mark_count && r >= 0; i++)
        if (pass->marks[i].space == CR_SPACE_PACKS)
            r = cr_idset_add(&condemned, &pass->marks[i].id);
    cr_index_condemn(pass->index, &condemned);
    if (r >= 0)
        r = pass->blobs->ops->list(pass->blobs, CR_SPACE_PACKS, pack_walk, &walk, err);
    if (r < 0)
        return err != NULL && err->text[0] == '\0' ? cr_error_errno(err, r, "reading packs") : r;
    if (r != 0)
        return r;
    pass->packs = cr_calloc(cr_index_packs(pass->index), sizeof(*pass->packs));
    if (pass->packs == NULL)
        return cr_error_errno(err, -ENOMEM, "reading packs");
    for (uint32_t i = 0; i < cr_index_packs(pass->index); i++) {
        const struct cr_index_pack *pack = cr_index_pack(pass->index, i);
        pass->packs[i].live = cr_calloc((pack->count + 7) / 8, 1);
        if (pass->packs[i].live == NULL)
            return cr_error_errno(err, -ENOMEM, "reading packs");
        for (uint32_t k = 0; k < pack->count; k++)
            pass->packs[i].bytes += pack->entries[k].frame_len;
    }
    return 0;
}

/* --- manifests and segments ------------------------------------------------------------------ */

static void chunk_live(struct gc_pass *pass, const struct cr_id *id)
{
    struct cr_place place;
    if (cr_id_is_hole(id) || !cr_index_find(pass->index, id, &place))
        return;
    struct gc_pack *pack = &pass->packs[place.pack];
    uint8_t bit = (uint8_t)(1U << (place.entry & 7));
    if (pack->live[place.entry / 8] & bit)
        return;
    pack->live[place.entry / 8] |= bit;
    pack->live_entries++;
    pack->live_bytes += place.frame_len;
    pass->stat->live_chunks++;
    pass->stat->live_bytes += place.frame_len;
}

static int segment_live(struct gc_pass *pass, const struct cr_id *id, uint32_t count,
                        struct cr_id *ids, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    char hex[CR_ID_HEX];
    struct cr_error why = {0};
    int r = cr_store_object_read(&pass->ps->base, CR_SEGMENT, id, &plain, err);
    if (r < 0)
        return r;
    r = cr_segment_parse(plain.data, plain.len, count, ids, &why);
    if (r < 0)
        return cr_error_set(err, r, "segment '%s' is unusable: %s", cr_id_format(id, hex),
                            why.text);
    for (uint32_t i = 0; i < count; i++)
        chunk_live(pass, &ids[i]);
    return 0;
}

static int segments_live(struct gc_pass *pass, const struct cr_manifest *manifest,
                         struct cr_error *err)
{
    CLEANUP_FREE struct cr_id *ids = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*ids));
    if (ids == NULL)
        return cr_error_errno(err, -ENOMEM, "reading segments");
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        int r = cr_idset_add(&pass->live[CR_SPACE_SEGMENTS], &manifest->segments[i]);
        if (r == 0)
            continue; /* a hole, or shared with another version */
        if (r > 0)
            r = segment_live(pass, &manifest->segments[i],
                             cr_segment_chunks(manifest->disk_bytes, i), ids, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int version_live(struct gc_pass *pass, size_t number, struct cr_error *err)
{
    const struct cr_id *root = &pass->versions[number].root;
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    char text[CR_REF_TEXT];
    int r = cr_idset_add(&pass->live[CR_SPACE_MANIFESTS], root);
    if (r == 0)
        return 0; /* a version with the same bytes */
    struct cr_error why = {0};
    if (r > 0)
        r = cr_store_object_read(&pass->ps->base, CR_MANIFEST, root, &plain, &why);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &manifest, &why);
    if (r == 0)
        r = segments_live(pass, &manifest, &why);
    if (r < 0)
        return cr_error_set(err, r,
                            "nothing was removed: version '%s' cannot be read: %s; `carrel store "
                            "scrub --repair --from URI` mends it from another store, `carrel image "
                            "rm` gives it up",
                            cr_ref_format(&pass->versions[number].ref, text), why.text);
    return 0;
}

int gc_live(struct gc_pass *pass, struct cr_error *err)
{
    struct head_walk walk = {.pass = pass, .err = err};
    struct cr_store *store = &pass->ps->base;
    int r = store->ops->heads_list(store, head_walk, &walk, err);
    if (r == 0)
        r = packs_load(pass, err);
    pass->stat->versions = pass->version_count;
    pass->total = pass->done + pass->version_count;
    for (size_t i = 0; i < pass->version_count && r == 0; i++) {
        r = version_live(pass, i, err);
        if (r == 0)
            r = gc_step(pass, err);
    }
    for (uint32_t i = 0; r == 0 && i < cr_index_packs(pass->index); i++)
        pass->stat->dead_bytes += pass->packs[i].bytes - pass->packs[i].live_bytes;
    return r;
}
