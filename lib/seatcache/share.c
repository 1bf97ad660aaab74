/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/share.h"

#include "lib/base/mem.h"
#include "lib/seatcache/window.h"

#include <errno.h>

#define ROOM_MIN 1024U
#define TRIES    8U /* places of one id, or of ids that look alike */

/* Where a chunk of data is; found by its tag. */
struct place {
    uint32_t tag;   /* of its id */
    uint32_t index; /* of the chunk, and 1; 0 = free */
};

struct cr_seatshare {
    struct cr_seatdisk *disk;
    pthread_t thread;
    atomic_bool stopping;
    pthread_rwlock_t lock; /* over what follows */
    size_t count, room;    /* room is a power of two; at most three quarters are used */
    struct place *places;  /* owned */
};

/* --- the table -------------------------------------------------------------------------------- */

static uint32_t tag_of(const struct cr_id *id)
{
    return (uint32_t)cr_id_hash(id);
}

static void place_put(struct place *places, size_t room, struct place place)
{
    size_t at = place.tag & (room - 1);
    while (places[at].index != 0)
        at = (at + 1) & (room - 1);
    places[at] = place;
}

static int table_grow(struct cr_seatshare *share)
{
    size_t room = share->room == 0 ? ROOM_MIN : 2 * share->room;
    struct place *places = cr_calloc(room, sizeof(*places));
    if (places == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < share->room; i++)
        if (share->places[i].index != 0)
            place_put(places, room, share->places[i]);
    free(share->places);
    share->places = places;
    share->room = room;
    return 0;
}

static int segment_add(struct cr_seatshare *share, const struct cr_id *ids, uint64_t first,
                       uint32_t count)
{
    int r = 0;
    pthread_rwlock_wrlock(&share->lock);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        if (cr_id_is_hole(&ids[i]))
            continue;
        if (share->count >= share->room / 4 * 3)
            r = table_grow(share);
        if (r == 0)
            place_put(share->places, share->room,
                      (struct place){tag_of(&ids[i]), (uint32_t)(first + i) + 1});
        share->count += r == 0;
    }
    pthread_rwlock_unlock(&share->lock);
    return r;
}

/* Chunks whose id may be this one. Returns how many. */
static unsigned places_find(struct cr_seatshare *share, const struct cr_id *id,
                            uint64_t out[static TRIES])
{
    unsigned count = 0;
    uint32_t tag = tag_of(id);
    pthread_rwlock_rdlock(&share->lock);
    for (size_t at = tag & (share->room - 1);
         share->room > 0 && share->places[at].index != 0 && count < TRIES;
         at = (at + 1) & (share->room - 1))
        if (share->places[at].tag == tag)
            out[count++] = share->places[at].index - 1;
    pthread_rwlock_unlock(&share->lock);
    return count;
}

/* --- the thread that fills it ----------------------------------------------------------------- */

/* The ids are not kept in memory beside those that the disk has used. */
static int segment_read(struct cr_seatshare *share, uint32_t number)
{
    struct cr_version *version = share->disk->version;
    const struct cr_id *segment = &cr_version_manifest(version)->segments[number];
    uint32_t count = cr_segment_chunks(cr_version_disk_bytes(version), number);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return -ENOMEM;
    int r = cr_store_object_read(share->disk->objects, CR_SEGMENT, segment, &plain, NULL);
    if (r == 0)
        r = cr_segment_parse(plain.data, plain.len, count, ids, NULL);
    return r < 0 ? r : segment_add(share, ids, (uint64_t)number << CR_SEGMENT_SHIFT, count);
}

static void *fill(void *argument)
{
    struct cr_seatshare *share = argument;
    const struct cr_manifest *manifest = cr_version_manifest(share->disk->version);
    int r = 0;
    for (uint32_t i = 0; i < manifest->segment_count && !atomic_load(&share->stopping); i++)
        if (!cr_id_is_hole(&manifest->segments[i]) && r != -ENOMEM)
            r = segment_read(share, i);
    return NULL;
}

int cr_seatshare_new(struct cr_seatdisk *disk, struct cr_seatshare **ret_share)
{
    CLEANUP_FREE struct cr_seatshare *share = cr_calloc(1, sizeof(*share));
    if (share == NULL || cr_version_chunks(disk->version) >= UINT32_MAX)
        return share == NULL ? -ENOMEM : -EFBIG;
    share->disk = disk;
    pthread_rwlock_init(&share->lock, NULL);
    int r = pthread_create(&share->thread, NULL, fill, share);
    if (r != 0) {
        pthread_rwlock_destroy(&share->lock);
        return -r;
    }
    *ret_share = TAKE_PTR(share);
    return 0;
}

void cr_seatshare_free(struct cr_seatshare *share)
{
    if (share == NULL)
        return;
    atomic_store(&share->stopping, true);
    pthread_join(share->thread, NULL);
    pthread_rwlock_destroy(&share->lock);
    free(share->places);
    free(share);
}

/* --- handing out ------------------------------------------------------------------------------ */

static bool chunk_read(struct cr_seatdisk *disk, uint64_t index, const struct cr_id *id,
                       uint8_t *plain, size_t *ret_len)
{
    *ret_len = cr_chunk_bytes(disk->file.disk_bytes, index);
    return cr_chunkfile_read(&disk->file, index, id, plain) == CR_FOUND;
}

/* Fetch a chunk that is not in the file, or is damaged there. */
static int chunk_fetch(struct cr_seatdisk *disk, uint64_t index)
{
    return cr_seatdisk_prefetch(disk, cr_chunk_bytes(disk->file.disk_bytes, index),
                                index << CR_CHUNK_SHIFT, NULL);
}

int cr_seatshare_chunk(struct cr_seatshare *share, const struct cr_id *id, uint8_t *plain,
                       size_t *ret_len)
{
    struct cr_seatdisk *disk = share->disk;
    const struct cr_id *here = NULL;
    uint64_t places[TRIES];
    unsigned count = places_find(share, id, places);
    for (unsigned i = 0; i < count; i++)
        if (cr_seatdisk_has(disk, places[i]) && chunk_read(disk, places[i], id, plain, ret_len))
            return 0;
    for (unsigned i = 0; i < count; i++)
        if (cr_lookup_chunk(disk->version, places[i], &here, NULL) == 0 && here != NULL &&
            cr_id_equal(here, id))
            return chunk_fetch(disk, places[i]) == 0 &&
                           chunk_read(disk, places[i], id, plain, ret_len)
                       ? 0
                       : -ENOENT;
    return -ENOENT;
}

int cr_seatshare_segment(struct cr_seatshare *share, const struct cr_id *id, struct cr_buf *frame)
{
    const struct cr_manifest *manifest = cr_version_manifest(share->disk->version);
    struct cr_store *objects = share->disk->objects;
    CLEANUP_FREE uint8_t *plain = malloc(cr_kinds[CR_SEGMENT].plain_max);
    size_t len = 0;
    bool ours = false;
    for (uint32_t i = 0; i < manifest->segment_count && !ours; i++)
        ours = cr_id_equal(&manifest->segments[i], id);
    if (plain == NULL)
        return -ENOMEM;
    if (!ours || cr_id_is_hole(id) ||
        objects->ops->object_get(objects, CR_SEGMENT, id, frame, NULL) < 0 ||
        cr_object_open(CR_SEGMENT, id, frame->data, frame->len, plain,
                       cr_kinds[CR_SEGMENT].plain_max, &len, NULL) < 0)
        return -ENOENT;
    return 0;
}
