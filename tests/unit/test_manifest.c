/* SPDX-License-Identifier: MIT */
/* Manifests and segments: what is written is read again, and every misuse has its own sentence. */
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DISK (3 * CR_SEGMENT_CHUNKS * (uint64_t)CR_CHUNK_BYTES - 512) /* three segments, ragged */

/* The plain bytes of a manifest of three segments, for tests that damage them. */
static uint8_t bytes[CR_MANIFEST_HEADER + 4 * CR_ID_BYTES];
#define WHOLE (CR_MANIFEST_HEADER + 3 * CR_ID_BYTES)

static int bytes_make(void **state)
{
    (void)state;
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(sizeof(bytes));
    assert_int_equal(cr_manifest_init(&manifest, DISK, NULL), 0);
    memset(&manifest.segments[1], 0xAB, sizeof(manifest.segments[1]));
    assert_int_equal(cr_manifest_format(&manifest, &buf), 0);
    assert_int_equal(buf.len, WHOLE);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, buf.data, buf.len);
    return 0;
}

static void is_refused(size_t len, const char *reason)
{
    struct cr_manifest manifest = {.disk_bytes = 77}; /* must stay as it is */
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    assert_int_equal(cr_manifest_parse(exact, len, &manifest, &err), -EBADMSG);
    assert_int_equal(manifest.disk_bytes, 77);
    assert_null(manifest.segments);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

/* --- manifest -------------------------------------------------------------------------------- */

static void a_manifest_is_read_as_it_was_written(void **state)
{
    (void)state;
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(sizeof(bytes));
    assert_int_equal(cr_manifest_parse(bytes, WHOLE, &manifest, NULL), 0);
    assert_true(manifest.disk_bytes == DISK);
    assert_int_equal(manifest.segment_count, 3);
    assert_true(cr_id_is_hole(&manifest.segments[0]));
    assert_int_equal(manifest.segments[1].bytes[31], 0xAB);
    assert_true(cr_id_is_hole(&manifest.segments[2]));
    assert_int_equal(cr_manifest_format(&manifest, &again), 0);
    assert_int_equal(again.len, WHOLE);
    assert_memory_equal(again.data, bytes, WHOLE);
}

static void the_largest_disk_has_the_largest_manifest(void **state)
{
    (void)state;
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    assert_int_equal(cr_manifest_init(&manifest, CR_DISK_BYTES_MAX, NULL), 0);
    assert_int_equal(manifest.segment_count, CR_SEGMENTS_MAX);
    assert_int_equal(cr_manifest_format(&manifest, &buf), 0);
    assert_int_equal(buf.len, cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP(cr_manifest_done) struct cr_manifest again = {0};
    assert_int_equal(cr_manifest_parse(buf.data, buf.len, &again, NULL), 0);
}

static void a_disk_of_one_byte_has_one_segment_of_one_chunk(void **state)
{
    (void)state;
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    assert_int_equal(cr_manifest_init(&manifest, 1, NULL), 0);
    assert_int_equal(manifest.segment_count, 1);
    assert_int_equal(cr_segment_chunks(1, 0), 1);
    assert_int_equal(cr_chunk_bytes(1, 0), 1);
}

static void a_manifest_cannot_be_made_for_a_disk_out_of_range(void **state)
{
    (void)state;
    struct cr_manifest manifest = {0};
    struct cr_error err = {0};
    assert_int_equal(cr_manifest_init(&manifest, 0, &err), -EFBIG);
    assert_int_equal(cr_manifest_init(&manifest, CR_DISK_BYTES_MAX + 1, &err), -EFBIG);
    assert_int_equal(cr_manifest_init(&manifest, UINT64_MAX, &err), -EFBIG);
    assert_null(manifest.segments);
    assert_non_null(strstr(err.text, "18446744073709551615 bytes, at most 70368744177664"));
}

static void a_manifest_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < CR_MANIFEST_HEADER; len++)
        is_refused(len, "it is not a manifest");
    for (size_t len = CR_MANIFEST_HEADER; len < WHOLE; len++)
        is_refused(len, "it claims 3 segments in ");
}

static void a_manifest_with_bytes_behind_it_is_refused(void **state)
{
    (void)state;
    is_refused(WHOLE + 1, "it claims 3 segments in 129 bytes");
    is_refused(WHOLE + CR_ID_BYTES, "it claims 3 segments in 160 bytes");
}

static void a_manifest_with_another_magic_is_refused(void **state)
{
    (void)state;
    bytes[7] = '2';
    is_refused(WHOLE, "no \"CRMANIF1\" header");
}

static void a_manifest_with_another_hash_is_refused(void **state)
{
    (void)state;
    bytes[8] = 2;
    is_refused(WHOLE, "it uses hash 2, chunk shift 16");
}

static void a_manifest_with_another_chunk_size_is_refused(void **state)
{
    (void)state;
    bytes[9] = 200; /* a shift that no integer survives */
    is_refused(WHOLE, "chunk shift 200");
}

static void a_manifest_with_another_segment_size_is_refused(void **state)
{
    (void)state;
    bytes[10] = 0;
    is_refused(WHOLE, "segment shift 0");
}

static void a_manifest_with_unknown_flags_is_refused(void **state)
{
    (void)state;
    bytes[11] = 1;
    is_refused(WHOLE, "flags 1");
}

static void a_manifest_with_reserved_bytes_in_use_is_refused(void **state)
{
    (void)state;
    for (size_t i = 24; i < 32; i++) {
        bytes[i] = 0x80;
        is_refused(WHOLE, "its reserved bytes are not zero");
        bytes[i] = 0;
    }
}

static void a_manifest_that_claims_2_to_the_63_bytes_is_refused(void **state)
{
    (void)state;
    cr_put_le64(bytes + 16, 1ULL << 63);
    is_refused(WHOLE, "it claims a disk of 9223372036854775808 bytes, at most 70368744177664");
    cr_put_le64(bytes + 16, UINT64_MAX);
    is_refused(WHOLE, "it claims a disk of 18446744073709551615 bytes");
    cr_put_le64(bytes + 16, CR_DISK_BYTES_MAX + 1);
    is_refused(WHOLE, "it claims a disk of 70368744177665 bytes");
}

static void a_manifest_of_an_empty_disk_is_refused(void **state)
{
    (void)state;
    cr_put_le64(bytes + 16, 0);
    is_refused(WHOLE, "it claims a disk of 0 bytes");
}

static void a_manifest_whose_count_overflows_is_refused(void **state)
{
    (void)state;
    /* 2^27 ids are 2^32 bytes: in 32 bits this count and 0 are the same length. */
    static const uint32_t counts[] = {0, 1, 2, 4, 1U << 27, (1U << 27) + 3, UINT32_MAX};
    for (size_t i = 0; i < CR_ARRAY_LEN(counts); i++) {
        cr_put_le32(bytes + 12, counts[i]);
        is_refused(WHOLE, " bytes has 3");
    }
}

static void a_manifest_with_too_few_segments_for_its_disk_is_refused(void **state)
{
    (void)state;
    cr_put_le64(bytes + 16, CR_DISK_BYTES_MAX);
    is_refused(WHOLE,
               "it claims 3 segments in 128 bytes, a disk of 70368744177664 bytes has 262144");
}

/* --- segment --------------------------------------------------------------------------------- */

static uint8_t segment[CR_OBJECT_HEADER + 3 * CR_ID_BYTES];
#define SEGMENT_WHOLE (CR_OBJECT_HEADER + 2 * CR_ID_BYTES)

static int segment_make(void **state)
{
    (void)state;
    struct cr_id ids[2] = {{{1}}, {{0}}};
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(sizeof(segment));
    assert_int_equal(cr_segment_format(ids, 2, &buf), 0);
    assert_int_equal(buf.len, SEGMENT_WHOLE);
    memset(segment, 0, sizeof(segment));
    memcpy(segment, buf.data, buf.len);
    return 0;
}

static void segment_is_refused(size_t len, uint32_t count, const char *reason)
{
    struct cr_id ids[3];
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, segment, len);
    memset(ids, 0x77, sizeof(ids));
    assert_int_equal(cr_segment_parse(exact, len, count, ids, &err), -EBADMSG);
    assert_int_equal(ids[0].bytes[0], 0x77);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void a_segment_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct cr_id ids[2];
    assert_int_equal(cr_segment_parse(segment, SEGMENT_WHOLE, 2, ids, NULL), 0);
    assert_int_equal(ids[0].bytes[0], 1);
    assert_true(cr_id_is_hole(&ids[1]));
}

static void the_largest_segment_fits_its_maximum(void **state)
{
    (void)state;
    CLEANUP_FREE struct cr_id *ids = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*ids));
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    assert_int_equal(cr_segment_format(ids, CR_SEGMENT_CHUNKS, &buf), 0);
    assert_int_equal(buf.len, cr_kinds[CR_SEGMENT].plain_max);
}

static void a_segment_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < CR_OBJECT_HEADER; len++)
        segment_is_refused(len, 2, "it is not a segment");
    for (size_t len = CR_OBJECT_HEADER; len < SEGMENT_WHOLE; len++)
        segment_is_refused(len, 2, "it claims 2 chunks in ");
}

static void a_segment_with_bytes_behind_it_is_refused(void **state)
{
    (void)state;
    segment_is_refused(SEGMENT_WHOLE + 1, 2, "it claims 2 chunks in 81 bytes");
}

static void a_segment_with_another_magic_is_refused(void **state)
{
    (void)state;
    segment[0] = 'c';
    segment_is_refused(SEGMENT_WHOLE, 2, "no \"CRSEGMT1\" header");
}

static void a_manifest_is_no_segment_and_a_segment_no_manifest(void **state)
{
    (void)state;
    struct cr_id ids[3];
    struct cr_manifest manifest;
    assert_int_equal(cr_segment_parse(bytes, WHOLE, 3, ids, NULL), -EBADMSG);
    assert_int_equal(cr_manifest_parse(segment, SEGMENT_WHOLE, &manifest, NULL), -EBADMSG);
}

static void a_segment_with_reserved_bytes_in_use_is_refused(void **state)
{
    (void)state;
    segment[15] = 1;
    segment_is_refused(SEGMENT_WHOLE, 2, "its reserved bytes are not zero");
}

static void a_segment_of_another_place_is_refused(void **state)
{
    (void)state;
    segment_is_refused(SEGMENT_WHOLE, 3, "it claims 2 chunks in 80 bytes, its place has 3");
    segment_is_refused(SEGMENT_WHOLE, 1, "its place has 1");
}

static void a_segment_whose_count_overflows_is_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 3, (1U << 27) + 2, UINT32_MAX};
    for (size_t i = 0; i < CR_ARRAY_LEN(counts); i++) {
        cr_put_le32(segment + 8, counts[i]);
        segment_is_refused(SEGMENT_WHOLE, 2, "its place has 2");
    }
}

/* --- geometry -------------------------------------------------------------------------------- */

static void the_last_segment_and_the_last_chunk_may_be_short(void **state)
{
    (void)state;
    uint64_t disk = CR_SEGMENT_CHUNKS * (uint64_t)CR_CHUNK_BYTES + CR_CHUNK_BYTES + 1;
    assert_true(cr_disk_chunks(disk) == CR_SEGMENT_CHUNKS + 2);
    assert_int_equal(cr_segment_chunks(disk, 0), CR_SEGMENT_CHUNKS);
    assert_int_equal(cr_segment_chunks(disk, 1), 2);
    assert_int_equal(cr_chunk_bytes(disk, CR_SEGMENT_CHUNKS), CR_CHUNK_BYTES);
    assert_int_equal(cr_chunk_bytes(disk, CR_SEGMENT_CHUNKS + 1), 1);
    assert_true(cr_disk_chunks(CR_DISK_BYTES_MAX) == 1ULL << 30);
}

#define DAMAGED(test)         cmocka_unit_test_setup(test, bytes_make)
#define DAMAGED_SEGMENT(test) cmocka_unit_test_setup(test, segment_make)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAMAGED(a_manifest_is_read_as_it_was_written),
        cmocka_unit_test(the_largest_disk_has_the_largest_manifest),
        cmocka_unit_test(a_disk_of_one_byte_has_one_segment_of_one_chunk),
        cmocka_unit_test(a_manifest_cannot_be_made_for_a_disk_out_of_range),
        DAMAGED(a_manifest_cut_at_any_byte_is_refused),
        DAMAGED(a_manifest_with_bytes_behind_it_is_refused),
        DAMAGED(a_manifest_with_another_magic_is_refused),
        DAMAGED(a_manifest_with_another_hash_is_refused),
        DAMAGED(a_manifest_with_another_chunk_size_is_refused),
        DAMAGED(a_manifest_with_another_segment_size_is_refused),
        DAMAGED(a_manifest_with_unknown_flags_is_refused),
        DAMAGED(a_manifest_with_reserved_bytes_in_use_is_refused),
        DAMAGED(a_manifest_that_claims_2_to_the_63_bytes_is_refused),
        DAMAGED(a_manifest_of_an_empty_disk_is_refused),
        DAMAGED(a_manifest_whose_count_overflows_is_refused),
        DAMAGED(a_manifest_with_too_few_segments_for_its_disk_is_refused),
        DAMAGED_SEGMENT(a_segment_is_read_as_it_was_written),
        cmocka_unit_test(the_largest_segment_fits_its_maximum),
        DAMAGED_SEGMENT(a_segment_cut_at_any_byte_is_refused),
        DAMAGED_SEGMENT(a_segment_with_bytes_behind_it_is_refused),
        DAMAGED_SEGMENT(a_segment_with_another_magic_is_refused),
        DAMAGED_SEGMENT(a_manifest_is_no_segment_and_a_segment_no_manifest),
        DAMAGED_SEGMENT(a_segment_with_reserved_bytes_in_use_is_refused),
        DAMAGED_SEGMENT(a_segment_of_another_place_is_refused),
        DAMAGED_SEGMENT(a_segment_whose_count_overflows_is_refused),
        cmocka_unit_test(the_last_segment_and_the_last_chunk_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
