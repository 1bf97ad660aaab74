/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/tally.h"

#include "lib/base/mem.h"
#include "lib/seatcache/map.h"
#include "lib/seatcache/objects.h"

#include <errno.h>

int cr_tally_init(struct cr_tally *tally, const struct cr_version *version)
{
    const struct cr_manifest *manifest = cr_version_manifest(version);
    *tally = (struct cr_tally){.left = manifest->segment_count};
    pthread_mutex_init(&tally->mutex, NULL);
    tally->seen = cr_calloc(manifest->segment_count / 8 + 1, 1);
    if (tally->seen == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < manifest->segment_count; i++) {
        if (!cr_id_is_hole(&manifest->segments[i]))
            continue;
        cr_bit_set(tally->seen, i);
        tally->left--;
    }
    return 0;
}

void cr_tally_done(struct cr_tally *tally)
{
    if (tally->seen == NULL)
        return;
    pthread_mutex_destroy(&tally->mutex);
    free(TAKE_PTR(tally->seen));
}

/* Called with the mutex held. */
static void count_ids(struct cr_tally *tally, uint32_t index, const struct cr_id *ids,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        tally->data_chunks += !cr_id_is_hole(&ids[i]);
    cr_bit_set(tally->seen, index);
    tally->left--;
}

void cr_tally_kept(struct cr_tally *tally, struct cr_version *version, int objects_fd)
{
    const struct cr_manifest *manifest = cr_version_manifest(version);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*ids));
    pthread_mutex_lock(&tally->mutex);
    for (uint32_t i = 0; ids != NULL && i < manifest->segment_count; i++) {
        CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
        uint32_t count = cr_segment_chunks(manifest->disk_bytes, i);
        if (!cr_bit_get(tally->seen, i) &&
            cr_seatobjects_kept(objects_fd, CR_SEGMENT, &manifest->segments[i], &plain) == 0 &&
            cr_segment_parse(plain.data, plain.len, count, ids, NULL) == 0)
            count_ids(tally, i, ids, count);
    }
    pthread_mutex_unlock(&tally->mutex);
}

bool cr_tally_segment(struct cr_tally *tally, struct cr_version *version, uint32_t index,
                      uint64_t *ret_data_chunks)
{
    const struct cr_id *ids = NULL;
    if (atomic_load_explicit(&tally->done, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&tally->mutex);
    bool is_new = !cr_bit_get(tally->seen, index) &&
                  cr_version_segment(version, index, &ids, NULL) == 0 && ids != NULL;
    if (is_new) {
        uint32_t count = cr_segment_chunks(cr_version_disk_bytes(version), index);
        count_ids(tally, index, ids, count);
    }
    bool last = is_new && tally->left == 0;
    *ret_data_chunks = tally->data_chunks;
    pthread_mutex_unlock(&tally->mutex);
    if (last)
        atomic_store(&tally->done, true);
    return last;
}
