/* SPDX-License-Identifier: MIT */
#include "lib/store/mem.h"

#include "lib/base/mem.h"
#include "lib/store/blobs.h"

#include <errno.h>
#include <pthread.h>

struct blob {
    struct blob *next;
    enum cr_space space;
    char name[CR_BLOB_NAME_MAX + 1];
    uint8_t *data;
    size_t len;
    uint64_t generation; /* of its mark; 0 = not marked */
    int64_t marked_s;
};

struct cr_store_lock {
    struct cr_store_lock *next;
    char name[CR_BLOB_NAME_MAX + 1];
    uint64_t seen;
};

#define BUCKETS 1024

struct mem_blobs {
    struct cr_blobs base;
    pthread_mutex_t mutex;
    struct blob *buckets[BUCKETS];
    struct cr_store_lock *locks;
};

static struct mem_blobs *mem_of(struct cr_blobs *blobs)
{
    return (struct mem_blobs *)blobs;
}

static struct blob **find(struct mem_blobs *mem, enum cr_space space, const char *name)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    struct blob **link = &mem->buckets[(hash + (uint32_t)space) % BUCKETS];
    while (*link != NULL && ((*link)->space != space || strcmp((*link)->name, name) != 0))
        link = &(*link)->next;
    return link;
}

static int mem_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    uint64_t *ret_bytes, struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob *blob = *find(mem, space, name);
    if (blob != NULL)
        *ret_bytes = blob->len;
    pthread_mutex_unlock(&mem->mutex);
    return blob != NULL ? 0 : cr_error_errno(err, -ENOENT, "'%s/%s'", cr_space_names[space], name);
}

static int mem_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                    size_t len, uint64_t offset, struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    int r = 0;
    pthread_mutex_lock(&mem->mutex);
    struct blob *blob = *find(mem, space, name);
    if (blob == NULL)
        r = -ENOENT;
    else if (offset > blob->len || len > blob->len - offset)
        r = -ENODATA;
    else if (len > 0)
        memcpy(data, blob->data + offset, len);
    pthread_mutex_unlock(&mem->mutex);
    return r < 0 ? cr_error_errno(err, r, "'%s/%s'", cr_space_names[space], name) : 0;
}

/* What a listing hands out, copied, because the sink may call back. */
struct listed {
    enum cr_space space;
    char name[CR_BLOB_NAME_MAX + 1];
    uint64_t generation; /* of its mark, or what its lease has seen */
    int64_t marked_s;
};

struct listing {
    struct listed *items;
    size_t count, room;
};

static int listing_add(struct listing *listing, const struct listed *item)
{
    if (listing->count == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 64;
        struct listed *grown = realloc(listing->items, room * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        listing->items = grown;
        listing->room = room;
    }
    listing->items[listing->count++] = *item;
    return 0;
}

static void listing_done(struct listing *listing)
{
    free(listing->items);
}

/* The blobs of a space, or with CR_SPACE_COUNT the marked ones of all. */
static int blobs_copy(struct mem_blobs *mem, enum cr_space space, struct listing *listing)
{
    int r = 0;
    pthread_mutex_lock(&mem->mutex);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct blob *blob = mem->buckets[i]; blob != NULL && r == 0; blob = blob->next) {
            struct listed item = {
                .space = blob->space, .generation = blob->generation, .marked_s = blob->marked_s};
            memcpy(item.name, blob->name, sizeof(item.name));
            if (space == CR_SPACE_COUNT ? blob->generation != 0 : blob->space == space)
                r = listing_add(listing, &item);
        }
    }
    pthread_mutex_unlock(&mem->mutex);
    return r;
}

static int mem_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                    struct cr_error *err)
{
    CLEANUP(listing_done) struct listing listing = {0};
    int r = blobs_copy(mem_of(blobs), space, &listing);
    if (r < 0)
        return cr_error_errno(err, r, "listing '%s'", cr_space_names[space]);
    for (size_t i = 0; i < listing.count && r == 0; i++)
        r = sink(context, listing.items[i].name);
    return r;
}

/* Put `data` into the blob at `link`, made if absent. */
static int store_bytes(struct blob **link, enum cr_space space, const char *name, const void *data,
                       size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (copy == NULL)
        return -ENOMEM;
    if (*link == NULL) {
        struct blob *blob = cr_calloc(1, sizeof(*blob));
        if (blob == NULL) {
            free(copy);
            return -ENOMEM;
        }
        blob->space = space;
        snprintf(blob->name, sizeof(blob->name), "%s", name);
        *link = blob;
    }
    memcpy(copy, data, len);
    free((*link)->data);
    (*link)->data = copy;
    (*link)->len = len;
    return 0;
}

static int mem_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
                   size_t len, struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob **link = find(mem, space, name);
    int r = store_bytes(link, space, name, data, len);
    if (r == 0)
        (*link)->generation = 0;
    pthread_mutex_unlock(&mem->mutex);
    return r < 0 ? cr_error_errno(err, r, "writing '%s/%s'", cr_space_names[space], name) : 0;
}

/* Take the blob at `link` out of its chain. */
static void blob_drop(struct blob **link)
{
    struct blob *blob = *link;
    *link = blob->next;
    free(blob->data);
    free(blob);
}

static int mem_remove(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob **link = find(mem, space, name);
    int r = *link == NULL ? -ENOENT : 0;
    if (r == 0)
        blob_drop(link);
    pthread_mutex_unlock(&mem->mutex);
    return r < 0 ? cr_error_errno(err, r, "removing '%s/%s'", cr_space_names[space], name) : 0;
}

static int mem_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    (void)blobs;
    (void)err;
    return 0;
}

static int mem_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                    struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    struct cr_store_lock *lock = cr_calloc(1, sizeof(*lock));
    if (lock == NULL)
        return cr_error_errno(err, -ENOMEM, "locking image '%s'", name);
    snprintf(lock->name, sizeof(lock->name), "%s", name);
    int r = 0;
    pthread_mutex_lock(&mem->mutex);
    for (struct cr_store_lock *held = mem->locks; held != NULL; held = held->next)
        if (strcmp(held->name, name) == 0)
            r = -EBUSY;
    if (r == 0) {
        lock->next = mem->locks;
        mem->locks = lock;
    }
    pthread_mutex_unlock(&mem->mutex);
    if (r < 0) {
        free(lock);
        return strcmp(name, CR_LOCK_COLLECTOR) == 0
                   ? cr_error_set(err, r, "the store is being collected by somebody else")
                   : cr_error_set(err, r, "image '%s' is being written by somebody else", name);
    }
    *ret_lock = lock;
    return 0;
}

static void mem_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct cr_store_lock **link = &mem->locks;
    while (*link != lock)
        link = &(*link)->next;
    *link = lock->next;
    pthread_mutex_unlock(&mem->mutex);
    free(lock);
}

static int mem_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                         struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    (void)err;
    pthread_mutex_lock(&mem->mutex);
    lock->seen = generation;
    pthread_mutex_unlock(&mem->mutex);
    return 0;
}

static int mem_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context,
                      struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    CLEANUP(listing_done) struct listing listing = {0};
    int r = 0;
    pthread_mutex_lock(&mem->mutex);
    for (struct cr_store_lock *held = mem->locks; held != NULL && r == 0; held = held->next) {
        struct listed item = {.generation = held->seen};
        memcpy(item.name, held->name, sizeof(item.name));
        r = listing_add(&listing, &item);
    }
    pthread_mutex_unlock(&mem->mutex);
    if (r < 0)
        return cr_error_errno(err, r, "listing who publishes");
    for (size_t i = 0; i < listing.count && r == 0; i++)
        r = sink(context, listing.items[i].name, listing.items[i].generation);
    return r;
}

static int mem_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                       const struct cr_id *expected, const void *data, size_t len,
                       struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob **link = find(mem, space, name);
    bool same = (*link == NULL) == (expected == NULL);
    if (same && *link != NULL) {
        struct cr_id found;
        cr_hash((*link)->data, (*link)->len, &found);
        same = cr_id_equal(&found, expected);
    }
    int r = same ? store_bytes(link, space, name, data, len) : -EAGAIN;
    pthread_mutex_unlock(&mem->mutex);
    return r < 0 ? cr_error_errno(err, r, "writing '%s/%s'", cr_space_names[space], name) : 0;
}

/* --- marks ----------------------------------------------------------------------------------- */

static int mem_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob *blob = *find(mem, mark->space, mark->name);
    if (blob != NULL) {
        blob->generation = mark->generation;
        blob->marked_s = mark->marked_s;
    }
    pthread_mutex_unlock(&mem->mutex);
    return blob != NULL ? 0
                        : cr_error_errno(err, -ENOENT, "marking '%s/%s'",
                                         cr_space_names[mark->space], mark->name);
}

static int mem_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    (void)err;
    pthread_mutex_lock(&mem->mutex);
    struct blob *blob = *find(mem, space, name);
    if (blob != NULL)
        blob->generation = 0;
    pthread_mutex_unlock(&mem->mutex);
    return 0;
}

static int mem_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context,
                     struct cr_error *err)
{
    CLEANUP(listing_done) struct listing listing = {0};
    int r = blobs_copy(mem_of(blobs), CR_SPACE_COUNT, &listing);
    if (r < 0)
        return cr_error_errno(err, r, "listing what is condemned");
    for (size_t i = 0; i < listing.count && r == 0; i++) {
        struct listed *item = &listing.items[i];
        struct cr_mark mark = {.space = item->space,
                               .name = item->name,
                               .generation = item->generation,
                               .marked_s = item->marked_s};
        r = sink(context, &mark);
    }
    return r;
}

static int mem_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                             uint64_t generation, struct cr_error *err)
{
    struct mem_blobs *mem = mem_of(blobs);
    pthread_mutex_lock(&mem->mutex);
    struct blob **link = find(mem, space, name);
    bool stands = *link != NULL && (*link)->generation == generation && generation != 0;
    if (stands)
        blob_drop(link);
    pthread_mutex_unlock(&mem->mutex);
    return stands ? 0
                  : cr_error_set(err, -EAGAIN, "'%s/%s' is not condemned any more",
                                 cr_space_names[space], name);
}

static void mem_close(struct cr_blobs *blobs)
{
    struct mem_blobs *mem = mem_of(blobs);
    for (size_t i = 0; i < BUCKETS; i++)
        while (mem->buckets[i] != NULL)
            blob_drop(&mem->buckets[i]);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

static const struct cr_blob_ops mem_ops = {
    .close = mem_close,
    .size = mem_size,
    .read = mem_read,
    .list = mem_list,
    .put = mem_put,
    .remove = mem_remove,
    .sync = mem_sync,
    .lock = mem_lock,
    .lock_seen = mem_lock_seen,
    .unlock = mem_unlock,
    .leases = mem_leases,
    .replace = mem_replace,
    .mark = mem_mark,
    .unmark = mem_unmark,
    .marks = mem_marks,
    .remove_marked = mem_remove_marked,
};

int cr_mem_blobs_new(struct cr_blobs **ret_blobs)
{
    struct mem_blobs *mem = cr_calloc(1, sizeof(*mem));
    if (mem == NULL)
        return -ENOMEM;
    mem->base.ops = &mem_ops;
    pthread_mutex_init(&mem->mutex, NULL);
    *ret_blobs = &mem->base;
    return 0;
}

int cr_mem_store_open(const char *rest, struct cr_store **ret_store, struct cr_error *err)
{
    struct cr_blobs *blobs = NULL;
    (void)rest;
    if (cr_mem_blobs_new(&blobs) < 0)
        return cr_error_errno(err, -ENOMEM, "opening a store in memory");
    return cr_packstore_new(blobs, ret_store, err);
}
