/* SPDX-License-Identifier: MIT */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/blk/newlayer.h"
#include "lib/store/version.h"
#include "lib/sync/place.h"
#include "lib/sync/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>

#define BATCH 64U /* chunks that are asked for at once */

struct pull {
    struct cr_place place;
    struct cr_version *version; /* of the vault */
    struct cr_vault_header header;
    struct cr_newlayer *layer;
    char part_path[PATH_MAX]; /* the layer while it grows */
    uint64_t chunks;          /* that were written */
    struct cr_vault_entry entries[CR_VAULT_MAP_ENTRIES];
    uint8_t frame[CR_CHUNK_FRAME_MAX], sealed[CR_CHUNK_BYTES], plain[CR_CHUNK_BYTES];
    /* The batch under way. */
    struct cr_id ids[BATCH];
    uint64_t indices[BATCH];
    uint32_t count;
    struct cr_error chunk_error;
};

static void pull_free(struct pull **pull)
{
    if (*pull == NULL)
        return;
    cr_newlayer_drop((*pull)->layer);
    cr_version_close((*pull)->version);
    cr_place_close(&(*pull)->place);
    explicit_bzero(*pull, sizeof(**pull));
    free(*pull);
}

static int does_not_open(const struct pull *pull, const char *what, struct cr_error *err)
{
    return cr_error_set(err, -EBADMSG,
                        "private overlay '%s': %s was not sealed by its owner, or is damaged",
                        pull->place.what->name, what);
}

/* --- what is there -----------------------------------------------------------------------------
 */

static int branch_find(void *context, const char *name)
{
    struct pull *pull = context;
    size_t len = strlen(pull->place.name);
    if (strncmp(name, pull->place.name, len) != 0 || name[len] != '.')
        return 0;
    snprintf(pull->place.note.last.name, sizeof(pull->place.note.last.name), "%s", name);
    return 1;
}

/* The newest version, or that of the branch. */
static int version_find(struct pull *pull, struct cr_error *err)
{
    struct cr_place *place = &pull->place;
    struct cr_ref *ref = &place->note.last;
    int r = 1;
    *ref = (struct cr_ref){0};
    memcpy(ref->name, place->name, sizeof(place->name));
    if (place->what->branch)
        r = place->vaults->ops->heads_list(place->vaults, branch_find, pull, err);
    if (r == 1)
        r = cr_version_open(place->vaults, ref, &pull->version, NULL);
    else if (r == 0)
        r = -ENOENT;
    if (r == -ENOENT)
        return cr_error_set(err, r, "there is no %s of the private overlay '%s'",
                            place->what->branch ? "branch" : "version", place->what->name);
    if (r < 0) /* once more, for the sentence */
        return cr_version_open(place->vaults, ref, &pull->version, err);
    *ref = *cr_version_ref(pull->version);
    return 0;
}

/*
 * Take charge: from now on nobody else's version follows. Last, so that a pull that fails leaves
 * the seat that was in charge alone. Returns 1 when another version came since ours was chosen.
 */
static int claim(struct pull *pull, struct cr_error *err)
{
    struct cr_place *place = &pull->place;
    struct cr_sync_note *note = &place->note;
    struct cr_claim_answer answer;
    int r = cr_upstore_claim(place->up, place->name, &answer, err);
    if (r < 0)
        return r;
    memcpy(note->name, place->name, sizeof(place->name));
    note->epoch = answer.epoch;
    note->newest = answer.newest;
    return !place->what->branch && answer.newest != note->last.number;
}

/* The chunk of the vault at `place`, verified by its id. */
static int vault_read(struct pull *pull, uint64_t place, uint8_t *out, struct cr_error *err)
{
    struct cr_id id;
    int r = cr_version_chunk(pull->version, place, &id, err);
    return r < 0 ? r : cr_store_chunk_read(pull->place.vaults, &id, out, CR_CHUNK_BYTES, err);
}

static int header_read(struct pull *pull, struct cr_error *err)
{
    const struct cr_private *what = pull->place.what;
    struct cr_error why = {0};
    int r = vault_read(pull, 0, pull->sealed, err);
    if (r < 0)
        return r;
    r = cr_vault_header_open(&pull->place.keys, pull->sealed, &pull->header, &why);
    if (r < 0)
        return cr_error_set(err, r, "private overlay '%s': %s", what->name, why.text);
    if (strcmp(pull->header.name, what->name) != 0 ||
        cr_vault_bytes(pull->header.disk_bytes) != cr_version_disk_bytes(pull->version))
        return cr_error_set(err, -EBADMSG, "private overlay '%s': its header is of another one",
                            what->name);
    return 0;
}

/* The version below must be the very one. */
static int base_check(struct pull *pull, struct cr_error *err)
{
    const struct cr_vault_header *header = &pull->header;
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    char text[CR_REF_TEXT];
    struct cr_error why = {0};
    int r = cr_version_open(pull->place.images, &header->base, &base, &why);
    if (r == -ENOENT)
        return cr_error_set(err, -ESTALE,
                            "private overlay '%s' was made on '%s', which is gone: %.300s",
                            header->name, cr_ref_format(&header->base, text), why.text);
    if (r < 0) {
        if (err != NULL)
            *err = why;
        return r;
    }
    if (!cr_id_equal(&cr_version_info(base)->root, &header->base_root))
        return cr_error_set(err, -ESTALE,
                            "private overlay '%s' was made on another '%s' than the server has now",
                            header->name, cr_ref_format(&header->base, text));
    return 0;
}

/* --- chunks ------------------------------------------------------------------------------------
 */

static int frame_take(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct pull *pull = context;
    size_t sealed_len;
    struct cr_error *out = &pull->chunk_error;
    if (result < 0) {
        *out = *err;
        return result;
    }
    uint64_t chunk = pull->indices[index];
    size_t len = cr_chunk_bytes(pull->header.disk_bytes, chunk);
    int r = cr_object_open(CR_CHUNK, &pull->ids[index], frame, frame_len, pull->sealed,
                           sizeof(pull->sealed), &sealed_len, out);
    if (r < 0)
        return r;
    if (sealed_len != CR_CHUNK_BYTES ||
        cr_vault_chunk_open(&pull->place.keys, &pull->entries[chunk % CR_VAULT_MAP_ENTRIES],
                            pull->sealed, pull->frame, pull->plain, len) < 0)
        return does_not_open(pull, "a chunk", out);
    pull->chunks++;
    return cr_newlayer_write(pull->layer, pull->plain, len, chunk << CR_CHUNK_SHIFT, out);
}

static int batch_run(struct pull *pull, struct cr_error *err)
{
    struct cr_store *vaults = pull->place.vaults;
    if (pull->count == 0)
        return 0;
    int r = pull->place.what->stop != NULL ? pull->place.what->stop(err) : 0;
    if (r < 0)
        return r;
    pull->chunk_error.text[0] = '\0';
    r = vaults->ops->chunks_get(vaults, pull->ids, pull->count, frame_take, pull, err);
    if (r < 0 && err != NULL && pull->chunk_error.text[0] != '\0')
        *err = pull->chunk_error;
    pull->count = 0;
    return r;
}

static int map_run(struct pull *pull, uint64_t map, struct cr_error *err)
{
    uint64_t first = map * CR_VAULT_MAP_ENTRIES, all = cr_disk_chunks(pull->header.disk_bytes);
    for (unsigned i = 0; i < CR_VAULT_MAP_ENTRIES; i++) {
        if (pull->entries[i].form == 0)
            continue;
        if (first + i >= all)
            return does_not_open(pull, "a map", err);
        pull->indices[pull->count] = first + i;
        int r = cr_version_chunk(pull->version,
                                 cr_vault_chunk_place(pull->header.disk_bytes, first + i),
                                 &pull->ids[pull->count], err);
        if (r < 0)
            return r;
        if (cr_id_is_hole(&pull->ids[pull->count++]))
            return does_not_open(pull, "a chunk", err);
        if (pull->count == BATCH && (r = batch_run(pull, err)) < 0)
            return r;
    }
    return batch_run(pull, err);
}

/* Are the maps those of this header? Before a chunk is taken by one of them. */
static int maps_check(struct pull *pull, struct cr_error *err)
{
    uint64_t count = cr_vault_maps(pull->header.disk_bytes);
    CLEANUP_FREE struct cr_seal *seals = cr_calloc(count, sizeof(*seals));
    uint8_t mac[32];
    if (seals == NULL)
        return cr_error_errno(err, -ENOMEM, "private overlay '%s'", pull->header.name);
    for (uint64_t i = 0; i < count; i++) {
        struct cr_id id;
        int r = cr_version_chunk(pull->version, cr_vault_map_place(i), &id, err);
        if (r == 0 && !cr_id_is_hole(&id)) {
            r = vault_read(pull, cr_vault_map_place(i), pull->sealed, err);
            if (r == 0 &&
                cr_vault_map_open(&pull->place.keys, i, pull->sealed, pull->entries, &seals[i]) < 0)
                return does_not_open(pull, "a map", err);
        }
        if (r < 0)
            return r;
    }
    if (cr_vault_maps_mac(&pull->place.keys, seals, count, mac) < 0 ||
        memcmp(mac, pull->header.maps_mac, sizeof(mac)) != 0)
        return does_not_open(pull, "a map", err);
    return 0;
}

static int chunks_fetch(struct pull *pull, struct cr_error *err)
{
    uint64_t count = cr_vault_maps(pull->header.disk_bytes);
    int r = maps_check(pull, err);
    for (uint64_t i = 0; i < count && r == 0; i++) {
        struct cr_id id;
        struct cr_seal seal;
        r = cr_version_chunk(pull->version, cr_vault_map_place(i), &id, err);
        if (r < 0 || cr_id_is_hole(&id))
            continue;
        r = vault_read(pull, cr_vault_map_place(i), pull->sealed, err);
        if (r == 0 &&
            cr_vault_map_open(&pull->place.keys, i, pull->sealed, pull->entries, &seal) < 0)
            r = does_not_open(pull, "a map", err);
        if (r == 0)
            r = map_run(pull, i, err);
    }
    if (r == 0 && pull->chunks != pull->header.chunks)
        r = does_not_open(pull, "a map", err);
    return r;
}

/* --- the overlay -------------------------------------------------------------------------------
 */

static int layer_open(struct pull *pull, struct cr_error *err)
{
    const struct cr_private *what = pull->place.what;
    char backing[CR_REF_TEXT + 32], text[CR_REF_TEXT];
    int n = snprintf(pull->part_path, sizeof(pull->part_path), "%s.part", what->overlay);
    if (n < 0 || (size_t)n >= sizeof(pull->part_path))
        return cr_error_errno(err, -ENAMETOOLONG, "overlay '%.200s'", what->overlay);
    if (access(what->overlay, F_OK) == 0)
        return cr_error_set(err, -EEXIST, "'%s' exists; move it away or name another file",
                            what->overlay);
    unlink(pull->part_path); /* of a pull that was stopped */
    snprintf(backing, sizeof(backing), "nbd://localhost/%s",
             cr_ref_format(&pull->header.base, text));
    return cr_newlayer_open(pull->part_path, what->backing != NULL ? what->backing : backing,
                            pull->header.disk_bytes, &pull->layer, err);
}

/* Whole and durable under its name; the note first, for an overlay without one would be a stranger.
 */
static int layer_finish(struct pull *pull, struct cr_error *err)
{
    const char *path = pull->place.what->overlay;
    char folder[PATH_MAX];
    int r = cr_newlayer_finish(pull->layer, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(pull->part_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return cr_error_errno(err, -errno, "writing '%s'", pull->part_path);
    r = cr_sync_note_write(pull->place.note_path, &pull->place.note, err);
    if (r < 0)
        return r;
    if (rename(pull->part_path, path) < 0)
        return cr_error_errno(err, -errno, "writing '%s'", path);
    snprintf(folder, sizeof(folder), "%s", path);
    r = cr_dir_fsync(AT_FDCWD, dirname(folder));
    return r < 0 ? cr_error_errno(err, r, "writing '%s'", path) : 0;
}

/* All of it but the last step. Returns as claim. */
static int pull_once(struct pull *pull, struct cr_error *err)
{
    int r = version_find(pull, err);
    if (r == 0)
        r = header_read(pull, err);
    if (r == 0)
        r = base_check(pull, err);
    if (r == 0)
        r = layer_open(pull, err);
    if (r == 0)
        r = chunks_fetch(pull, err);
    return r < 0 ? r : claim(pull, err);
}

int cr_private_pull(const struct cr_private *what, struct cr_private_result *ret_result,
                    struct cr_error *err)
{
    CLEANUP(pull_free) struct pull *pull = cr_calloc(1, sizeof(*pull));
    if (pull == NULL)
        return cr_error_errno(err, -ENOMEM, "fetching '%s'", what->name);
    int r = cr_place_open(&pull->place, what, err);
    if (r == 0)
        r = pull_once(pull, err);
    if (r == 1) { /* whoever sent that is not in charge any more: once more is enough */
        cr_newlayer_drop(TAKE_PTR(pull->layer));
        cr_version_close(TAKE_PTR(pull->version));
        pull->chunks = 0;
        r = pull_once(pull, err);
    }
    if (r == 1)
        r = cr_error_set(err, -EBUSY,
                         "private overlay '%s' is being sent by several seats; try again",
                         what->name);
    if (r == 0)
        r = layer_finish(pull, err);
    if (r < 0)
        return r;
    *ret_result = (struct cr_private_result){.number = pull->place.note.last.number,
                                             .branch = what->branch,
                                             .base = pull->header.base,
                                             .chunks = pull->chunks};
    return 0;
}
