/* SPDX-License-Identifier: MIT */
#include "lib/delta/match.h"

#include "lib/base/mem.h"

#include <errno.h>

void cr_matches_done(struct cr_matches *matches)
{
    free(matches->items);
    free(matches->groups);
    *matches = (struct cr_matches){0};
}

/* --- where each block is --------------------------------------------------------------------- */

struct search {
    struct cr_store *store;
    const struct cr_oldblocks *blocks;
    struct cr_matches *matches;
};

/*
 * The place that continues the last copy is preferred over all others, then the same place of the
 * disk: runs are what keeps instructions short.
 */
static void chunk_match(const struct search *search, const uint8_t *plain, struct cr_match *match,
                        int64_t *displacement)
{
    for (uint32_t b = 0; b < match->blocks; b++) {
        const uint8_t *data = plain + b * CR_BLOCK_BYTES;
        uint64_t block = match->chunk * CR_CHUNK_BLOCKS + b;
        if (cr_is_zero(data, CR_BLOCK_BYTES)) {
            match->sources[b] = CR_DELTA_ZERO_SOURCE;
            continue;
        }
        uint64_t found = cr_oldblocks_find(search->blocks, data, block + (uint64_t)*displacement);
        match->sources[b] = found == CR_NO_BLOCK ? CR_DELTA_NO_SOURCE : found;
        if (found == CR_NO_BLOCK)
            match->literals++;
        else
            *displacement = (int64_t)(found - block);
    }
}

static int piece_match(void *context, unsigned worker, uint64_t index, struct cr_error *err)
{
    struct search *search = context;
    struct cr_match *first = &search->matches->items[index * CR_DELTA_BATCH];
    uint64_t left = search->matches->count - index * CR_DELTA_BATCH;
    uint32_t count = left < CR_DELTA_BATCH ? (uint32_t)left : CR_DELTA_BATCH;
    struct cr_id ids[CR_DELTA_BATCH] = {0};
    CLEANUP_FREE uint8_t *plain = malloc((size_t)CR_DELTA_BATCH * CR_CHUNK_BYTES);
    (void)worker;
    if (plain == NULL)
        return cr_error_errno(err, -ENOMEM, "comparing versions");
    for (uint32_t i = 0; i < count; i++)
        ids[i] = first[i].id;
    int r = cr_delta_chunks_read(search->store, ids, count, plain, err);
    int64_t displacement = 0;
    for (uint32_t i = 0; i < count && r == 0; i++)
        chunk_match(search, plain + (size_t)i * CR_CHUNK_BYTES, &first[i], &displacement);
    return r;
}

/* The chunks of the new version that the old one lacks. */
static int matches_list(struct cr_version *version, const struct cr_oldblocks *blocks,
                        struct cr_matches *matches, struct cr_error *err)
{
    uint64_t disk = cr_version_disk_bytes(version), room = 0;
    for (uint64_t i = 0; i < cr_version_chunks(version); i++) {
        struct cr_id id;
        int r = cr_version_chunk(version, i, &id, err);
        if (r < 0)
            return r;
        if (cr_oldblocks_has_chunk(blocks, &id))
            continue;
        if (matches->count == room) {
            room = room ? 2 * room : 1024;
            struct cr_match *items = realloc(matches->items, room * sizeof(*items));
            if (items == NULL)
                return cr_error_errno(err, -ENOMEM, "comparing versions");
            matches->items = items;
        }
        matches->items[matches->count++] = (struct cr_match){
            .chunk = i,
            .id = id,
            .blocks = (cr_chunk_bytes(disk, i) + CR_BLOCK_BYTES - 1) / CR_BLOCK_BYTES};
    }
    return 0;
}

/* --- groups ---------------------------------------------------------------------------------- */

static int groups_make(struct cr_matches *matches, uint32_t group_literals, struct cr_error *err)
{
    struct cr_match_group *group = NULL;
    matches->groups = cr_calloc(matches->count, sizeof(*matches->groups));
    if (matches->groups == NULL)
        return cr_error_errno(err, -ENOMEM, "comparing versions");
    for (uint64_t i = 0; i < matches->count; i++) {
        const struct cr_match *match = &matches->items[i];
        if (group == NULL || group->count == CR_DELTA_GROUP_CHUNKS_MAX ||
            group->literals + match->literals > group_literals) {
            group = &matches->groups[matches->group_count++];
            *group = (struct cr_match_group){.first = i};
        }
        group->count++;
        group->literals += match->literals;
        matches->literals += match->literals;
        for (uint32_t b = 0; b < match->blocks; b++)
            matches->zeros += match->sources[b] == CR_DELTA_ZERO_SOURCE;
        matches->copied += match->blocks;
    }
    matches->copied -= matches->literals + matches->zeros;
    return 0;
}

int cr_matches_find(struct cr_store *store, struct cr_version *version,
                    const struct cr_oldblocks *blocks, uint32_t group_literals,
                    struct cr_delta_work *work, struct cr_matches *ret_matches,
                    struct cr_error *err)
{
    CLEANUP(cr_matches_done) struct cr_matches matches = {0};
    struct search search = {store, blocks, &matches};
    int r = matches_list(version, blocks, &matches, err);
    if (r < 0)
        return r;
    work->total += 2 * matches.count * CR_CHUNK_BYTES; /* they are read twice */
    r = cr_delta_run(work, (matches.count + CR_DELTA_BATCH - 1) / CR_DELTA_BATCH,
                     (uint64_t)CR_DELTA_BATCH * CR_CHUNK_BYTES, piece_match, &search, err);
    if (r == 0)
        r = groups_make(&matches, group_literals, err);
    if (r < 0)
        return r;
    *ret_matches = matches;
    matches = (struct cr_matches){0};
    return 0;
}
