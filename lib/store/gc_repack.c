/* SPDX-License-Identifier: MIT */
/*
 * Packs of which little is live are written again, several into one. The old ones count as dead
 * from there on, and go the way of all that is dead. Each frame is verified on its way: a damaged
 * one stays where it is, with its pack, for the scrub.
 */
#include "lib/base/mem.h"
#include "lib/store/gc_pass.h"

#include <errno.h>

struct repack {
    struct gc_pass *pass;
    struct cr_pack pack; /* being filled */
    uint8_t *old;        /* the pack that is read, CR_PACK_BYTES_MAX */
    uint8_t plain[CR_CHUNK_BYTES];
};

static void repack_free(struct repack **repack)
{
    if (*repack == NULL)
        return;
    cr_pack_done(&(*repack)->pack);
    free((*repack)->old);
    free(*repack);
}

static bool is_sparse(const struct gc_pass *pass, const struct gc_pack *pack)
{
    return pack->live_entries > 0 &&
           pack->live_bytes * 100 < pack->bytes * pass->options->live_percent_min;
}

static bool is_live(const struct gc_pack *pack, uint32_t entry)
{
    return pack->live[entry / 8] & (1U << (entry & 7));
}

static int flush(struct repack *repack, struct cr_error *err)
{
    struct cr_blobs *blobs = repack->pass->blobs;
    struct cr_id name;
    char hex[CR_ID_HEX];
    if (repack->pack.count == 0)
        return 0;
    int r = cr_pack_finish(&repack->pack, &name);
    if (r < 0)
        return cr_error_errno(err, r, "writing packs again");
    r = blobs->ops->put(blobs, CR_SPACE_PACKS, cr_id_format(&name, hex), repack->pack.bytes.data,
                        repack->pack.bytes.len, err);
    repack->pack.count = 0;
    repack->pack.bytes.len = 0;
    return r;
}

/* Read the live part of the pack and verify it. Returns 0, or negative: it stays as it is. */
static int old_read(struct repack *repack, const struct cr_index_pack *old,
                    const struct gc_pack *known)
{
    struct cr_blobs *blobs = repack->pass->blobs;
    char hex[CR_ID_HEX];
    cr_id_format(&old->name, hex);
    for (uint32_t i = 0; i < old->count; i++) {
        const struct cr_pack_entry *e = &old->entries[i];
        size_t len;
        if (!is_live(known, i))
            continue;
        int r = blobs->ops->read(blobs, CR_SPACE_PACKS, hex, repack->old + e->offset, e->frame_len,
                                 e->offset, NULL);
        if (r == 0)
            r = cr_object_open(CR_CHUNK, &e->id, repack->old + e->offset, e->frame_len,
                               repack->plain, sizeof(repack->plain), &len, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int old_copy(struct repack *repack, const struct cr_index_pack *old,
                    const struct gc_pack *known, struct cr_error *err)
{
    for (uint32_t i = 0; i < old->count; i++) {
        const struct cr_pack_entry *e = &old->entries[i];
        if (!is_live(known, i))
            continue;
        int r = cr_pack_add(&repack->pack, &e->id, repack->old + e->offset, e->frame_len);
        if (r < 0)
            return cr_error_errno(err, r, "writing packs again");
        if (cr_pack_is_full(&repack->pack) && (r = flush(repack, err)) < 0)
            return r;
    }
    return 0;
}

static int pack_again(struct repack *repack, uint32_t number, struct cr_error *err)
{
    struct gc_pass *pass = repack->pass;
    struct gc_pack *known = &pass->packs[number];
    const struct cr_index_pack *old = cr_index_pack(pass->index, number);
    if (!pass->options->dry_run) {
        if (old_read(repack, old, known) < 0)
            return 0;
        int r = old_copy(repack, old, known, err);
        if (r < 0)
            return r;
    }
    known->repacked = true;
    pass->stat->repacked++;
    pass->stat->repacked_bytes += known->live_bytes;
    return gc_step(pass, err);
}

int gc_repack(struct gc_pass *pass, struct cr_error *err)
{
    CLEANUP(repack_free) struct repack *repack = cr_calloc(1, sizeof(*repack));
    if (repack == NULL || (repack->old = malloc(CR_PACK_BYTES_MAX)) == NULL)
        return cr_error_errno(err, -ENOMEM, "writing packs again");
    repack->pass = pass;
    cr_pack_init(&repack->pack);
    int r = 0;
    for (uint32_t i = 0; i < cr_index_packs(pass->index) && r == 0; i++)
        if (is_sparse(pass, &pass->packs[i]))
            r = pack_again(repack, i, err);
    return r != 0 ? r : flush(repack, err);
}
