/* SPDX-License-Identifier: MIT */
/*
 * The hot cache: stored frames in memory, each verified once when it is loaded, so that a corrupted
 * one is never handed out. Many requests for one absent frame cause one read of the store.
 */
#pragma once

#include "lib/blk/cache.h"
#include "lib/store/store.h"

struct frames;

/*
 * A pinned frame. In memory it follows its length as four little-endian bytes, which is how an
 * entry of a batch answer looks: both forms are sent from here without a copy.
 */
struct frame {
    const struct cr_cache_entry *entry; /* NULL = none */
};

static inline const uint8_t *frame_data(const struct frame *frame)
{
    return frame->entry->data + sizeof(uint32_t);
}

static inline size_t frame_len(const struct frame *frame)
{
    return frame->entry->len - sizeof(uint32_t);
}

struct frames_stat {
    struct cr_cache_stat cache;
    uint64_t reads[CR_KIND_COUNT]; /* frames read from the store */
    uint64_t corrupted;            /* of them, refused */
    uint64_t errors;               /* reads that failed for another reason than "not there" */
};

/* `store` is borrowed. Returns 0 or -ENOMEM. */
int frames_new(struct cr_store *store, uint64_t cache_bytes, struct frames **ret_frames);
void frames_free(struct frames *frames);

/* Without waiting: true when it was in the cache. */
bool frames_peek(struct frames *frames, enum cr_kind kind, const struct cr_id *id,
                 struct frame *ret_frame);

/*
 * May read the store. Returns 0, -ENOENT, -EBADMSG (corrupted, the sentence names it), -EBUSY (too
 * many frames are being sent already), or another -errno.
 */
int frames_get(struct frames *frames, enum cr_kind kind, const struct cr_id *id,
               struct frame *ret_frame, struct cr_error *err);

/*
 * `count` chunks, at most CR_BATCH_IDS_MAX, those that are absent by one read of the store. Each
 * has its own result: ret_results[i] as frames_get returns it, ret_frames[i] when that is 0.
 */
void frames_get_batch(struct frames *frames, const struct cr_id *ids, uint32_t count,
                      struct frame *ret_frames, int *ret_results);

/* Takes an empty frame. */
void frames_release(struct frames *frames, struct frame *frame);

/*
 * Count something that was found corrupted, and log the sentence if nothing with this key was
 * logged lately.
 */
void frames_corrupted(struct frames *frames, const struct cr_id *key, const struct cr_error *err);

void frames_stat(struct frames *frames, struct frames_stat *ret_stat);
