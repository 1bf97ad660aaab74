/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/olddisk.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/delta/group.h"
#include "lib/seatcache/objects.h"

#include <errno.h>
#include <limits.h>

/* Places of the same id that are looked at: most are nowhere, or at the first. */
#define TRIES 4U

/* Where a chunk of data is; what is read there is verified, so a tag may be wrong. */
struct place {
    uint32_t tag; /* of its id */
    uint32_t index;
};

struct cr_olddisk {
    struct cr_chunkfile file;
    struct cr_id root;
    struct place *places; /* owned; rising tags, equal ones by rising index */
    size_t place_count;
    uint8_t *data; /* a bit a chunk: it is no hole, as far as is known */
};

void cr_olddisk_close(struct cr_olddisk *old)
{
    if (old == NULL)
        return;
    cr_chunkfile_done(&old->file);
    free(old->places);
    free(old->data);
    free(old);
}

void cr_olddisk_cleanup(struct cr_olddisk **old)
{
    cr_olddisk_close(*old);
}

const struct cr_id *cr_olddisk_root(const struct cr_olddisk *old)
{
    return &old->root;
}

uint64_t cr_olddisk_bytes(const struct cr_olddisk *old)
{
    return old->file.disk_bytes;
}

/* --- what is where --------------------------------------------------------------------------- */

static uint32_t tag_of(const struct cr_id *id)
{
    uint32_t tag = 0;
    memcpy(&tag, id, sizeof(tag));
    return tag;
}

static int place_compare(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void data_set(struct cr_olddisk *old, uint64_t index)
{
    old->data[index / CHAR_BIT] |= (uint8_t)(1U << index % CHAR_BIT);
}

static bool is_data(const struct cr_olddisk *old, uint64_t index)
{
    return old->data[index / CHAR_BIT] >> index % CHAR_BIT & 1;
}

static int segment_add(struct cr_olddisk *old, const struct cr_id *ids, uint64_t first,
                       uint32_t count)
{
    struct place *places = realloc(old->places, (old->place_count + count) * sizeof(*places));
    if (places == NULL)
        return -ENOMEM;
    old->places = places;
    for (uint32_t i = 0; i < count; i++) {
        if (cr_id_is_hole(&ids[i]))
            continue;
        data_set(old, first + i);
        places[old->place_count++] = (struct place){tag_of(&ids[i]), (uint32_t)(first + i)};
    }
    return 0;
}

/*
 * A segment that is not kept was never read of, or was removed: of its chunks it is only known that
 * zeros in the file may stand for something else.
 */
static int segment_load(struct cr_olddisk *old, int objects_fd, const struct cr_id *segment,
                        uint32_t number)
{
    uint64_t first = (uint64_t)number << CR_SEGMENT_SHIFT;
    uint32_t count = cr_segment_chunks(old->file.disk_bytes, number);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return -ENOMEM;
    int r = cr_seatobjects_kept(objects_fd, CR_SEGMENT, segment, &plain);
    if (r == 0)
        r = cr_segment_parse(plain.data, plain.len, count, ids, NULL);
    if (r == -ENOMEM)
        return r;
    if (r == 0)
        return segment_add(old, ids, first, count);
    for (uint32_t i = 0; i < count; i++)
        data_set(old, first + i);
    return 0;
}

static int segments_load(struct cr_olddisk *old, int objects_fd, const struct cr_manifest *manifest)
{
    uint64_t chunks = cr_disk_chunks(manifest->disk_bytes);
    if (chunks > UINT32_MAX)
        return -EFBIG;
    old->data = cr_calloc(chunks / CHAR_BIT + 1, 1);
    if (old->data == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        int r = cr_id_is_hole(&manifest->segments[i])
                    ? 0
                    : segment_load(old, objects_fd, &manifest->segments[i], i);
        if (r < 0)
            return r;
    }
    if (old->place_count > 0)
        qsort(old->places, old->place_count, sizeof(*old->places), place_compare);
    struct place *fitting = realloc(old->places, (old->place_count + 1) * sizeof(*fitting));
    if (fitting != NULL)
        old->places = fitting;
    return 0;
}

int cr_olddisk_open(int disks_fd, int objects_fd, const struct cr_id *root,
                    struct cr_olddisk **ret_old)
{
    struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP(cr_olddisk_cleanup) struct cr_olddisk *old = cr_calloc(1, sizeof(*old));
    if (old == NULL)
        return -ENOMEM;
    old->root = *root;
    old->file.fd = -1;
    int r = cr_seatobjects_kept(objects_fd, CR_MANIFEST, root, &plain);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &manifest, NULL);
    if (r < 0)
        return r;
    r = cr_chunkfile_look(&old->file, disks_fd, root, manifest.disk_bytes);
    if (r == 0)
        r = segments_load(old, objects_fd, &manifest);
    cr_manifest_done(&manifest);
    if (r < 0)
        return r;
    *ret_old = TAKE_PTR(old);
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static bool chunk_is(const struct cr_olddisk *old, uint64_t index, const struct cr_id *id,
                     uint32_t len, uint8_t *plain)
{
    return cr_chunk_bytes(old->file.disk_bytes, index) == len &&
           cr_chunkfile_read(&old->file, index, id, plain) == CR_FOUND;
}

/* The first place of this tag, if there is one. */
static size_t places_find(const struct cr_olddisk *old, uint32_t tag)
{
    size_t low = 0, high = old->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (old->places[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool cr_olddisk_chunk(const struct cr_olddisk *old, uint64_t index, const struct cr_id *id,
                      uint32_t len, uint8_t *plain)
{
    uint32_t tag = tag_of(id);
    size_t begin = places_find(old, tag), end = begin;
    for (; end < old->place_count && old->places[end].tag == tag; end++)
        if (old->places[end].index == index && chunk_is(old, index, id, len, plain))
            return true;
    for (size_t i = begin; i < end && i - begin < TRIES; i++)
        if (old->places[i].index != index && chunk_is(old, old->places[i].index, id, len, plain))
            return true;
    return false;
}

/* The file has the chunk, or it is a hole. One that is damaged counts as there. */
static bool is_there(const struct cr_olddisk *old, uint64_t index)
{
    uint8_t plain[CR_CHUNK_BYTES];
    uint32_t len = cr_chunk_bytes(old->file.disk_bytes, index);
    return !is_data(old, index) ||
           (cr_pread_full(old->file.fd, plain, len, index << CR_CHUNK_SHIFT) == 0 &&
            !cr_is_zero(plain, len));
}

/* Blocks of one chunk. Zeros are rare in what is copied, so only they are looked at twice. */
static int piece_read(const struct cr_olddisk *old, uint64_t offset, size_t len, uint8_t *out)
{
    size_t inside = offset >= old->file.disk_bytes ? 0 : len;
    if (inside > old->file.disk_bytes - offset && inside > 0)
        inside = (size_t)(old->file.disk_bytes - offset);
    memset(out + inside, 0, len - inside);
    if (inside == 0)
        return 0;
    if (cr_pread_full(old->file.fd, out, inside, offset) < 0)
        return -ENOENT;
    return cr_is_zero(out, inside) && !is_there(old, offset >> CR_CHUNK_SHIFT) ? -ENOENT : 0;
}

int cr_olddisk_blocks(const struct cr_olddisk *old, uint64_t first, uint32_t count, uint8_t *out)
{
    uint64_t offset = first * CR_BLOCK_BYTES, left = (uint64_t)count * CR_BLOCK_BYTES;
    while (left > 0) {
        uint64_t len = CR_CHUNK_BYTES - offset % CR_CHUNK_BYTES;
        if (len > left)
            len = left;
        int r = piece_read(old, offset, (size_t)len, out);
        if (r < 0)
            return r;
        offset += len;
        out += len;
        left -= len;
    }
    return 0;
}
