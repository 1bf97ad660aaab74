/* SPDX-License-Identifier: MIT */
#include "lib/delta/delta.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/delta/group.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

/* Groups that stay unpacked: a seat asks for neighbours one after the other. */
#define GROUPS_KEPT 2U

/* A group, unpacked. */
struct unpacked {
    uint32_t number; /* of the group; UINT32_MAX = free */
    uint64_t used;   /* when last, for choosing which one goes */
    uint32_t recipe_count;
    struct cr_delta_recipe *recipes; /* owned */
    uint8_t *plain;                  /* owned */
    const uint8_t *literals;         /* in it */
};

struct cr_delta {
    struct cr_store *store;
    struct cr_delta_index index;
    uint64_t index_bytes;
    int dir_fd;            /* parts are kept there; -1 = nowhere */
    pthread_mutex_t mutex; /* over what follows */
    struct cr_buf part;    /* the last one that was fetched */
    uint32_t part_number;
    bool part_held;
    struct unpacked kept[GROUPS_KEPT];
    uint64_t clock;
    bool *bad; /* groups that gave nothing right: not tried again */
    struct cr_delta_counts counts;
};

static void unpacked_done(struct unpacked *group)
{
    free(group->recipes);
    free(group->plain);
    *group = (struct unpacked){.number = UINT32_MAX};
}

void cr_delta_close(struct cr_delta *delta)
{
    if (delta == NULL)
        return;
    for (unsigned i = 0; i < GROUPS_KEPT; i++)
        unpacked_done(&delta->kept[i]);
    cr_buf_done(&delta->part);
    cr_delta_index_done(&delta->index);
    free(delta->bad);
    pthread_mutex_destroy(&delta->mutex);
    free(delta);
}

void cr_delta_cleanup(struct cr_delta **delta)
{
    cr_delta_close(*delta);
}

static int index_load(struct cr_delta *delta, const struct cr_id *old_root,
                      const struct cr_id *new_root, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_store *store = delta->store;
    char name[CR_DELTA_NAME];
    cr_delta_index_name(old_root, new_root, name);
    if (store->ops->side_get == NULL)
        return cr_error_set(err, -ENOENT, "store '%s' keeps no deltas", store->uri);
    int r = store->ops->side_get(store, CR_SPACE_DELTAS, name, &bytes, err);
    if (r < 0)
        return r;
    r = cr_delta_index_parse(bytes.data, bytes.len, &delta->index, err);
    if (r < 0)
        return cr_error_prefix(err, r, "delta '%s' is corrupted", name);
    if (!cr_id_equal(&delta->index.old_root, old_root) ||
        !cr_id_equal(&delta->index.new_root, new_root))
        return cr_error_set(err, -EBADMSG, "delta '%s' is one of other versions", name);
    delta->index_bytes = bytes.len;
    delta->counts.delta_bytes = bytes.len;
    delta->bad = cr_calloc(delta->index.group_count, sizeof(*delta->bad));
    return delta->bad == NULL ? cr_error_errno(err, -ENOMEM, "opening a delta") : 0;
}

int cr_delta_open(struct cr_store *store, const struct cr_id *old_root,
                  const struct cr_id *new_root, struct cr_delta **ret_delta, struct cr_error *err)
{
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = cr_calloc(1, sizeof(*delta));
    if (delta == NULL)
        return cr_error_errno(err, -ENOMEM, "opening a delta");
    delta->store = store;
    delta->dir_fd = -1;
    pthread_mutex_init(&delta->mutex, NULL);
    cr_buf_init(&delta->part, CR_SIDE_BYTES_MAX);
    for (unsigned i = 0; i < GROUPS_KEPT; i++)
        delta->kept[i].number = UINT32_MAX;
    int r = index_load(delta, old_root, new_root, err);
    if (r < 0)
        return r;
    *ret_delta = TAKE_PTR(delta);
    return 0;
}

void cr_delta_rest(struct cr_delta *delta)
{
    pthread_mutex_lock(&delta->mutex);
    for (unsigned i = 0; i < GROUPS_KEPT; i++)
        unpacked_done(&delta->kept[i]);
    delta->part_held = false;
    cr_buf_done(&delta->part);
    pthread_mutex_unlock(&delta->mutex);
}

void cr_delta_keep_in(struct cr_delta *delta, int dir_fd)
{
    delta->dir_fd = dir_fd;
}

const struct cr_delta_index *cr_delta_index(const struct cr_delta *delta)
{
    return &delta->index;
}

uint64_t cr_delta_bytes(const struct cr_delta *delta)
{
    uint64_t bytes = delta->index_bytes;
    for (uint32_t i = 0; i < delta->index.part_count; i++)
        bytes += delta->index.parts[i].bytes;
    return bytes;
}

/* --- groups, with the mutex held ------------------------------------------------------------- */

static bool part_is_right(const struct cr_delta *delta, uint32_t number)
{
    struct cr_id found;
    cr_hash(delta->part.data, delta->part.len, &found);
    return delta->part.len == delta->index.parts[number].bytes &&
           cr_id_equal(&found, &delta->index.parts[number].hash);
}

/* Nothing is synced: a part that a power cut tore does not hash to its name. */
static void part_keep(const struct cr_delta *delta, const char *name)
{
    CLEANUP_CLOSE int fd =
        openat(delta->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && cr_pwrite_full(fd, delta->part.data, delta->part.len, 0) < 0)
        unlinkat(delta->dir_fd, name, 0);
}

static int part_fetch(struct cr_delta *delta, uint32_t number, struct cr_error *err)
{
    char name[CR_DELTA_NAME];
    cr_delta_part_name(&delta->index.old_root, &delta->index.new_root, number, name);
    delta->part.len = 0;
    int r = cr_buf_reserve(&delta->part, delta->index.parts[number].bytes);
    if (r < 0)
        return cr_error_errno(err, r, "reading part '%s' of a delta", name);
    r = delta->store->ops->side_get(delta->store, CR_SPACE_DELTAS, name, &delta->part, err);
    if (r < 0)
        return r;
    delta->counts.delta_bytes += delta->part.len;
    if (!part_is_right(delta, number))
        return cr_error_set(err, -EBADMSG, "part '%s' of a delta is corrupted", name);
    return 0;
}

static int part_load(struct cr_delta *delta, uint32_t number, struct cr_error *err)
{
    char hex[CR_ID_HEX];
    if (delta->part_held && delta->part_number == number)
        return 0;
    delta->part_held = false;
    delta->part.len = 0;
    cr_id_format(&delta->index.parts[number].hash, hex);
    bool kept = delta->dir_fd >= 0 && cr_file_read(delta->dir_fd, hex, &delta->part) == 0 &&
                part_is_right(delta, number);
    if (!kept) {
        int r = part_fetch(delta, number, err);
        if (r < 0)
            return r;
        if (delta->dir_fd >= 0)
            part_keep(delta, hex);
    }
    delta->part_held = true;
    delta->part_number = number;
    return 0;
}

/* What is kept as a file need not stay in memory, too. */
static void part_drop(struct cr_delta *delta)
{
    if (delta->dir_fd < 0)
        return;
    delta->part_held = false;
    cr_buf_done(&delta->part);
}

/*
 * A chunk of the prefix that is not at hand is taken as zeros: that spoils what refers to it, which
 * is found out chunk by chunk, and mostly is little of the group.
 */
static int prefix_load(const struct cr_delta_group_head *head, cr_delta_read_old *read_old,
                       void *context, uint8_t *prefix, struct cr_error *err)
{
    for (uint32_t i = 0; i < head->extent_count; i++) {
        for (uint32_t n = 0; n < head->extents[i].count; n++) {
            int r = read_old(context, (head->extents[i].first + n) * CR_CHUNK_BLOCKS,
                             CR_CHUNK_BLOCKS, prefix, err);
            if (r == -ENOENT)
                memset(prefix, 0, CR_CHUNK_BYTES);
            else if (r < 0)
                return r;
            prefix += CR_CHUNK_BYTES;
        }
    }
    return 0;
}

static int recipes_read(const struct cr_delta *delta, const struct cr_delta_group *group,
                        const struct cr_delta_group_head *head, struct unpacked *unpacked,
                        struct cr_error *err)
{
    struct cr_delta_reader reader;
    cr_delta_reader_init(&reader, head, unpacked->plain, group->first, group->chunks,
                         delta->index.old_bytes, delta->index.new_bytes);
    unpacked->literals = unpacked->plain + head->instruction_bytes;
    unpacked->recipes = cr_calloc(group->chunks, sizeof(*unpacked->recipes));
    if (unpacked->recipes == NULL)
        return cr_error_errno(err, -ENOMEM, "unpacking a group of a delta");
    int r = 1;
    while (unpacked->recipe_count < group->chunks && r > 0) {
        r = cr_delta_reader_next(&reader, &unpacked->recipes[unpacked->recipe_count], err);
        unpacked->recipe_count += r > 0;
    }
    struct cr_delta_recipe none;
    return r < 0 ? r : cr_delta_reader_next(&reader, &none, err);
}

static int group_unpack(struct cr_delta *delta, const struct cr_delta_group *group,
                        cr_delta_read_old *read_old, void *context, struct unpacked *unpacked,
                        struct cr_error *err)
{
    CLEANUP_FREE uint8_t *prefix = NULL;
    CLEANUP_FREE struct cr_delta_group_head *head = cr_calloc(1, sizeof(*head));
    int r = part_load(delta, group->part, err);
    if (r == -ENOENT) /* an index without its part; unlike an old block, it will not come */
        return cr_error_prefix(err, -EBADMSG, "the delta is not whole");
    if (r < 0)
        return r;
    if (head == NULL)
        return cr_error_errno(err, -ENOMEM, "unpacking a group of a delta");
    r = cr_delta_group_parse(delta->part.data + group->offset, group->bytes,
                             cr_disk_chunks(delta->index.old_bytes), head, err);
    if (r < 0)
        return r;
    prefix = malloc(cr_delta_prefix_bytes(head) + 1);
    unpacked->plain = malloc(cr_delta_plain_bytes(head));
    if (prefix == NULL || unpacked->plain == NULL)
        return cr_error_errno(err, -ENOMEM, "unpacking a group of a delta");
    r = prefix_load(head, read_old, context, prefix, err);
    if (r == 0)
        r = cr_delta_group_unpack(head, prefix, unpacked->plain, err);
    return r == 0 ? recipes_read(delta, group, head, unpacked, err) : r;
}

/* The group, unpacked: one that is kept, or in the place of the one that was used longest ago. */
static int group_get(struct cr_delta *delta, uint32_t number, cr_delta_read_old *read_old,
                     void *context, struct unpacked **ret_group, struct cr_error *err)
{
    struct unpacked *place = &delta->kept[0];
    for (unsigned i = 0; i < GROUPS_KEPT; i++) {
        struct unpacked *kept = &delta->kept[i];
        if (kept->number == number) {
            kept->used = ++delta->clock;
            *ret_group = kept;
            return 0;
        }
        if (kept->used < place->used)
            place = kept;
    }
    unpacked_done(place);
    int r = group_unpack(delta, &delta->index.groups[number], read_old, context, place, err);
    part_drop(delta);
    if (r != 0) {
        unpacked_done(place);
        return r;
    }
    place->number = number;
    place->used = ++delta->clock;
    *ret_group = place;
    return 0;
}

static const struct cr_delta_recipe *recipe_find(const struct unpacked *group, uint64_t chunk)
{
    uint32_t low = 0, high = group->recipe_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (group->recipes[middle].chunk < chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->recipe_count && group->recipes[low].chunk == chunk ? &group->recipes[low]
                                                                           : NULL;
}

/* The recipe of a chunk and its group, unpacked. */
static int recipe_get(struct cr_delta *delta, uint64_t chunk, cr_delta_read_old *read_old,
                      void *context, const struct cr_delta_recipe **ret_recipe,
                      const struct unpacked **ret_group, struct cr_error *err)
{
    const struct cr_delta_group *group = cr_delta_index_find(&delta->index, chunk);
    struct unpacked *unpacked = NULL;
    if (group == NULL)
        return cr_error_set(err, -ENOENT, "the delta does not make chunk %" PRIu64, chunk);
    uint32_t number = (uint32_t)(group - delta->index.groups);
    if (delta->bad[number])
        return cr_error_set(err, -EBADMSG, "this stretch of the delta was found corrupted before");
    int r = group_get(delta, number, read_old, context, &unpacked, err);
    if (r == -EBADMSG)
        delta->bad[number] = true;
    if (r < 0)
        return r;
    const struct cr_delta_recipe *recipe = unpacked == NULL ? NULL : recipe_find(unpacked, chunk);
    if (recipe == NULL)
        return cr_error_set(err, -ENOENT, "the delta does not make chunk %" PRIu64, chunk);
    *ret_group = unpacked;
    *ret_recipe = recipe;
    return 0;
}

/* Zeros and literals are laid down now; copies are what is left to do without the mutex. */
static int recipe_begin(struct cr_delta *delta, uint64_t chunk, cr_delta_read_old *read_old,
                        void *context, struct cr_delta_recipe *ret_recipe, uint8_t *out,
                        struct cr_error *err)
{
    const struct cr_delta_recipe *recipe = NULL;
    const struct unpacked *group = NULL;
    int r = recipe_get(delta, chunk, read_old, context, &recipe, &group, err);
    if (r < 0 || recipe == NULL || group == NULL)
        return r;
    for (uint32_t i = 0; i < recipe->op_count; i++) {
        const struct cr_delta_op *op = &recipe->ops[i];
        size_t len = (size_t)op->blocks * CR_BLOCK_BYTES;
        if (op->kind == CR_DELTA_ZERO)
            memset(out, 0, len);
        else if (op->kind == CR_DELTA_LITERAL)
            memcpy(out, group->literals + op->source * CR_BLOCK_BYTES, len);
        out += len;
    }
    *ret_recipe = *recipe;
    return 0;
}

/* --- chunks ---------------------------------------------------------------------------------- */

static int chunk_make(struct cr_delta *delta, uint64_t chunk, const struct cr_id *id,
                      cr_delta_read_old *read_old, void *context, uint8_t *bytes,
                      struct cr_error *err)
{
    struct cr_delta_recipe recipe = {0};
    struct cr_id found;
    char hex[CR_ID_HEX];
    pthread_mutex_lock(&delta->mutex);
    int r = recipe_begin(delta, chunk, read_old, context, &recipe, bytes, err);
    pthread_mutex_unlock(&delta->mutex);
    uint8_t *out = bytes;
    for (uint32_t i = 0; r == 0 && i < recipe.op_count; i++) {
        const struct cr_delta_op *op = &recipe.ops[i];
        if (op->kind == CR_DELTA_SAME || op->kind == CR_DELTA_COPY)
            r = read_old(context, op->source, op->blocks, out, err);
        out += (size_t)op->blocks * CR_BLOCK_BYTES;
    }
    if (r < 0)
        return r;
    cr_hash(bytes, cr_chunk_bytes(delta->index.new_bytes, chunk), &found);
    if (!cr_id_equal(&found, id))
        return cr_error_set(err, -EBADMSG, "the delta gives other bytes than those of chunk '%s'",
                            cr_id_format(id, hex));
    return 0;
}

int cr_delta_chunk(struct cr_delta *delta, uint64_t chunk, const struct cr_id *id,
                   cr_delta_read_old *read_old, void *context, void *plain, struct cr_error *err)
{
    uint8_t bytes[CR_CHUNK_BYTES];
    if (chunk >= cr_disk_chunks(delta->index.new_bytes))
        return cr_error_set(err, -ENOENT, "chunk %" PRIu64 " is behind the end of the disk", chunk);
    int r = chunk_make(delta, chunk, id, read_old, context, bytes, err);
    if (r < 0)
        return r;
    memcpy(plain, bytes, cr_chunk_bytes(delta->index.new_bytes, chunk));
    pthread_mutex_lock(&delta->mutex);
    delta->counts.delta_chunks++;
    pthread_mutex_unlock(&delta->mutex);
    return 0;
}

int cr_delta_fetch(struct cr_delta *delta, struct cr_store *store, uint64_t chunk,
                   const struct cr_id *id, size_t chunk_len, cr_delta_read_old *read_old,
                   void *context, void *plain, struct cr_error *err)
{
    if (delta != NULL && chunk < cr_disk_chunks(delta->index.new_bytes) &&
        chunk_len == cr_chunk_bytes(delta->index.new_bytes, chunk)) {
        int r = cr_delta_chunk(delta, chunk, id, read_old, context, plain, err);
        if (r == 0 || r == -ENOMEM)
            return r;
    }
    int r = cr_store_chunk_read(store, id, plain, chunk_len, err);
    if (r == 0 && delta != NULL) {
        pthread_mutex_lock(&delta->mutex);
        delta->counts.full_chunks++;
        delta->counts.full_bytes += chunk_len;
        pthread_mutex_unlock(&delta->mutex);
    }
    return r;
}

void cr_delta_counts(struct cr_delta *delta, struct cr_delta_counts *ret_counts)
{
    pthread_mutex_lock(&delta->mutex);
    *ret_counts = delta->counts;
    pthread_mutex_unlock(&delta->mutex);
}
