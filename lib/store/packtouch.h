/* SPDX-License-Identifier: MIT */
/*
 * How often packs were touched lately: a small table that remembers far more packs than fit into
 * memory. Touches close together belong to one burst: a client that pulls a whole disk touches each
 * pack many times in one burst and never again, whereas packs that machines boot from are touched
 * in burst after burst. (The idea of correlated references is that of LRU-K, O'Neil 1993.)
 * Not thread-safe.
 */
#pragma once

#include "lib/image/object.h"

/* A touch begins a new burst of its pack when as many touches of others came between ... */
#define CR_BURST_TOUCHES 32U
/* ... or as much time has passed. */
#define CR_BURST_MS 5000U

struct cr_packtouch;

struct cr_touch_record {
    uint64_t hash;       /* of the pack's name; the table takes two packs of one hash for one */
    uint64_t last_ms;    /* when it was touched last */
    uint32_t last_touch; /* the table's count of touches then */
    uint32_t pack_bytes; /* its size, 0 = not known */
    uint16_t touches;    /* in the burst under way */
    uint16_t bursts;
};

/* Room for `records` packs, a power of two. Returns 0 or -ENOMEM. */
int cr_packtouch_new(size_t records, struct cr_packtouch **ret_table);
void cr_packtouch_free(struct cr_packtouch *table);

/*
 * The record of a pack, made (over that of a pack touched long ago) if there is none. Borrowed
 * until the next call.
 */
struct cr_touch_record *cr_packtouch_find(struct cr_packtouch *table, const struct cr_id *name);

/* Would a touch now begin a new burst of it? True for one that was never touched. */
bool cr_packtouch_is_apart(const struct cr_packtouch *table, const struct cr_touch_record *record,
                           const struct cr_id *name, uint64_t now_ms);

/* Count a touch. Returns true when it began a new burst. */
bool cr_packtouch_add(struct cr_packtouch *table, struct cr_touch_record *record,
                      const struct cr_id *name, uint64_t now_ms);
