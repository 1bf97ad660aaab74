/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/blk/backing.h"
#include "lib/ingest/ingest.h"
#include "lib/sync/place.h"
#include "lib/sync/vault.h"

#include <errno.h>
#include <pthread.h>

/* What one thread needs to seal. */
struct area {
    uint8_t frame[CR_CHUNK_FRAME_MAX];
    uint8_t sealed[CR_CHUNK_BYTES];
};

struct push {
    struct cr_place place;
    struct cr_source *source;
    struct cr_version *base;
    uint64_t disk_bytes, map_count;
    struct area *areas;           /* one for each worker */
    pthread_mutex_t mutex;        /* over the two below, while workers run */
    struct cr_vault_entry **maps; /* map_count of them; NULL = nothing in it differs */
    uint64_t chunks;
    struct cr_publish *publish; /* while sending */
};

static void maps_free(struct push *push)
{
    for (uint64_t i = 0; push->maps != NULL && i < push->map_count; i++)
        free(push->maps[i]);
    free(TAKE_PTR(push->maps));
    push->chunks = 0;
}

static void push_done(struct push *push)
{
    cr_publish_abort(push->publish);
    maps_free(push);
    free(push->areas);
    pthread_mutex_destroy(&push->mutex);
    cr_version_close(push->base);
    cr_source_close(push->source);
    cr_place_close(&push->place);
}

/* --- sealing -----------------------------------------------------------------------------------
 */

static int entry_set(struct push *push, uint64_t index, const struct cr_vault_entry *entry)
{
    uint64_t map = index / CR_VAULT_MAP_ENTRIES;
    int r = 0;
    pthread_mutex_lock(&push->mutex);
    if (push->maps[map] == NULL)
        push->maps[map] = cr_calloc(CR_VAULT_MAP_ENTRIES, sizeof(*entry));
    if (push->maps[map] == NULL)
        r = -ENOMEM;
    else
        push->maps[map][index % CR_VAULT_MAP_ENTRIES] = *entry;
    push->chunks++;
    pthread_mutex_unlock(&push->mutex);
    return r;
}

/* Does the version below hold the same? Then the overlay need not. */
static int is_base(struct push *push, uint64_t index, const void *plain, size_t len,
                   struct cr_error *err)
{
    struct cr_id below = {0}, here = {0};
    if (index < cr_version_chunks(push->base)) {
        int r = cr_version_chunk(push->base, index, &below, err);
        if (r < 0)
            return r;
    }
    if (!cr_is_zero(plain, len))
        cr_hash(plain, len, &here);
    return cr_id_equal(&below, &here);
}

/* A chunk of the overlay, from any worker. */
static int chunk_take(void *context, unsigned worker, uint64_t index, const void *plain,
                      struct cr_error *err)
{
    struct push *push = context;
    struct area *area = &push->areas[worker];
    struct cr_vault_entry entry;
    size_t len = cr_chunk_bytes(push->disk_bytes, index);
    int r = is_base(push, index, plain, len, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = cr_vault_chunk_seal(&push->place.keys, plain, len, area->frame, area->sealed, &entry);
    if (r == 0)
        r = entry_set(push, index, &entry);
    if (r < 0)
        return cr_error_errno(err, r, "sealing a chunk of '%s'", push->place.what->name);
    return cr_publish_chunk(push->publish, worker, cr_vault_chunk_place(push->disk_bytes, index),
                            area->sealed, err);
}

/* Maps and header, when all chunks are known. */
static int frame_send(struct push *push, struct cr_error *err)
{
    const struct cr_ref *base = cr_version_ref(push->base);
    struct cr_vault_header header = {
        .base = *base,
        .base_root = cr_version_info(push->base)->root,
        .disk_bytes = push->disk_bytes,
        .chunks = push->chunks,
    };
    uint8_t *sealed = push->areas[0].sealed;
    CLEANUP_FREE struct cr_seal *seals = cr_calloc(push->map_count, sizeof(*seals));
    int r = seals == NULL ? -ENOMEM : 0;
    snprintf(header.name, sizeof(header.name), "%s", push->place.what->name);
    for (uint64_t i = 0; i < push->map_count && r == 0; i++) {
        if (push->maps[i] == NULL)
            continue;
        r = cr_vault_map_seal(&push->place.keys, i, push->maps[i], sealed, &seals[i]);
        if (r == 0 &&
            (r = cr_publish_chunk(push->publish, 0, cr_vault_map_place(i), sealed, err)) < 0)
            return r;
    }
    if (r == 0)
        r = cr_vault_maps_mac(&push->place.keys, seals, push->map_count, header.maps_mac);
    if (r == 0)
        r = cr_vault_header_seal(&push->place.keys, &header, sealed);
    if (r < 0)
        return cr_error_errno(err, r, "sealing '%s'", push->place.what->name);
    return cr_publish_chunk(push->publish, 0, 0, sealed, err);
}

static int content_send(struct push *push, struct cr_id *ret_root, struct cr_error *err)
{
    const struct cr_private *what = push->place.what;
    CLEANUP(cr_ingest_done)
    struct cr_ingest ingest = {.source = push->source,
                               .store = push->place.images,
                               .base = push->base,
                               .stop = what->stop,
                               .chunk = chunk_take,
                               .chunk_context = push};
    struct cr_version_info info;
    maps_free(push);
    push->maps = cr_calloc(push->map_count, sizeof(*push->maps));
    if (push->maps == NULL)
        return cr_error_errno(err, -ENOMEM, "sending '%s'", what->name);
    int r = cr_publish_begin(push->place.up, push->place.name, cr_vault_bytes(push->disk_bytes),
                             NULL, &push->publish, err);
    if (r == 0)
        r = cr_ingest_scan(&ingest, err);
    if (r == 0)
        r = cr_ingest_run(&ingest, what->threads, err);
    if (r == 0)
        r = frame_send(push, err);
    if (r < 0) {
        cr_publish_abort(TAKE_PTR(push->publish));
        return r;
    }
    r = cr_publish_content(TAKE_PTR(push->publish), NULL, &info, err);
    if (r == 0)
        *ret_root = info.root;
    return r;
}

/* --- the way to the commit ---------------------------------------------------------------------
 */

static int base_open(struct push *push, struct cr_error *err)
{
    const struct cr_private *what = push->place.what;
    const char *backing = cr_source_backing(push->source);
    struct cr_ref base;
    if (backing == NULL || (!cr_backing_ref(backing, &base) && what->base.name[0] == '\0'))
        return cr_error_set(err, -EINVAL,
                            "overlay '%s' does not say which version it stands on; add --base "
                            "NAME@N",
                            what->overlay);
    if (!cr_backing_ref(backing, &base))
        base = what->base;
    return cr_version_open(push->place.images, &base, &push->base, err);
}

static int push_open(struct push *push, const struct cr_private *what, struct cr_error *err)
{
    struct cr_source_options options = {
        .format = "qcow2", .top_layer_only = true, .connections = what->threads};
    pthread_mutex_init(&push->mutex, NULL);
    int r = cr_place_open(&push->place, what, err);
    if (r == 0)
        r = cr_source_open(what->overlay, &options, &push->source, err);
    if (r == 0)
        r = base_open(push, err);
    if (r < 0)
        return r;
    push->disk_bytes = cr_source_size_bytes(push->source);
    push->map_count = cr_vault_maps(push->disk_bytes);
    push->areas = reallocarray(NULL, what->threads, sizeof(*push->areas));
    if (push->areas == NULL)
        return cr_error_errno(err, -ENOMEM, "sending '%s'", what->name);
    if (cr_vault_bytes(push->disk_bytes) == 0)
        return cr_error_set(err, -EFBIG, "overlay '%s' is of a disk that is too large",
                            what->overlay);
    return 0;
}

/* In charge since the last push or pull, or from now on; then what stands there is not ours. */
static int claim(struct push *push, struct cr_error *err)
{
    struct cr_place *place = &push->place;
    struct cr_claim_answer answer;
    int r = cr_sync_note_read(place->note_path, &place->note, NULL);
    if (r == 0 && strcmp(place->note.name, place->name) == 0)
        return 0;
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return cr_error_errno(err, r, "reading '%s'", place->note_path);
    r = cr_upstore_claim(place->up, place->name, &answer, err);
    if (r < 0)
        return r;
    place->note = (struct cr_sync_note){.epoch = answer.epoch};
    memcpy(place->note.name, place->name, sizeof(place->name));
    return cr_sync_note_write(place->note_path, &place->note, err);
}

static int last_know(struct cr_place *place, struct cr_error *err)
{
    CLEANUP(cr_version_cleanup) struct cr_version *last = NULL;
    if (place->note.last.name[0] == '\0' ||
        cr_version_open(place->vaults, &place->note.last, &last, NULL) < 0)
        return 0;
    return cr_upstore_know(place->up, last, err);
}

static int send_and_commit(struct push *push, struct cr_commit_answer *answer, struct cr_error *err)
{
    struct cr_place *place = &push->place;
    struct cr_commit_request request = {.epoch = place->note.epoch, .expected = place->note.newest};
    memcpy(request.name, place->name, sizeof(place->name));
    int r = content_send(push, &request.root, err);
    return r < 0 ? r : cr_upstore_commit(place->up, &request, answer, err);
}

int cr_private_push(const struct cr_private *what, struct cr_private_result *ret_result,
                    struct cr_error *err)
{
    CLEANUP(push_done) struct push push = {0};
    struct cr_commit_answer answer;
    struct cr_sync_note *note = &push.place.note;
    int r = push_open(&push, what, err);
    if (r == 0)
        r = claim(&push, err);
    if (r == 0)
        r = last_know(&push.place, err);
    if (r == 0)
        r = send_and_commit(&push, &answer, err);
    if (r == -ESTALE) { /* a collector took something that was there when we asked */
        cr_upstore_forget(push.place.up);
        r = send_and_commit(&push, &answer, err);
    }
    if (r < 0)
        return r;
    memcpy(note->last.name, answer.name, sizeof(answer.name));
    note->last.number = answer.number;
    if (!answer.branch)
        note->newest = answer.number;
    r = cr_sync_note_write(push.place.note_path, note, err);
    if (r < 0)
        return r;
    *ret_result = (struct cr_private_result){.number = answer.number,
                                             .branch = answer.branch,
                                             .base = *cr_version_ref(push.base),
                                             .chunks = push.chunks};
    cr_upstore_stat(push.place.up, &ret_result->sent);
    return 0;
}
