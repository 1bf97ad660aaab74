/* SPDX-License-Identifier: MIT */
/* Footers of packs, many at once: a store of many small packs opens in as few waits as it can. */
#include "lib/store/packstore.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>

/* A footer of a usual pack comes with the first read of its end. */
#define FOOTER_GUESS (16 * CR_KIB)

struct looks {
    char (*hex)[CR_ID_HEX];
    struct cr_blob_size *sizes;
    struct cr_blob_read *ends; /* of those whose size makes sense, in their order */
    uint8_t *bytes;            /* FOOTER_GUESS for each */
};

static void looks_done(struct looks *looks)
{
    free(looks->hex);
    free(looks->sizes);
    free(looks->ends);
    free(looks->bytes);
}

static bool size_check(struct pack_footer *footer, const struct cr_blob_size *size)
{
    footer->result = size->result;
    footer->err = size->err;
    if (size->result == 0 && (size->bytes < CR_PACK_HEADER_BYTES + CR_PACK_TRAILER_BYTES ||
                              size->bytes > CR_PACK_BYTES_MAX))
        footer->result =
            cr_error_set(&footer->err, -EBADMSG, "it has %" PRIu64 " bytes", size->bytes);
    return footer->result == 0;
}

/* `end` holds the last `len` of the pack's `size` bytes. */
static int end_parse(struct packstore *ps, struct pack_footer *footer, const char *hex,
                     const uint8_t *end, size_t len, uint64_t size)
{
    struct cr_error *err = &footer->err;
    CLEANUP_FREE uint8_t *longer = NULL;
    size_t bytes = cr_pack_footer_bytes(end + len - CR_PACK_TRAILER_BYTES);
    if (bytes == 0 || bytes > size)
        return cr_error_set(err, -EBADMSG, "its footer is damaged or cut off");
    if (bytes > len) {
        longer = malloc(bytes);
        if (longer == NULL)
            return cr_error_errno(err, -ENOMEM, "reading a footer");
        int r =
            ps->blobs->ops->read(ps->blobs, CR_SPACE_PACKS, hex, longer, bytes, size - bytes, err);
        if (r < 0)
            return r;
        end = longer;
        len = bytes;
    }
    return cr_pack_footer_parse(end + len - bytes, bytes, &footer->name, size, &footer->entries,
                                &footer->count, err);
}

static void ends_read(struct packstore *ps, struct looks *looks, struct pack_footer *footers,
                      size_t count)
{
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cr_blob_size *size = &looks->sizes[i];
        if (!size_check(&footers[i], size))
            continue;
        size_t len = size->bytes < FOOTER_GUESS ? (size_t)size->bytes : FOOTER_GUESS;
        looks->ends[asked] = (struct cr_blob_read){.name = looks->hex[i],
                                                   .data = looks->bytes + asked * FOOTER_GUESS,
                                                   .len = len,
                                                   .offset = size->bytes - len};
        asked++;
    }
    cr_blobs_read_many(ps->blobs, CR_SPACE_PACKS, looks->ends, asked);
    const struct cr_blob_read *end = looks->ends;
    for (size_t i = 0; i < count; i++) {
        if (footers[i].result < 0)
            continue;
        footers[i].err = end->err;
        footers[i].result = end->result < 0 ? end->result
                                            : end_parse(ps, &footers[i], looks->hex[i], end->data,
                                                        end->len, looks->sizes[i].bytes);
        end++;
    }
}

void packstore_footers_read(struct packstore *ps, struct pack_footer *footers, size_t count)
{
    CLEANUP(looks_done)
    struct looks looks = {
        .hex = cr_calloc(count, sizeof(*looks.hex)),
        .sizes = cr_calloc(count, sizeof(*looks.sizes)),
        .ends = cr_calloc(count, sizeof(*looks.ends)),
        .bytes = cr_calloc(count, FOOTER_GUESS),
    };
    if (looks.hex == NULL || looks.sizes == NULL || looks.ends == NULL || looks.bytes == NULL) {
        for (size_t i = 0; i < count; i++)
            footers[i].result = cr_error_errno(&footers[i].err, -ENOMEM, "reading a footer");
        return;
    }
    for (size_t i = 0; i < count; i++)
        looks.sizes[i].name = cr_id_format(&footers[i].name, looks.hex[i]);
    cr_blobs_size_many(ps->blobs, CR_SPACE_PACKS, looks.sizes, count);
    ends_read(ps, &looks, footers, count);
}

int packstore_footer_read(struct packstore *ps, const struct cr_id *name,
                          struct cr_pack_entry **ret_entries, uint32_t *ret_count,
                          struct cr_error *err)
{
    struct pack_footer footer = {.name = *name};
    packstore_footers_read(ps, &footer, 1);
    if (footer.result < 0) {
        if (err != NULL)
            *err = footer.err;
        return footer.result;
    }
    *ret_entries = footer.entries;
    *ret_count = footer.count;
    return 0;
}
