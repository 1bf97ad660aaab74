/* SPDX-License-Identifier: MIT */
/* carrel image diff NAME@A NAME@B: by ids alone, and what a seat that has A fetches; --files looks
 * into the file systems as well */
#include "image-tools/commands.h"
#include "image-tools/delta.h"
#include "image-tools/diff_files.h"
#include "image-tools/output.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/version.h"

#include <errno.h>
#include <inttypes.h>

/* What B has that A does not, counted in chunks and bytes of the disk. */
struct difference {
    uint64_t chunks_equal, chunks_changed, chunks_added, chunks_holed;
    uint64_t bytes_changed, bytes_added, bytes_holed;
    uint32_t segments_changed;
    uint64_t segment_bytes; /* of those, that a holder of A must fetch */
    uint64_t fetch_chunks;  /* that A has nowhere, each once */
    uint64_t fetch_bytes;   /* of their frames; 0 when the store is seen from outside */
    uint64_t delta_bytes;   /* 0 = there is no delta */
};

static const struct cr_id no_chunk;

static void chunk_compare(const struct cr_id *a, const struct cr_id *b, uint32_t bytes_a,
                          uint32_t bytes_b, struct difference *d)
{
    if (cr_id_equal(a, b)) {
        d->chunks_equal++;
    } else if (cr_id_is_hole(b)) {
        d->chunks_holed++;
        d->bytes_holed += bytes_a;
    } else if (cr_id_is_hole(a)) {
        d->chunks_added++;
        d->bytes_added += bytes_b;
    } else {
        d->chunks_changed++;
        d->bytes_changed += bytes_b;
    }
}

/* The ids of segment `index`, NULL = all holes; `ret_count` = 0 behind the end of the disk. */
static int segment_of(struct cr_version *version, uint32_t index, const struct cr_id **ret_ids,
                      uint32_t *ret_count, struct cr_error *err)
{
    *ret_ids = NULL;
    *ret_count = 0;
    if (index >= cr_version_manifest(version)->segment_count)
        return 0;
    *ret_count = cr_segment_chunks(cr_version_disk_bytes(version), index);
    return cr_version_segment(version, index, ret_ids, err);
}

static int segment_compare(struct cr_version *a, struct cr_version *b, uint32_t index,
                           struct difference *d, struct cr_error *err)
{
    const struct cr_id *ids_a = NULL, *ids_b = NULL;
    uint32_t count_a = 0, count_b = 0;
    int r = segment_of(a, index, &ids_a, &count_a, err);
    if (r == 0)
        r = segment_of(b, index, &ids_b, &count_b, err);
    if (r < 0)
        return r;
    d->segments_changed++;
    if (ids_b != NULL)
        d->segment_bytes += CR_OBJECT_HEADER + (uint64_t)count_b * CR_ID_BYTES;
    uint64_t first = (uint64_t)index << CR_SEGMENT_SHIFT;
    for (uint32_t i = 0; i < count_a || i < count_b; i++)
        chunk_compare(ids_a != NULL && i < count_a ? &ids_a[i] : &no_chunk,
                      ids_b != NULL && i < count_b ? &ids_b[i] : &no_chunk,
                      i < count_a ? cr_chunk_bytes(cr_version_disk_bytes(a), first + i) : 0,
                      i < count_b ? cr_chunk_bytes(cr_version_disk_bytes(b), first + i) : 0, d);
    return 0;
}

static int versions_compare(struct cr_version *a, struct cr_version *b, struct difference *d,
                            struct cr_error *err)
{
    const struct cr_manifest *ma = cr_version_manifest(a), *mb = cr_version_manifest(b);
    for (uint32_t i = 0; i < ma->segment_count || i < mb->segment_count; i++) {
        int r = stop_check(err);
        if (r < 0)
            return r;
        if (i < ma->segment_count && i < mb->segment_count &&
            cr_id_equal(&ma->segments[i], &mb->segments[i])) {
            d->chunks_equal += cr_segment_chunks(mb->disk_bytes, i);
            continue;
        }
        r = segment_compare(a, b, i, d, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What a seat that holds A fetches to get B: whole chunks, or the delta. */
static int fetch_measure(struct cli *cli, struct cr_store *store, struct cr_version *a,
                         struct cr_version *b, struct difference *d, struct cr_error *err)
{
    CLEANUP(lacking_done) struct lacking lacking = {0};
    int r = lacking_find(a, b, &lacking, err);
    d->fetch_chunks = lacking.count;
    /* A server would send them all; here they are at hand. */
    if (r == 0 && store->ops->head_set != NULL)
        r = lacking_frame_bytes(store, &lacking, &d->fetch_bytes, err);
    if (r < 0)
        return r;
    struct cr_error none;
    bool make = cli_has(cli, OPT_DELTA);
    r = delta_ready(cli, store, a, b, make, &d->delta_bytes, NULL, make ? err : &none);
    return make ? r : 0;
}

static json_t *bytes_or_null(uint64_t bytes)
{
    return bytes > 0 ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *difference_json(const struct difference *d, const char *a, const char *b)
{
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "from", a, "to",
        b, "chunks_equal", (json_int_t)d->chunks_equal, "chunks_changed",
        (json_int_t)d->chunks_changed, "chunks_added", (json_int_t)d->chunks_added, "chunks_holed",
        (json_int_t)d->chunks_holed, "bytes_changed", (json_int_t)d->bytes_changed, "bytes_added",
        (json_int_t)d->bytes_added, "bytes_holed", (json_int_t)d->bytes_holed, "segments_changed",
        (json_int_t)d->segments_changed, "segment_bytes", (json_int_t)d->segment_bytes,
        "fetch_chunks", (json_int_t)d->fetch_chunks, "fetch_bytes", bytes_or_null(d->fetch_bytes),
        "delta_bytes", bytes_or_null(d->delta_bytes));
}

static void difference_print(const struct difference *d, const char *a, const char *b)
{
    char bytes[CR_BYTES_TEXT];
    printf("%s -> %s\n", a, b);
    printf("  changed       %10" PRIu64 " chunks  %s\n", d->chunks_changed,
           cr_bytes_format(d->bytes_changed, bytes, sizeof(bytes)));
    printf("  added         %10" PRIu64 " chunks  %s\n", d->chunks_added,
           cr_bytes_format(d->bytes_added, bytes, sizeof(bytes)));
    printf("  become holes  %10" PRIu64 " chunks  %s\n", d->chunks_holed,
           cr_bytes_format(d->bytes_holed, bytes, sizeof(bytes)));
    printf("  equal         %10" PRIu64 " chunks\n", d->chunks_equal);
    printf("  segments      %10" PRIu32 " differ  %s\n", d->segments_changed,
           cr_bytes_format(d->segment_bytes, bytes, sizeof(bytes)));
    printf("  to fetch      %10" PRIu64 " chunks  %s", d->fetch_chunks,
           cr_bytes_format(d->fetch_chunks * CR_CHUNK_BYTES, bytes, sizeof(bytes)));
    if (d->fetch_bytes > 0)
        printf(", %s compressed", cr_bytes_format(d->fetch_bytes, bytes, sizeof(bytes)));
    printf("\n");
    if (d->delta_bytes > 0)
        printf("  as a delta                       %s\n",
               cr_bytes_format(d->delta_bytes, bytes, sizeof(bytes)));
    else
        printf("  as a delta                       not made yet: carrel image delta %s %s\n", a, b);
}

int cmd_image_diff(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *a = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *b = NULL;
    int r = cli_pair_open(cli, &store, &a, &b, err);
    if (r < 0)
        return r;
    struct difference d = {0};
    r = versions_compare(a, b, &d, err);
    if (r == 0)
        r = fetch_measure(cli, store, a, b, &d, err);
    if (r < 0)
        return r;
    char text_a[CR_REF_TEXT], text_b[CR_REF_TEXT];
    cr_ref_format(cr_version_ref(a), text_a);
    cr_ref_format(cr_version_ref(b), text_b);
    if (!cli_has(cli, OPT_JSON)) {
        difference_print(&d, text_a, text_b);
        return cli_has(cli, OPT_FILES) ? diff_files(cli, store, a, b, NULL, err) : 0;
    }
    CLEANUP(json_cleanup) json_t *json = difference_json(&d, text_a, text_b);
    r = cli_has(cli, OPT_FILES) ? diff_files(cli, store, a, b, json, err) : 0;
    return r < 0 ? r : output_json(TAKE_PTR(json), err);
}
