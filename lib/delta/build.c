/* SPDX-License-Identifier: MIT */
#include "lib/delta/build.h"

#include "lib/base/mem.h"
#include "lib/delta/index.h"
#include "lib/delta/prefix.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#define GROUP_LITERALS 512U /* 2 MiB: what a seat unpacks for one chunk, at worst */
#define PREFIX_CHUNKS  64U  /* 4 MiB */
#define PART_TARGET    (1 * CR_MIB)

/* What one worker needs for one group after the other. */
struct lane {
    struct cr_delta_packer *packer;
    struct cr_buf plain, prefix, group;
    uint8_t *chunks; /* CR_DELTA_BATCH of them */
};

struct build {
    struct cr_store *store;
    struct cr_version *old, *new_version;
    const struct cr_oldblocks *blocks;
    const struct cr_matches *matches;
    uint32_t prefix_chunks;
    int level;
    struct lane *lanes;
    unsigned lane_count;

    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t turn;
    uint64_t next; /* the group whose turn it is to be written */
    bool failed;
    struct cr_buf part;
    struct cr_delta_index index;
    uint32_t part_room;
    uint64_t bytes;
};

/* --- parts ----------------------------------------------------------------------------------- */

static int part_put(struct build *build, struct cr_error *err)
{
    struct cr_delta_index *index = &build->index;
    char name[CR_DELTA_NAME];
    if (index->part_count == build->part_room) {
        uint32_t room = build->part_room ? 2 * build->part_room : 64;
        struct cr_delta_part *parts = realloc(index->parts, room * sizeof(*parts));
        if (parts == NULL)
            return cr_error_errno(err, -ENOMEM, "writing a delta");
        index->parts = parts;
        build->part_room = room;
    }
    struct cr_delta_part *part = &index->parts[index->part_count];
    part->bytes = (uint32_t)build->part.len;
    cr_hash(build->part.data, build->part.len, &part->hash);
    cr_delta_part_name(&index->old_root, &index->new_root, index->part_count, name);
    int r = build->store->ops->side_put(build->store, CR_SPACE_DELTAS, name, build->part.data,
                                        build->part.len, err);
    if (r < 0)
        return r;
    build->bytes += build->part.len;
    build->part.len = 0;
    index->part_count++;
    return 0;
}

/* Called with the mutex held, in the order of the groups. */
static int group_put(struct build *build, uint64_t number, const struct cr_buf *bytes,
                     struct cr_error *err)
{
    struct cr_delta_index *index = &build->index;
    const struct cr_match_group *group = &build->matches->groups[number];
    int r = 0;
    if (build->part.len > 0 && build->part.len + bytes->len > PART_TARGET)
        r = part_put(build, err);
    if (r < 0)
        return r;
    index->groups[number] = (struct cr_delta_group){
        .first = build->matches->items[group->first].chunk,
        .chunks = (uint32_t)group->count,
        .part = index->part_count,
        .offset = (uint32_t)build->part.len,
        .bytes = (uint32_t)bytes->len,
    };
    index->chunks += group->count;
    r = cr_buf_append(&build->part, bytes->data, bytes->len);
    return r < 0 ? cr_error_errno(err, r, "writing a delta") : 0;
}

/* --- groups ---------------------------------------------------------------------------------- */

static int instructions_make(const struct cr_matches *matches, const struct cr_match_group *group,
                             struct cr_buf *plain)
{
    struct cr_delta_writer writer = {.chunk = matches->items[group->first].chunk};
    int r = 0;
    for (uint64_t i = group->first; i < group->first + group->count && r == 0; i++)
        r = cr_delta_writer_add(&writer, matches->items[i].chunk, matches->items[i].sources,
                                matches->items[i].blocks, plain);
    return r;
}

static int literals_append(const struct cr_match *match, const uint8_t *chunk, struct cr_buf *plain)
{
    int r = 0;
    for (uint32_t b = 0; b < match->blocks && r == 0; b++)
        if (match->sources[b] == CR_DELTA_NO_SOURCE)
            r = cr_buf_append(plain, chunk + b * CR_BLOCK_BYTES, CR_BLOCK_BYTES);
    return r;
}

static int literals_read(struct build *build, struct lane *lane, const struct cr_match_group *group,
                         struct cr_error *err)
{
    const struct cr_match *found[CR_DELTA_BATCH];
    struct cr_id ids[CR_DELTA_BATCH] = {0};
    uint32_t count = 0;
    int r = 0;
    for (uint64_t i = 0; i < group->count && r == 0; i++) {
        const struct cr_match *match = &build->matches->items[group->first + i];
        if (match->literals > 0) {
            ids[count] = match->id;
            found[count++] = match;
        }
        if (count < CR_DELTA_BATCH && i + 1 < group->count)
            continue;
        r = cr_delta_chunks_read(build->store, ids, count, lane->chunks, err);
        for (uint32_t k = 0; k < count && r == 0; k++) {
            r = literals_append(found[k], lane->chunks + (size_t)k * CR_CHUNK_BYTES, &lane->plain);
            if (r < 0)
                cr_error_errno(err, r, "collecting the literals of a delta");
        }
        count = 0;
    }
    return r;
}

static int prefix_read(struct build *build, struct lane *lane,
                       const struct cr_delta_group_head *head, struct cr_error *err)
{
    struct cr_id ids[CR_DELTA_PREFIX_CHUNKS_MAX];
    uint32_t count = 0;
    int r = cr_buf_reserve(&lane->prefix, cr_delta_prefix_bytes(head));
    if (r < 0)
        return cr_error_errno(err, r, "reading the prefix of a delta");
    for (uint32_t i = 0; i < head->extent_count; i++)
        for (uint32_t k = 0; k < head->extents[i].count; k++)
            ids[count++] = *cr_oldblocks_id(build->blocks, head->extents[i].first + k);
    return cr_delta_chunks_read(build->store, ids, count, lane->prefix.data, err);
}

static int group_make(struct build *build, struct lane *lane, uint64_t number, struct cr_error *err)
{
    const struct cr_match_group *group = &build->matches->groups[number];
    struct cr_delta_group_head head = {.literals = group->literals};
    lane->plain.len = 0;
    lane->group.len = 0;
    int r = instructions_make(build->matches, group, &lane->plain);
    if (r < 0)
        return cr_error_errno(err, r, "writing a delta");
    head.instruction_bytes = (uint32_t)lane->plain.len;
    r = literals_read(build, lane, group, err);
    if (r < 0)
        return r;
    r = cr_prefix_choose(build->blocks, build->matches->items, group,
                         lane->plain.data + head.instruction_bytes, build->prefix_chunks, &head);
    if (r < 0)
        return cr_error_errno(err, r, "choosing the prefix of a delta");
    r = prefix_read(build, lane, &head, err);
    if (r < 0)
        return r;
    r = cr_delta_group_pack(lane->packer, &head, lane->prefix.data, lane->plain.data, build->level,
                            &lane->group);
    return r < 0 ? cr_error_errno(err, r, "compressing a delta") : 0;
}

/* Groups are made in any order and written in theirs. */
static int piece_build(void *context, unsigned worker, uint64_t number, struct cr_error *err)
{
    struct build *build = context;
    struct lane *lane = &build->lanes[worker];
    int r = group_make(build, lane, number, err);
    pthread_mutex_lock(&build->mutex);
    while (r == 0 && build->next != number && !build->failed)
        pthread_cond_wait(&build->turn, &build->mutex);
    if (r == 0 && build->failed)
        r = -ECANCELED; /* another group's error is the one that is told */
    if (r == 0)
        r = group_put(build, number, &lane->group, err);
    if (r == 0)
        build->next++;
    else
        build->failed = true;
    pthread_cond_broadcast(&build->turn);
    pthread_mutex_unlock(&build->mutex);
    return r;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void build_done(struct build *build)
{
    for (unsigned i = 0; build->lanes != NULL && i < build->lane_count; i++) {
        cr_delta_packer_free(build->lanes[i].packer);
        cr_buf_done(&build->lanes[i].plain);
        cr_buf_done(&build->lanes[i].prefix);
        cr_buf_done(&build->lanes[i].group);
        free(build->lanes[i].chunks);
    }
    free(build->lanes);
    cr_buf_done(&build->part);
    cr_delta_index_done(&build->index);
    pthread_mutex_destroy(&build->mutex);
    pthread_cond_destroy(&build->turn);
}

static int build_init(struct build *build, unsigned threads, struct cr_error *err)
{
    const size_t literals_max = (size_t)CR_DELTA_LITERALS_MAX * CR_BLOCK_BYTES;
    pthread_mutex_init(&build->mutex, NULL);
    pthread_cond_init(&build->turn, NULL);
    cr_buf_init(&build->part, CR_SIDE_BYTES_MAX);
    build->index.old_root = cr_version_info(build->old)->root;
    build->index.new_root = cr_version_info(build->new_version)->root;
    build->index.old_bytes = cr_version_disk_bytes(build->old);
    build->index.new_bytes = cr_version_disk_bytes(build->new_version);
    build->index.group_count = build->matches->group_count;
    build->index.groups = cr_calloc(build->index.group_count, sizeof(*build->index.groups));
    build->lanes = cr_calloc(threads, sizeof(*build->lanes));
    if (build->index.groups == NULL || build->lanes == NULL)
        return cr_error_errno(err, -ENOMEM, "making a delta");
    build->lane_count = threads;
    for (unsigned i = 0; i < threads; i++) {
        struct lane *lane = &build->lanes[i];
        cr_buf_init(&lane->plain, CR_DELTA_INSTRUCTION_BYTES_MAX + literals_max);
        cr_buf_init(&lane->prefix, (size_t)CR_DELTA_PREFIX_CHUNKS_MAX * CR_CHUNK_BYTES);
        cr_buf_init(&lane->group, CR_SIDE_BYTES_MAX);
        lane->packer = cr_delta_packer_new();
        lane->chunks = malloc((size_t)CR_DELTA_BATCH * CR_CHUNK_BYTES);
        if (lane->packer == NULL || lane->chunks == NULL)
            return cr_error_errno(err, -ENOMEM, "making a delta");
    }
    return 0;
}

/* The last part, then the index, each durable before the next. */
static int index_put(struct build *build, struct cr_error *err)
{
    struct cr_store *store = build->store;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    char name[CR_DELTA_NAME];
    int r = build->part.len > 0 ? part_put(build, err) : 0;
    if (r == 0)
        r = store->ops->sync(store, err);
    if (r < 0)
        return r;
    r = cr_delta_index_format(&build->index, &bytes);
    if (r < 0)
        return cr_error_errno(err, r == -EMSGSIZE ? -EFBIG : r, "writing the index of a delta");
    cr_delta_index_name(&build->index.old_root, &build->index.new_root, name);
    r = store->ops->side_put(store, CR_SPACE_DELTAS, name, bytes.data, bytes.len, err);
    if (r == 0)
        r = store->ops->sync(store, err);
    build->bytes += bytes.len;
    return r;
}

/*
 * Nearly all of the time goes into compressing literals, and level 9 of zstd is where more time
 * stops paying (DECISIONS.md). The lower ones keep very different disks within minutes.
 */
static int level_of(uint64_t literals)
{
    uint64_t bytes = literals * CR_BLOCK_BYTES;
    return bytes <= 2 * CR_GIB ? 9 : bytes <= 8 * CR_GIB ? 6 : 3;
}

static int build_run(struct build *build, struct cr_delta_work *work, struct cr_error *err)
{
    uint32_t groups = build->matches->group_count;
    int r = build_init(build, cr_delta_threads(work), err);
    uint64_t bytes = build->matches->count * CR_CHUNK_BYTES;
    if (r == 0)
        r = cr_delta_run(work, groups, groups ? bytes / groups : 0, piece_build, build, err);
    return r == 0 ? index_put(build, err) : r;
}

int cr_delta_build(struct cr_store *store, struct cr_version *old, struct cr_version *new_version,
                   const struct cr_delta_options *options, struct cr_delta_stat *ret_stat,
                   struct cr_error *err)
{
    CLEANUP(cr_oldblocks_cleanup) struct cr_oldblocks *blocks = NULL;
    CLEANUP(cr_matches_done) struct cr_matches matches = {0};
    struct cr_delta_work work = {
        .threads = options->threads, .progress = options->progress, .context = options->context};
    if (store->ops->side_put == NULL)
        return cr_error_set(err, -EROFS, "store '%s' can only be read from here", store->uri);
    int r = cr_oldblocks_new(store, old, &work, &blocks, err);
    if (r == 0)
        r = cr_matches_find(store, new_version, blocks,
                            options->group_literals ? options->group_literals : GROUP_LITERALS,
                            &work, &matches, err);
    if (r < 0)
        return r;
    struct build build = {
        .store = store,
        .old = old,
        .new_version = new_version,
        .blocks = blocks,
        .matches = &matches,
        .prefix_chunks = options->prefix_chunks ? options->prefix_chunks : PREFIX_CHUNKS,
        .level = options->level ? options->level : level_of(matches.literals),
    };
    r = build_run(&build, &work, err);
    if (r == 0)
        *ret_stat = (struct cr_delta_stat){.chunks = matches.count,
                                           .copied_blocks = matches.copied,
                                           .zero_blocks = matches.zeros,
                                           .literal_blocks = matches.literals,
                                           .groups = matches.group_count,
                                           .parts = build.index.part_count,
                                           .bytes = build.bytes,
                                           .level = build.level};
    build_done(&build);
    return r;
}
