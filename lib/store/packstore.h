/* SPDX-License-Identifier: MIT */
/* The store on top of blobs, inside: what its files, the collector and the scrub share. */
#pragma once

#include "lib/store/blobs.h"
#include "lib/store/index.h"

#include <pthread.h>
#include <stdatomic.h>

struct pack_damage {
    struct cr_id name;
    int code; /* -EBADMSG, or -EIO: the next look may find it well */
    struct cr_error why;
};

struct pack_damages {
    struct pack_damage *list;
    size_t count;
};

struct packstore {
    struct cr_store base;
    struct cr_blobs *blobs;
    pthread_rwlock_t lock; /* over index, damaged, condemned and heads_seen */
    struct cr_index *index;
    struct pack_damages damaged;               /* what the last refresh found */
    struct cr_idset condemned[CR_SPACE_COUNT]; /* segments and manifests; packs: in the index */
    struct cr_idset heads_seen;                /* hashes */
    pthread_mutex_t refresh_mutex;             /* one refresh at a time; over these three: */
    struct pack_damages newfound;              /* of the refresh under way */
    bool news;                                 /* the refresh under way found or missed a pack */
    bool refresh_worked;                       /* the last one */
    _Atomic(uint64_t) refreshes;               /* begun so far */
    _Atomic(int64_t) quiet_until_ms;           /* until then no refresh for an id that is missing */
    int64_t (*clock_ms)(void);                 /* monotonic; tests have one of their own */
};

/* Is this a store on top of blobs? Then packstore_of may be used. */
bool packstore_is(const struct cr_store *store);

static inline struct packstore *packstore_of(struct cr_store *store)
{
    return (struct packstore *)store;
}

/* Append a whole blob of at most out->max bytes in all. */
int packstore_blob_get(struct packstore *ps, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err);

/* The blob of CR_SPACE_STATE that tells which collections there were. */
#define PACKSTORE_GENERATION "generation"

/* Collections that came to their end whose marks are still believed; older ones condemn anew. */
#define PACKSTORE_DONE_MAX 256U

struct pack_generations {
    uint64_t begun;                    /* the last one; 0 = none */
    uint64_t done[PACKSTORE_DONE_MAX]; /* that came to their end, rising */
    unsigned done_count;
};

/* --- packfooter.c ---------------------------------------------------------------------------- */

/* How many are read at once: 4 MiB of memory. */
#define PACKSTORE_FOOTERS_MAX 256U

/* The footer of one pack of many. */
struct pack_footer {
    struct cr_id name;
    struct cr_pack_entry *entries; /* set, and the caller's, when the result is 0 */
    uint32_t count;
    int result; /* -EBADMSG when it is damaged */
    struct cr_error err;
};

/* Read and parse the footers of the packs with these names; each has its result. */
void packstore_footers_read(struct packstore *ps, struct pack_footer *footers, size_t count);

/* Read and parse the footer of a pack; *ret_entries is the caller's. -EBADMSG when it is damaged.
 */
int packstore_footer_read(struct packstore *ps, const struct cr_id *name,
                          struct cr_pack_entry **ret_entries, uint32_t *ret_count,
                          struct cr_error *err);

/* --- packindex.c ------------------------------------------------------------------------------ */

int64_t packstore_clock_ms(void);

/*
 * List the packs. `for_missing`: because of an id that is not in the index, which is not done again
 * within a second of a time when nothing had changed, unless a head was read since that is new.
 */
int packstore_refresh(struct packstore *ps, bool for_missing, struct cr_error *err);

/* Which collections there were; what makes no sense counts as none. */
int packstore_generations(struct packstore *ps, struct pack_generations *ret_generations,
                          struct cr_error *err);

/* What a publisher does when it has its lease: see gc.h. */
int packstore_look(struct packstore *ps, struct cr_store_lock *lock, struct cr_error *err);

/* Was the segment or manifest condemned when somebody looked? */
bool packstore_object_condemned(struct packstore *ps, enum cr_kind kind, const struct cr_id *id);

int packstore_keep(struct cr_store *store, enum cr_kind kind, const struct cr_id *ids, size_t count,
                   struct cr_error *err);

/* --- packread.c ------------------------------------------------------------------------------- */

int packstore_chunks_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                         cr_frame_sink *sink, void *context, struct cr_error *err);

/* --- packside.c: as in cr_store_ops -------------------------------------------------------------
 */

int packstore_side_get(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err);
int packstore_side_list(struct cr_store *store, enum cr_space space, cr_name_sink *sink,
                        void *context, struct cr_error *err);
int packstore_side_put(struct cr_store *store, enum cr_space space, const char *name,
                       const void *data, size_t len, struct cr_error *err);
int packstore_side_replace(struct cr_store *store, enum cr_space space, const char *name,
                           const struct cr_id *expected, const void *data, size_t len,
                           struct cr_error *err);
int packstore_side_remove(struct cr_store *store, enum cr_space space, const char *name,
                          struct cr_error *err);
