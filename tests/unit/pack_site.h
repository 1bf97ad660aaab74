/* SPDX-License-Identifier: MIT */
/* A pack cache over a place that counts what it is asked for; for its tests. */
#pragma once

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/packcache.h"
#include "lib/store/packtouch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 6U /* of each pack */

/* --- a place underneath that counts and can be held up ------------------------------------- */

struct made {
    char name[CR_ID_HEX];
    struct cr_id id;
    struct cr_pack pack;
};

struct place {
    struct cr_blobs base;
    struct made *packs; /* borrowed */
    size_t count;
    atomic_uint reads, whole_reads;
    atomic_bool held; /* reads of whole packs do not return */
    bool closed;
};

static inline struct made *made_find(struct place *place, const char *name)
{
    for (size_t i = 0; i < place->count; i++)
        if (strcmp(place->packs[i].name, name) == 0)
            return &place->packs[i];
    return NULL;
}

static inline int place_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                             uint64_t *ret_bytes, struct cr_error *err)
{
    const struct made *made = made_find((struct place *)blobs, name);
    (void)space;
    if (made == NULL)
        return cr_error_errno(err, -ENOENT, "'%s'", name);
    *ret_bytes = made->pack.bytes.len;
    return 0;
}

static inline int place_read(struct cr_blobs *blobs, enum cr_space space, const char *name,
                             void *data, size_t len, uint64_t offset, struct cr_error *err)
{
    struct place *place = (struct place *)blobs;
    struct made *made = made_find(place, name);
    (void)space;
    atomic_fetch_add(&place->reads, 1);
    if (made == NULL)
        return cr_error_errno(err, -ENOENT, "'%s'", name);
    if (offset > made->pack.bytes.len || len > made->pack.bytes.len - offset)
        return cr_error_errno(err, -ENODATA, "'%s'", name);
    if (len == made->pack.bytes.len) {
        atomic_fetch_add(&place->whole_reads, 1);
        while (atomic_load(&place->held))
            sched_yield();
    }
    memcpy(data, made->pack.bytes.data + offset, len);
    return 0;
}

static inline int place_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                               struct cr_error *err)
{
    (void)blobs, (void)space, (void)name, (void)err;
    return 0;
}

static inline void place_close(struct cr_blobs *blobs)
{
    ((struct place *)blobs)->closed = true;
}

static const struct cr_blob_ops place_ops = {
    .close = place_close, .size = place_size, .read = place_read, .remove = place_remove};

/* --- a site: packs, a place, a cache over it ----------------------------------------------- */

struct site {
    struct place place;
    struct cr_blobs *cache;
    struct cr_packcache *handle;
    char folder[40];
};

static inline void pack_make(struct made *made, uint32_t seed)
{
    uint8_t plain[CR_CHUNK_BYTES], frame[CR_CHUNK_FRAME_MAX];
    cr_pack_init(&made->pack);
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t x = (seed * FRAMES + i + 1) * 2654435761U;
        for (size_t k = 0; k < sizeof(plain); k++) {
            x = x * 1664525U + 1013904223U;
            plain[k] = k < 2048 ? (uint8_t)(x >> 24) : 0;
        }
        struct cr_id id;
        size_t len = 0;
        cr_hash(plain, sizeof(plain), &id);
        assert_int_equal(cr_frame_encode(plain, sizeof(plain), frame, sizeof(frame), &len), 0);
        assert_int_equal(cr_pack_add(&made->pack, &id, frame, len), 0);
    }
    assert_int_equal(cr_pack_finish(&made->pack, &made->id), 0);
    cr_id_format(&made->id, made->name);
}

/* What a pack costs in the cache, a little more than its bytes. */
static inline uint64_t packs_cost(const struct site *site, uint64_t packs)
{
    return packs * (site->place.packs[0].pack.bytes.len + 1024);
}

static inline void site_open(struct site *site, uint64_t memory_packs, uint64_t folder_packs)
{
    struct cr_packcache_options options = {
        .memory_bytes = packs_cost(site, memory_packs),
        .folder = folder_packs > 0 ? site->folder : NULL,
        .folder_bytes = folder_packs * 20480,
    };
    struct cr_error err = {0};
    site->place.closed = false;
    if (cr_packcache_new(&site->place.base, &options, &site->cache, &site->handle, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void site_close(struct site *site)
{
    site->cache->ops->close(site->cache);
    assert_true(site->place.closed);
}

static inline void site_make(struct site *site, size_t packs)
{
    memset(site, 0, sizeof(*site));
    site->place.base.ops = &place_ops;
    site->place.packs = cr_calloc(packs, sizeof(*site->place.packs));
    site->place.count = packs;
    for (size_t i = 0; i < packs; i++)
        pack_make(&site->place.packs[i], (uint32_t)i);
    snprintf(site->folder, sizeof(site->folder), "/tmp/carrel-packs-XXXXXX");
    assert_non_null(mkdtemp(site->folder));
}

static inline void site_done(struct site *site)
{
    for (size_t i = 0; i < site->place.count; i++)
        cr_pack_done(&site->place.packs[i].pack);
    free(site->place.packs);
    cr_dir_remove(AT_FDCWD, site->folder);
}

/* Read frame `frame` of pack `pack` through the cache; it must be the right bytes. */
static inline void frame_read(struct site *site, size_t pack, uint32_t frame)
{
    const struct made *made = &site->place.packs[pack];
    const struct cr_pack_entry *entry = &made->pack.entries[frame];
    uint8_t data[CR_CHUNK_FRAME_MAX];
    struct cr_error err = {0};
    if (site->cache->ops->read(site->cache, CR_SPACE_PACKS, made->name, data, entry->frame_len,
                               entry->offset, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(data, made->pack.bytes.data + entry->offset, entry->frame_len);
}

/* Touch packs [from, to) in turn, a frame each. */
static inline void round_read(struct site *site, size_t from, size_t to, uint32_t frame)
{
    for (size_t i = from; i < to; i++)
        frame_read(site, i, frame);
}

/* Read packs [from, to) from beginning to end as a client that pulls a disk does. */
static inline void pull(struct site *site, size_t from, size_t to, uint32_t requests)
{
    for (size_t i = from; i < to; i++)
        for (uint32_t k = 0; k < requests; k++)
            frame_read(site, i, k % FRAMES);
}

static inline struct cr_packcache_stat stat_of(struct site *site)
{
    struct cr_packcache_stat stat;
    cr_packcache_stat(site->handle, &stat);
    return stat;
}

static inline void heat_all(struct site *site)
{
    round_read(site, 0, site->place.count, 0);
    round_read(site, 0, site->place.count, 1);
}
