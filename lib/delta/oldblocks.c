/* SPDX-License-Identifier: MIT */
#include "lib/delta/oldblocks.h"

#include "lib/base/mem.h"
#include "lib/delta/group.h"
#include "lib/image/idset.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

/* A block's name here. All zero stands for a block of zeros, which is in no table. */
struct half {
    uint8_t bytes[16];
};

/* Samples: one for each 2^SAMPLE_SHIFT bytes on average, and how far a table is searched. */
#define SAMPLE_SHIFT  10U
#define SAMPLE_PROBES 32U

struct cr_oldblocks {
    struct cr_store *store;
    struct cr_id *ids;  /* of the chunks with data, by slot */
    uint64_t chunks;    /* of the disk */
    uint32_t *slot_of;  /* for each chunk: 1 + its number among those with data, 0 = hole */
    uint32_t *chunk_of; /* the other way round */
    uint32_t slots, room;
    struct cr_idset set;           /* of ids */
    struct half *names;            /* slots x 16 */
    uint32_t *table;               /* 1 + slot x 16 + block; 0 = free */
    uint64_t table_size;           /* a power of two */
    atomic_uint_fast64_t *samples; /* 1 + chunk below, a hash above; 0 = free */
    uint64_t samples_size;
    uint8_t **buffers; /* one a worker */
    unsigned buffer_count;
};

void cr_oldblocks_free(struct cr_oldblocks *blocks)
{
    if (blocks == NULL)
        return;
    for (unsigned i = 0; blocks->buffers != NULL && i < blocks->buffer_count; i++)
        free(blocks->buffers[i]);
    free(blocks->buffers);
    free(blocks->ids);
    free(blocks->slot_of);
    free(blocks->chunk_of);
    cr_idset_done(&blocks->set);
    free(blocks->names);
    free(blocks->table);
    free(blocks->samples);
    free(blocks);
}

void cr_oldblocks_cleanup(struct cr_oldblocks **blocks)
{
    cr_oldblocks_free(*blocks);
}

/* --- samples --------------------------------------------------------------------------------- */

/* Random words for the rolling hash; a fixed seed (Steele et al., splitmix64). */
static uint64_t gear[256];
static pthread_once_t gear_once = PTHREAD_ONCE_INIT;

static void gear_make(void)
{
    uint64_t state = 0x43617272656c3401U;
    for (unsigned i = 0; i < CR_ARRAY_LEN(gear); i++) {
        uint64_t z = (state += 0x9E3779B97F4A7C15U);
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
        z = (z ^ z >> 27) * 0x94D049BB133111EBU;
        gear[i] = z ^ z >> 31;
    }
}

#define GEAR_BYTES 32U /* two bits a byte: older ones are shifted out of 64 */

/*
 * The next sample of the bytes from *place on, as a hash of 32 bits that is never 0, or 0 at the
 * end. `*hash` rolls from call to call.
 */
static uint32_t sample_next(const uint8_t *data, size_t len, size_t *place, uint64_t *hash)
{
    uint64_t h = *hash;
    size_t i = *place;
    for (; i < len; i++) {
        h = (h << 2) + gear[data[i]];
        if (h >> (64 - SAMPLE_SHIFT) == 0 && i + 1 >= GEAR_BYTES)
            break;
    }
    *hash = h;
    *place = i + 1;
    if (i >= len)
        return 0;
    uint32_t key = (uint32_t)(h * 0x9E3779B97F4A7C15U >> 32);
    return key == 0 ? 1 : key;
}

/* The lowest chunk that has a sample keeps it, whichever thread comes first. */
static void sample_add(struct cr_oldblocks *blocks, uint32_t key, uint32_t chunk)
{
    uint64_t wanted = (uint64_t)key << 32 | (chunk + 1);
    for (uint64_t i = key, n = 0; n < SAMPLE_PROBES; i++, n++) {
        atomic_uint_fast64_t *slot = &blocks->samples[i & (blocks->samples_size - 1)];
        uint64_t found = atomic_load_explicit(slot, memory_order_relaxed);
        while (found == 0 || (found >> 32 == key && found > wanted))
            if (atomic_compare_exchange_weak(slot, &found, wanted))
                return;
        if (found >> 32 == key)
            return;
    }
}

static void samples_add(struct cr_oldblocks *blocks, const uint8_t *data, uint32_t chunk)
{
    uint64_t hash = 0;
    size_t place = 0;
    for (uint32_t key, last = 0; (key = sample_next(data, CR_CHUNK_BYTES, &place, &hash)) != 0;
         last = key)
        if (key != last)
            sample_add(blocks, key, chunk);
}

void cr_oldblocks_alike(const struct cr_oldblocks *blocks, const void *data, size_t len,
                        uint32_t *found, size_t room, size_t *count)
{
    uint64_t hash = 0;
    size_t place = 0;
    for (uint32_t key, last = 0; (key = sample_next(data, len, &place, &hash)) != 0; last = key) {
        if (key == last)
            continue;
        for (uint64_t i = key, n = 0; n < SAMPLE_PROBES; i++, n++) {
            uint64_t entry = atomic_load_explicit(&blocks->samples[i & (blocks->samples_size - 1)],
                                                  memory_order_relaxed);
            if (entry == 0)
                break;
            if (entry >> 32 != key)
                continue;
            if (*count < room)
                found[(*count)++] = (uint32_t)entry - 1;
            break;
        }
    }
}

/* --- blocks ---------------------------------------------------------------------------------- */

static void name_of(const void *data, struct half *ret_name)
{
    struct cr_id id;
    cr_hash(data, CR_BLOCK_BYTES, &id);
    memcpy(ret_name, id.bytes, sizeof(*ret_name));
}

static bool half_equal(const struct half *a, const struct half *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t table_place(const struct cr_oldblocks *blocks, const struct half *name)
{
    uint64_t hash;
    memcpy(&hash, name, sizeof(hash));
    return hash & (blocks->table_size - 1);
}

/* The entry of the table that holds the name, or the free one where it belongs. */
static uint32_t *table_find(const struct cr_oldblocks *blocks, const struct half *name)
{
    uint64_t i = table_place(blocks, name);
    while (blocks->table[i] != 0 && !half_equal(&blocks->names[blocks->table[i] - 1], name))
        i = (i + 1) & (blocks->table_size - 1);
    return &blocks->table[i];
}

static int piece_read(void *context, unsigned worker, uint64_t index, struct cr_error *err)
{
    struct cr_oldblocks *blocks = context;
    uint32_t first = (uint32_t)index * CR_DELTA_BATCH;
    uint32_t count =
        blocks->slots - first < CR_DELTA_BATCH ? blocks->slots - first : CR_DELTA_BATCH;
    struct cr_id ids[CR_DELTA_BATCH] = {0};
    uint8_t *plain = blocks->buffers[worker];
    for (uint32_t i = 0; i < count; i++)
        ids[i] = blocks->ids[first + i];
    int r = cr_delta_chunks_read(blocks->store, ids, count, plain, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *chunk = plain + (size_t)i * CR_CHUNK_BYTES;
        struct half *names = blocks->names + (size_t)(first + i) * CR_CHUNK_BLOCKS;
        for (uint32_t b = 0; b < CR_CHUNK_BLOCKS; b++)
            if (!cr_is_zero(chunk + b * CR_BLOCK_BYTES, CR_BLOCK_BYTES))
                name_of(chunk + b * CR_BLOCK_BYTES, &names[b]);
        samples_add(blocks, chunk, blocks->chunk_of[first + i]);
    }
    return 0;
}

static int slot_add(struct cr_oldblocks *blocks, uint32_t chunk, const struct cr_id *id)
{
    if (blocks->slots == blocks->room) {
        uint32_t room = blocks->room ? 2 * blocks->room : 4096;
        struct cr_id *ids = realloc(blocks->ids, room * sizeof(*ids));
        if (ids == NULL)
            return -ENOMEM;
        blocks->ids = ids;
        uint32_t *chunks = realloc(blocks->chunk_of, room * sizeof(*chunks));
        if (chunks == NULL)
            return -ENOMEM;
        blocks->chunk_of = chunks;
        blocks->room = room;
    }
    blocks->ids[blocks->slots] = *id;
    blocks->chunk_of[blocks->slots++] = chunk;
    blocks->slot_of[chunk] = blocks->slots;
    return cr_idset_add(&blocks->set, id) < 0 ? -ENOMEM : 0;
}

static int ids_load(struct cr_oldblocks *blocks, struct cr_version *old, struct cr_error *err)
{
    blocks->chunks = cr_version_chunks(old);
    if (blocks->chunks >= UINT32_MAX / CR_CHUNK_BLOCKS)
        return cr_error_set(err, -EFBIG, "deltas are made for disks of up to 16 TiB");
    blocks->slot_of = cr_calloc(blocks->chunks, sizeof(*blocks->slot_of));
    if (blocks->slot_of == NULL)
        return cr_error_errno(err, -ENOMEM, "indexing a version");
    for (uint64_t i = 0; i < blocks->chunks; i++) {
        struct cr_id id;
        int r = cr_version_chunk(old, i, &id, err);
        if (r < 0)
            return r;
        if (!cr_id_is_hole(&id) && slot_add(blocks, (uint32_t)i, &id) < 0)
            return cr_error_errno(err, -ENOMEM, "indexing a version");
    }
    return 0;
}

static uint64_t power_above(uint64_t least)
{
    uint64_t size = 1024;
    while (size < least)
        size *= 2;
    return size;
}

static int tables_make(struct cr_oldblocks *blocks, unsigned threads, struct cr_error *err)
{
    uint64_t count = (uint64_t)blocks->slots * CR_CHUNK_BLOCKS;
    blocks->table_size = power_above(count + count / 3);
    blocks->samples_size =
        power_above(((uint64_t)blocks->slots * CR_CHUNK_BYTES >> SAMPLE_SHIFT) * 5 / 4);
    blocks->names = cr_calloc(count, sizeof(*blocks->names));
    blocks->table = cr_calloc(blocks->table_size, sizeof(*blocks->table));
    blocks->samples = cr_calloc(blocks->samples_size, sizeof(*blocks->samples));
    blocks->buffers = cr_calloc(threads, sizeof(*blocks->buffers));
    bool whole = blocks->names != NULL && blocks->table != NULL && blocks->samples != NULL &&
                 blocks->buffers != NULL;
    for (unsigned i = 0; i < threads && whole; i++) {
        blocks->buffers[i] = malloc((size_t)CR_DELTA_BATCH * CR_CHUNK_BYTES);
        blocks->buffer_count = i + 1;
        whole = blocks->buffers[i] != NULL;
    }
    return whole ? 0 : cr_error_errno(err, -ENOMEM, "indexing a version");
}

/* In the order of the disk, so that of equal blocks the first one is found, on every run. */
static void table_fill(struct cr_oldblocks *blocks)
{
    static const struct half zeros;
    for (uint32_t i = 0; i < blocks->slots * CR_CHUNK_BLOCKS; i++) {
        uint32_t *entry = NULL;
        if (!half_equal(&blocks->names[i], &zeros))
            entry = table_find(blocks, &blocks->names[i]);
        if (entry != NULL && *entry == 0)
            *entry = i + 1;
    }
}

int cr_oldblocks_new(struct cr_store *store, struct cr_version *old, struct cr_delta_work *work,
                     struct cr_oldblocks **ret_blocks, struct cr_error *err)
{
    CLEANUP(cr_oldblocks_cleanup) struct cr_oldblocks *blocks = cr_calloc(1, sizeof(*blocks));
    if (blocks == NULL)
        return cr_error_errno(err, -ENOMEM, "indexing a version");
    pthread_once(&gear_once, gear_make);
    blocks->store = store;
    int r = ids_load(blocks, old, err);
    if (r == 0)
        r = tables_make(blocks, cr_delta_threads(work), err);
    if (r < 0)
        return r;
    work->total += (uint64_t)blocks->slots * CR_CHUNK_BYTES;
    r = cr_delta_run(work, (blocks->slots + CR_DELTA_BATCH - 1) / CR_DELTA_BATCH,
                     (uint64_t)CR_DELTA_BATCH * CR_CHUNK_BYTES, piece_read, blocks, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < blocks->buffer_count; i++) {
        free(blocks->buffers[i]);
        blocks->buffers[i] = NULL;
    }
    table_fill(blocks);
    *ret_blocks = TAKE_PTR(blocks);
    return 0;
}

uint64_t cr_oldblocks_find(const struct cr_oldblocks *blocks, const void *data, uint64_t preferred)
{
    struct half name;
    name_of(data, &name);
    if (preferred / CR_CHUNK_BLOCKS < blocks->chunks) {
        uint32_t slot = blocks->slot_of[preferred / CR_CHUNK_BLOCKS];
        if (slot > 0 &&
            half_equal(
                &name,
                &blocks->names[(size_t)(slot - 1) * CR_CHUNK_BLOCKS + preferred % CR_CHUNK_BLOCKS]))
            return preferred;
    }
    uint32_t entry = *table_find(blocks, &name);
    if (entry == 0)
        return CR_NO_BLOCK;
    return (uint64_t)blocks->chunk_of[(entry - 1) / CR_CHUNK_BLOCKS] * CR_CHUNK_BLOCKS +
           (entry - 1) % CR_CHUNK_BLOCKS;
}

bool cr_oldblocks_has_chunk(const struct cr_oldblocks *blocks, const struct cr_id *id)
{
    return cr_idset_has(&blocks->set, id);
}

const struct cr_id *cr_oldblocks_id(const struct cr_oldblocks *blocks, uint64_t chunk)
{
    static const struct cr_id hole;
    if (chunk >= blocks->chunks || blocks->slot_of[chunk] == 0)
        return &hole;
    return &blocks->ids[blocks->slot_of[chunk] - 1];
}
