/* SPDX-License-Identifier: MIT */
#include "lib/delta/prefix.h"

#include "lib/base/mem.h"

#include <errno.h>

/* Votes for old chunks, one entry each; far more than a group's samples. */
#define VOTES_MAX 65536U

struct candidate {
    uint32_t chunk, votes;
};

static int by_chunk(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int by_votes(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->votes != y->votes)
        return x->votes > y->votes ? -1 : 1;
    return x->chunk < y->chunk ? -1 : 1;
}

static void vote(const struct cr_oldblocks *blocks, uint64_t block, uint32_t *votes, size_t *count)
{
    uint64_t chunk = block / CR_CHUNK_BLOCKS;
    if (*count < VOTES_MAX && !cr_id_is_hole(cr_oldblocks_id(blocks, chunk)))
        votes[(*count)++] = (uint32_t)chunk;
}

/*
 * Each run of literals votes for what shares samples with it, for where its neighbours were copied
 * from, and for the same place of the disk.
 */
static void votes_collect(const struct cr_oldblocks *blocks, const struct cr_match *matches,
                          const struct cr_match_group *group, const uint8_t *literals,
                          uint32_t *votes, size_t *count)
{
    int64_t displacement = 0;
    for (uint64_t i = group->first; i < group->first + group->count; i++) {
        const struct cr_match *match = &matches[i];
        for (uint32_t b = 0, run; b < match->blocks; b += run) {
            uint64_t block = match->chunk * CR_CHUNK_BLOCKS + b;
            run = 1;
            if (match->sources[b] < CR_DELTA_ZERO_SOURCE)
                displacement = (int64_t)(match->sources[b] - block);
            if (match->sources[b] != CR_DELTA_NO_SOURCE)
                continue;
            while (b + run < match->blocks && match->sources[b + run] == CR_DELTA_NO_SOURCE)
                run++;
            size_t len = (size_t)run * CR_BLOCK_BYTES;
            cr_oldblocks_alike(blocks, literals, len, votes, VOTES_MAX, count);
            vote(blocks, block, votes, count);
            vote(blocks, block + (uint64_t)displacement, votes, count);
            literals += len;
        }
    }
}

/* Count equal votes. Returns how many chunks have some. */
static size_t votes_count(uint32_t *votes, size_t count, struct candidate *candidates)
{
    size_t n = 0;
    qsort(votes, count, sizeof(*votes), by_chunk);
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || candidates[n - 1].chunk != votes[i])
            candidates[n++] = (struct candidate){.chunk = votes[i]};
        candidates[n - 1].votes++;
    }
    return n;
}

static void extents_set(const uint32_t *chunks, size_t count, struct cr_delta_group_head *head)
{
    head->extent_count = 0;
    head->prefix_chunks = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct cr_delta_extent *last = &head->extents[head->extent_count];
        if (head->extent_count > 0 && last[-1].first + last[-1].count == chunks[i]) {
            last[-1].count++;
        } else {
            *last = (struct cr_delta_extent){.first = chunks[i], .count = 1};
            head->extent_count++;
        }
    }
}

int cr_prefix_choose(const struct cr_oldblocks *blocks, const struct cr_match *matches,
                     const struct cr_match_group *group, const uint8_t *literals,
                     uint32_t chunks_max, struct cr_delta_group_head *head)
{
    CLEANUP_FREE uint32_t *votes = cr_calloc(VOTES_MAX, sizeof(*votes));
    CLEANUP_FREE struct candidate *candidates = cr_calloc(VOTES_MAX, sizeof(*candidates));
    size_t count = 0;
    if (votes == NULL || candidates == NULL)
        return -ENOMEM;
    votes_collect(blocks, matches, group, literals, votes, &count);
    count = votes_count(votes, count, candidates);
    qsort(candidates, count, sizeof(*candidates), by_votes);
    if (count > chunks_max)
        count = chunks_max;
    for (size_t i = 0; i < count; i++)
        votes[i] = candidates[i].chunk;
    qsort(votes, count, sizeof(*votes), by_chunk);
    extents_set(votes, count, head);
    return 0;
}
