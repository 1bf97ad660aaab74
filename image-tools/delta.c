/* SPDX-License-Identifier: MIT */
#include "image-tools/delta.h"

#include "image-tools/progress.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/delta/delta.h"
#include "lib/image/idset.h"

#include <errno.h>

void lacking_done(struct lacking *lacking)
{
    free(lacking->ids);
    *lacking = (struct lacking){0};
}

/* The ids that the set does not have yet go into it, and to the list. */
static int ids_collect(const struct cr_id *ids, uint32_t count, struct cr_idset *set,
                       struct lacking *lacking)
{
    for (uint32_t i = 0; i < count; i++) {
        int added = cr_idset_add(set, &ids[i]);
        if (added < 0)
            return added;
        if (added == 0 || lacking == NULL)
            continue;
        if (lacking->count == lacking->room) {
            size_t room = lacking->room ? 2 * lacking->room : 1024;
            struct cr_id *more = realloc(lacking->ids, room * sizeof(*more));
            if (more == NULL)
                return -ENOMEM;
            lacking->ids = more;
            lacking->room = room;
        }
        lacking->ids[lacking->count++] = ids[i];
    }
    return 0;
}

static int version_collect(struct cr_version *version, struct cr_idset *set,
                           struct lacking *lacking, struct cr_error *err)
{
    for (uint32_t i = 0; i < cr_version_manifest(version)->segment_count; i++) {
        const struct cr_id *ids = NULL;
        int r = cr_version_segment(version, i, &ids, err);
        if (r < 0)
            return r;
        uint32_t count = cr_segment_chunks(cr_version_disk_bytes(version), i);
        if (ids != NULL && ids_collect(ids, count, set, lacking) < 0)
            return cr_error_errno(err, -ENOMEM, "comparing versions");
    }
    return 0;
}

int lacking_find(struct cr_version *a, struct cr_version *b, struct lacking *ret_lacking,
                 struct cr_error *err)
{
    CLEANUP(cr_idset_done) struct cr_idset set = {0};
    CLEANUP(lacking_done) struct lacking lacking = {0};
    int r = version_collect(a, &set, NULL, err);
    if (r == 0)
        r = version_collect(b, &set, &lacking, err);
    if (r < 0)
        return r;
    *ret_lacking = lacking;
    lacking = (struct lacking){0};
    return 0;
}

static int frame_count(void *context, size_t index, int result, const void *frame, size_t frame_len,
                       const struct cr_error *err)
{
    uint64_t *bytes = context;
    (void)index;
    (void)frame;
    (void)err;
    if (result == 0)
        *bytes += frame_len;
    return result;
}

int lacking_frame_bytes(struct cr_store *store, const struct lacking *lacking, uint64_t *ret_bytes,
                        struct cr_error *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < lacking->count; i += CR_BATCH_IDS_MAX) {
        size_t count = lacking->count - i;
        int r = stop_check(err);
        if (r == 0)
            r = store->ops->chunks_get(store, lacking->ids + i,
                                       count < CR_BATCH_IDS_MAX ? count : CR_BATCH_IDS_MAX,
                                       frame_count, &bytes, err);
        if (r < 0)
            return r;
    }
    *ret_bytes = bytes;
    return 0;
}

/* --- the delta ------------------------------------------------------------------------------- */

struct show {
    struct progress *progress;
    uint64_t done;
};

static int show_progress(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    struct show *show = context;
    (void)total;
    progress_add(show->progress, done - show->done);
    show->done = done;
    return stop_check(err);
}

static int delta_make(struct cli *cli, struct cr_store *store, struct cr_version *a,
                      struct cr_version *b, struct cr_delta_stat *ret_stat, struct cr_error *err)
{
    CLEANUP(lacking_done) struct lacking lacking = {0};
    CLEANUP(progress_cleanup) struct progress *progress = NULL;
    char from[CR_REF_TEXT], to[CR_REF_TEXT], what[2 * CR_REF_TEXT + 32];
    int r = lacking_find(a, b, &lacking, err);
    if (r < 0)
        return r;
    cr_ref_format(cr_version_ref(a), from);
    cr_ref_format(cr_version_ref(b), to);
    snprintf(what, sizeof(what), "delta '%s' to '%s'", from, to);
    /* The old version is read once, what is new twice. */
    progress = progress_new(cli, what,
                            cr_version_info(a)->data_bytes + 2 * lacking.count * CR_CHUNK_BYTES);
    struct show show = {.progress = progress};
    struct cr_delta_options options = {
        .threads = cli->threads, .progress = show_progress, .context = &show};
    return cr_delta_build(store, a, b, &options, ret_stat, err);
}

int delta_ready(struct cli *cli, struct cr_store *store, struct cr_version *a, struct cr_version *b,
                bool make, uint64_t *ret_bytes, struct cr_delta_stat *ret_stat,
                struct cr_error *err)
{
    CLEANUP(cr_delta_cleanup) struct cr_delta *delta = NULL;
    struct cr_delta_stat stat = {0};
    int r = cr_delta_open(store, &cr_version_info(a)->root, &cr_version_info(b)->root, &delta, err);
    if (r == 0) {
        *ret_bytes = cr_delta_bytes(delta);
        stat.chunks = cr_delta_index(delta)->chunks;
        stat.groups = cr_delta_index(delta)->group_count;
        stat.parts = cr_delta_index(delta)->part_count;
        stat.bytes = *ret_bytes;
    }
    /* One that is damaged is made again. */
    if ((r == -ENOENT || r == -EBADMSG) && make) {
        r = delta_make(cli, store, a, b, &stat, err);
        *ret_bytes = stat.bytes;
    }
    if (r == 0 && ret_stat != NULL)
        *ret_stat = stat;
    return r;
}
