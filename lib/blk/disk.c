/* SPDX-License-Identifier: MIT */
#include "lib/blk/disk.h"

#include "lib/base/mem.h"
#include "lib/blk/lookup.h"

#include <errno.h>

/* Chunks that one call pins at a time, and so the largest request to the store: 4 MiB of disk. */
#define WINDOW_CHUNKS 64U

struct cr_disk {
    struct cr_store *store;
    struct cr_cache *cache;
    struct cr_version *version;
    uint64_t disk_bytes;
};

int cr_disk_open(struct cr_store *store, const struct cr_ref *ref, struct cr_cache *cache,
                 struct cr_disk **ret_disk, struct cr_error *err)
{
    CLEANUP(cr_disk_cleanup) struct cr_disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open '%s'", ref->name);
    disk->store = store;
    disk->cache = cache;
    int r = cr_version_open(store, ref, &disk->version, err);
    if (r < 0)
        return r;
    disk->disk_bytes = cr_version_disk_bytes(disk->version);
    *ret_disk = TAKE_PTR(disk);
    return 0;
}

void cr_disk_close(struct cr_disk *disk)
{
    if (disk == NULL)
        return;
    cr_version_close(disk->version);
    free(disk);
}

void cr_disk_cleanup(struct cr_disk **disk)
{
    cr_disk_close(*disk);
}

struct cr_version *cr_disk_version(struct cr_disk *disk)
{
    return disk->version;
}

/* --- from the store into the cache --------------------------------------------------- */

struct load {
    struct cr_cache_claim *claim;
    const struct cr_id *ids;
};

/* Open a frame into memory of its own and so verify it. */
static int open_chunk(const struct cr_id *id, const void *frame, size_t frame_len,
                      uint8_t **ret_data, size_t *ret_len, struct cr_error *err)
{
    CLEANUP_FREE uint8_t *data = malloc(CR_CHUNK_BYTES);
    size_t len = 0;
    if (data == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open a chunk");
    int r = cr_object_open(CR_CHUNK, id, frame, frame_len, data, CR_CHUNK_BYTES, &len, err);
    if (r < 0)
        return r;
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

static int take_frame(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *why)
{
    const struct load *load = context;
    struct cr_error err = {0};
    uint8_t *data = NULL;
    size_t len = 0;
    if (result == 0) {
        result = open_chunk(&load->ids[index], frame, frame_len, &data, &len, &err);
        why = &err;
    }
    if (result == 0)
        cr_cache_deliver(load->claim, index, data, len);
    else
        cr_cache_refuse(load->claim, index, result, why);
    return 0;
}

static int load_chunks(void *context, struct cr_cache_claim *claim, const struct cr_id *ids,
                       size_t count, struct cr_error *err)
{
    struct cr_store *store = context;
    struct load load = {claim, ids};
    return store->ops->chunks_get(store, ids, count, take_frame, &load, err);
}

/* --- reading ------------------------------------------------------------------------- */

/* Copy out of a verified chunk, which has the length that its place demands or else is refused. */
static int piece_copy(const struct cr_disk *disk, const struct cr_piece *piece,
                      const struct cr_cache_entry *entry, const struct cr_id *id,
                      struct cr_error *err)
{
    char hex[CR_ID_HEX], ref[CR_REF_TEXT];
    if (entry->len != piece->chunk_bytes)
        return cr_error_set(err, -EBADMSG,
                            "'%s' is corrupted: chunk '%s' has %zu bytes where %u belong",
                            cr_ref_format(cr_version_ref(disk->version), ref),
                            cr_id_format(id, hex), entry->len, piece->chunk_bytes);
    if (piece->out != NULL)
        memcpy(piece->out, entry->data + piece->from, piece->bytes);
    return 0;
}

/* Name the version in front of whatever the store said about a chunk of it. */
static int read_failed(const struct cr_disk *disk, int result, struct cr_error *err)
{
    char ref[CR_REF_TEXT];
    return cr_error_prefix(err, result, "cannot read '%s'",
                           cr_ref_format(cr_version_ref(disk->version), ref));
}

/* One request of many chunks: what is in memory is copied, the rest fetched together. */
static int read_window(struct cr_disk *disk, const struct cr_piece *pieces, const struct cr_id *ids,
                       size_t count, struct cr_error *err)
{
    const struct cr_cache_entry *entries[WINDOW_CHUNKS];
    int r = cr_cache_get_batch(disk->cache, ids, count, load_chunks, disk->store, entries, err);
    if (r < 0)
        return read_failed(disk, r, err);
    for (size_t i = 0; i < count; i++) {
        if (r == 0)
            r = piece_copy(disk, &pieces[i], entries[i], &ids[i], err);
        cr_cache_release(disk->cache, entries[i]);
    }
    return r;
}

static int read_pieces(struct cr_disk *disk, uint8_t *out, uint64_t len, uint64_t offset,
                       struct cr_error *err)
{
    struct cr_piece pieces[WINDOW_CHUNKS];
    struct cr_id ids[WINDOW_CHUNKS];
    size_t count = 0;
    while (len > 0) {
        struct cr_piece piece = cr_piece_first(disk->disk_bytes, out, len, offset);
        const struct cr_id *id = NULL;
        int r = cr_lookup_chunk(disk->version, piece.index, &id, err);
        if (r < 0)
            return r;
        if (id != NULL) {
            pieces[count] = piece;
            ids[count++] = *id;
        } else if (out != NULL) {
            memset(out, 0, piece.bytes);
        }
        offset += piece.bytes;
        len -= piece.bytes;
        if (out != NULL)
            out += piece.bytes;
        if (count == WINDOW_CHUNKS || (len == 0 && count > 0)) {
            r = read_window(disk, pieces, ids, count, err);
            if (r < 0)
                return r;
            count = 0;
        }
    }
    return 0;
}

/* Most reads of a guest: inside one chunk that is in memory. Returns 1 when this one is not. */
static int read_hot(struct cr_disk *disk, const struct cr_piece *piece, struct cr_error *err)
{
    const struct cr_id *id = NULL;
    int r = cr_lookup_chunk(disk->version, piece->index, &id, err);
    if (r < 0)
        return r;
    if (id == NULL) {
        memset(piece->out, 0, piece->bytes);
        return 0;
    }
    const struct cr_cache_entry *entry = cr_cache_peek(disk->cache, id);
    if (entry == NULL)
        return 1;
    r = piece_copy(disk, piece, entry, id, err);
    cr_cache_release(disk->cache, entry);
    return r;
}

int cr_disk_read(struct cr_disk *disk, void *data, size_t len, uint64_t offset,
                 struct cr_error *err)
{
    int r = cr_range_check(disk->disk_bytes, len, offset, err);
    if (r < 0 || len == 0)
        return r;
    struct cr_piece piece = cr_piece_first(disk->disk_bytes, data, len, offset);
    if (piece.bytes == len) {
        r = read_hot(disk, &piece, err);
        if (r <= 0)
            return r;
    }
    return read_pieces(disk, data, len, offset, err);
}

int cr_disk_prefetch(struct cr_disk *disk, uint64_t len, uint64_t offset, struct cr_error *err)
{
    int r = cr_range_check(disk->disk_bytes, len, offset, err);
    return r < 0 ? r : read_pieces(disk, NULL, len, offset, err);
}

int cr_disk_extent(struct cr_disk *disk, uint64_t offset, uint64_t max, uint64_t *ret_len,
                   bool *ret_hole, struct cr_error *err)
{
    int r = max == 0 ? -EINVAL : cr_range_check(disk->disk_bytes, 1, offset, err);
    if (r == 0)
        r = cr_lookup_extent(disk->version, offset, max, ret_len, ret_hole, err);
    return r;
}
