/* SPDX-License-Identifier: MIT */
/*
 * Read random chunks of a store in Ceph, 16 at a time, each chunk once:
 *
 *   radosread raw|raw-open|frames|chunks URI COUNT
 *
 * `raw` reads their frames as ranges of packs with librados alone and does nothing with them,
 * `raw-open` also decompresses and hashes each. `frames` asks the store for the frames, as chunkd
 * does (seats verify what arrives); `chunks` for plain verified chunks, as the NBD plugin does.
 * Prints seconds and bytes of frames.
 */
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/pool.h"
#include "lib/image/pack.h"
#include "lib/rados/cluster.h"
#include "lib/rados/rados.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#define DEPTH 16

struct target {
    char pack[CR_ID_HEX];
    struct cr_pack_entry entry;
};

struct work {
    struct target *targets;
    size_t count, capacity;
    struct cr_rados *rados;
    struct cr_store *store;
    bool open;
    atomic_size_t next;
    atomic_int failed;
};

static int fail(const char *sentence)
{
    fprintf(stderr, "radosread: %s\n", sentence);
    return EXIT_FAILURE;
}

static int pack_add(void *context, const char *name)
{
    struct work *work = context;
    struct cr_blobs *blobs = &work->rados->base;
    CLEANUP_FREE uint8_t *footer = malloc(CR_PACK_FOOTER_MAX);
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    struct cr_id id;
    uint64_t size;
    uint32_t count = 0;
    uint8_t end[CR_PACK_TRAILER_BYTES];
    if (footer == NULL || cr_id_parse(name, strlen(name), &id) < 0 ||
        cr_rados_size(blobs, CR_SPACE_PACKS, name, &size, NULL) < 0 ||
        cr_rados_read(blobs, CR_SPACE_PACKS, name, end, sizeof(end), size - sizeof(end), NULL) < 0)
        return -EIO;
    size_t len = cr_pack_footer_bytes(end);
    if (len == 0 || cr_rados_read(blobs, CR_SPACE_PACKS, name, footer, len, size - len, NULL) < 0 ||
        cr_pack_footer_parse(footer, len, &id, size, &entries, &count, NULL) < 0)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        if (work->count == work->capacity) {
            work->capacity = work->capacity ? 2 * work->capacity : 4096;
            void *grown = realloc(work->targets, work->capacity * sizeof(*work->targets));
            if (grown == NULL)
                return -ENOMEM;
            work->targets = grown;
        }
        struct target *target = &work->targets[work->count++];
        snprintf(target->pack, sizeof(target->pack), "%s", name);
        target->entry = entries[i];
    }
    return 0;
}

/* The same order in every run. */
static void shuffle(struct work *work)
{
    uint64_t x = 42;
    for (size_t i = work->count; i > 1; i--) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t j = (x >> 33) % i;
        struct target other = work->targets[i - 1];
        work->targets[i - 1] = work->targets[j];
        work->targets[j] = other;
    }
}

/* Decompress and hash with nothing around it. */
static int raw_open(const struct target *target, const uint8_t *frame)
{
    static uint8_t plain[CR_CHUNK_BYTES];
    size_t len = ZSTD_decompress(plain, sizeof(plain), frame, target->entry.frame_len);
    struct cr_id id;
    if (ZSTD_isError(len))
        return -EBADMSG;
    cr_hash(plain, len, &id);
    return cr_id_equal(&id, &target->entry.id) ? 0 : -EBADMSG;
}

static int raw_read(struct work *work)
{
    const struct cr_rados_api *api = work->rados->api;
    rados_completion_t done[DEPTH];
    rados_read_op_t ops[DEPTH];
    static uint8_t frames[DEPTH][CR_CHUNK_FRAME_MAX];
    static size_t got[DEPTH];
    static int results[DEPTH];
    for (size_t i = 0; i < work->count + DEPTH; i++) {
        size_t slot = i % DEPTH;
        if (i >= DEPTH) {
            api->aio_wait_for_complete(done[slot]);
            int r = api->aio_get_return_value(done[slot]);
            api->aio_release(done[slot]);
            api->release_read_op(ops[slot]);
            if (r < 0 || got[slot] != work->targets[i - DEPTH].entry.frame_len)
                return -EIO;
            if (work->open && raw_open(&work->targets[i - DEPTH], frames[slot]) < 0)
                return -EBADMSG;
        }
        if (i >= work->count)
            continue;
        const struct target *target = &work->targets[i];
        ops[slot] = api->create_read_op();
        api->read_op_read(ops[slot], target->entry.offset, target->entry.frame_len,
                          (char *)frames[slot], &got[slot], &results[slot]);
        if (api->aio_create_completion2(NULL, NULL, &done[slot]) < 0 ||
            api->aio_read_op_operate(ops[slot], work->rados->spaces[CR_SPACE_PACKS], done[slot],
                                     target->pack, 0) < 0)
            return -EIO;
    }
    return 0;
}

static int frame_take(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    (void)index;
    (void)frame;
    (void)err;
    return result == 0 && frame_len == ((struct target *)context)->entry.frame_len ? 0 : -EIO;
}

static void store_reader(void *argument)
{
    struct work *work = argument;
    struct cr_store *store = work->store;
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    for (size_t i; plain != NULL && (i = atomic_fetch_add(&work->next, 1)) < work->count;) {
        struct target *target = &work->targets[i];
        const struct cr_id *id = &target->entry.id;
        int r = work->open ? cr_store_chunk_read(store, id, plain, CR_CHUNK_BYTES, NULL)
                           : store->ops->chunks_get(store, id, 1, frame_take, target, NULL);
        if (r < 0)
            atomic_store(&work->failed, 1);
    }
}

static int store_read(struct work *work)
{
    struct cr_pool *pool = NULL;
    if (cr_pool_new(DEPTH, DEPTH, &pool) < 0)
        return -ENOMEM;
    for (int i = 0; i < DEPTH; i++)
        cr_pool_submit(pool, store_reader, work);
    cr_pool_free(pool);
    return atomic_load(&work->failed) ? -EIO : 0;
}

/* The store's index is there before the clock runs. */
static int store_warm(struct work *work)
{
    CLEANUP_FREE uint8_t *plain = malloc(CR_CHUNK_BYTES);
    const struct cr_id *last = &work->targets[work->count].entry.id;
    return plain == NULL ? -ENOMEM
                         : cr_store_chunk_read(work->store, last, plain, CR_CHUNK_BYTES, NULL);
}

int main(int argc, char **argv)
{
    struct work work = {0};
    struct cr_error err = {0};
    uint64_t count, bytes = 0;
    struct timespec begin, end;
    if (argc != 4 || strncmp(argv[2], "rados:", 6) != 0 ||
        cr_u64_parse(argv[3], UINT32_MAX, &count) < 0)
        return fail("usage: radosread raw|raw-open|frames|chunks rados:... COUNT");
    cr_rados_register();
    if (cr_rados_open(argv[2] + 6, &work.rados, &err) < 0 ||
        cr_rados_list(&work.rados->base, CR_SPACE_PACKS, pack_add, &work, &err) != 0 ||
        cr_store_open(argv[2], &work.store, &err) < 0)
        return fail(err.text);
    shuffle(&work);
    if (work.count <= count)
        return fail("the store has too few chunks");
    work.count = count;
    bool raw = strncmp(argv[1], "raw", 3) == 0;
    work.open = strcmp(argv[1], "raw-open") == 0 || strcmp(argv[1], "chunks") == 0;
    if (!raw && store_warm(&work) < 0)
        return fail("a chunk cannot be read");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int r = raw ? raw_read(&work) : store_read(&work);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (r < 0)
        return fail("a chunk cannot be read");
    for (size_t i = 0; i < work.count; i++)
        bytes += work.targets[i].entry.frame_len;
    printf("%.3f %llu\n",
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
           (unsigned long long)bytes);
    cr_store_close(work.store);
    cr_rados_disconnect(work.rados);
    free(work.targets);
    return 0;
}
