/* SPDX-License-Identifier: MIT */
#include "image-tools/fetch.h"

#include <errno.h>
#include <inttypes.h>

struct fetch {
    struct cr_version *version;
    uint64_t first;
    struct cr_id ids[FETCH_CHUNKS_MAX];
    unsigned at[FETCH_CHUNKS_MAX]; /* which chunk of the run the id belongs to */
    size_t count;
    uint8_t *bytes;
    struct cr_error *err;
};

static int frame_take(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *err)
{
    struct fetch *fetch = context;
    uint64_t chunk = fetch->first + fetch->at[index];
    uint32_t expected = cr_chunk_bytes(cr_version_disk_bytes(fetch->version), chunk);
    struct cr_error reason = {0};
    char ref[CR_REF_TEXT], hex[CR_ID_HEX];
    size_t len = 0;
    if (result < 0 && err != NULL)
        reason = *err;
    if (result == 0)
        result = cr_object_open(CR_CHUNK, &fetch->ids[index], frame, frame_len,
                                fetch->bytes + (size_t)fetch->at[index] * CR_CHUNK_BYTES,
                                CR_CHUNK_BYTES, &len, &reason);
    if (result == 0 && len != expected)
        result = cr_error_set(&reason, -EBADMSG, "chunk '%s' has %zu bytes where its disk has %u",
                              cr_id_format(&fetch->ids[index], hex), len, expected);
    if (result < 0)
        cr_error_set(fetch->err, result, "version '%s', byte %" PRIu64 " of the disk: %s",
                     cr_ref_format(cr_version_ref(fetch->version), ref), chunk << CR_CHUNK_SHIFT,
                     reason.text);
    return result;
}

int fetch_chunks(struct cr_store *store, struct cr_version *version, uint64_t first, unsigned count,
                 uint8_t *bytes, uint64_t *ret_present, struct cr_error *err)
{
    struct fetch fetch = {.version = version, .first = first, .bytes = bytes, .err = err};
    uint64_t present = 0;
    for (unsigned n = 0; n < count; n++) {
        struct cr_id id;
        int r = cr_version_chunk(version, first + n, &id, err);
        if (r < 0)
            return r;
        if (cr_id_is_hole(&id))
            continue;
        present |= 1ULL << n;
        fetch.ids[fetch.count] = id;
        fetch.at[fetch.count++] = n;
    }
    *ret_present = present;
    if (fetch.count == 0)
        return 0;
    return store->ops->chunks_get(store, fetch.ids, fetch.count, frame_take, &fetch, err);
}
