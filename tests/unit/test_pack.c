/* SPDX-License-Identifier: MIT */
/* Packs: a footer lists what was added, verifies itself, and every damaged one is refused. */
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/pack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FRAMES 3U
#define FOOTER (FRAMES * CR_PACK_ENTRY_BYTES + CR_PACK_TRAILER_BYTES)
static const char *const frames[FRAMES] = {"one", "three", "twelve"}; /* any bytes will do here */
#define FRAME_BYTES 14U

static void pack_make(struct cr_pack *pack, struct cr_id *ret_name)
{
    cr_pack_init(pack);
    for (unsigned i = 0; i < FRAMES; i++) {
        struct cr_id id;
        cr_hash(frames[i], strlen(frames[i]), &id);
        assert_int_equal(cr_pack_add(pack, &id, frames[i], strlen(frames[i])), 0);
    }
    assert_int_equal(cr_pack_finish(pack, ret_name), 0);
}

/* A footer of three frames, for tests that damage it; its name is made to fit unless told. */
struct damage {
    uint8_t footer[FOOTER + CR_PACK_ENTRY_BYTES];
    size_t len;
    uint64_t pack_bytes;
    struct cr_id name;
};

static int damage_make(void **state)
{
    CLEANUP(cr_pack_done) struct cr_pack pack;
    struct damage *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    pack_make(&pack, &d->name);
    d->len = FOOTER;
    d->pack_bytes = pack.bytes.len;
    memcpy(d->footer, pack.bytes.data + pack.bytes.len - FOOTER, FOOTER);
    *state = d;
    return 0;
}

static int damage_drop(void **state)
{
    free(*state);
    return 0;
}

static void parse_is_refused(const struct damage *d, const char *reason)
{
    struct cr_pack_entry *entries = NULL;
    uint32_t count = 77;
    struct cr_error err = {0};
    CLEANUP_FREE uint8_t *exact = malloc(d->len ? d->len : 1);
    assert_non_null(exact);
    memcpy(exact, d->footer, d->len);
    assert_int_equal(
        cr_pack_footer_parse(exact, d->len, &d->name, d->pack_bytes, &entries, &count, &err),
        -EBADMSG);
    assert_null(entries);
    assert_int_equal(count, 77);
    if (strstr(err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

/* As somebody would who can write packs: the name is the hash of the damaged footer. */
static void is_refused(struct damage *d, const char *reason)
{
    cr_hash(d->footer, d->len, &d->name);
    parse_is_refused(d, reason);
}

static uint8_t *entry(struct damage *d, unsigned i)
{
    return d->footer + (size_t)i * CR_PACK_ENTRY_BYTES;
}

static uint8_t *trailer(struct damage *d)
{
    return d->footer + FRAMES * CR_PACK_ENTRY_BYTES;
}

/* --- making ---------------------------------------------------------------------------------- */

static void a_pack_lists_what_was_added(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack pack;
    struct cr_id name, id;
    pack_make(&pack, &name);
    const uint8_t *end = pack.bytes.data + pack.bytes.len;
    assert_memory_equal(pack.bytes.data, "CRPACK01onethreetwelve", 8 + FRAME_BYTES);
    assert_int_equal(pack.bytes.len, CR_PACK_HEADER_BYTES + FRAME_BYTES + FOOTER);
    assert_int_equal(cr_pack_footer_bytes(end - CR_PACK_TRAILER_BYTES), FOOTER);
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    uint32_t count = 0;
    assert_int_equal(
        cr_pack_footer_parse(end - FOOTER, FOOTER, &name, pack.bytes.len, &entries, &count, NULL),
        0);
    assert_int_equal(count, FRAMES);
    for (unsigned i = 0; i < FRAMES; i++) {
        cr_hash(frames[i], strlen(frames[i]), &id);
        assert_true(cr_id_equal(&entries[i].id, &id));
        assert_int_equal(entries[i].frame_len, strlen(frames[i]));
        assert_memory_equal(pack.bytes.data + entries[i].offset, frames[i], strlen(frames[i]));
    }
}

static void a_pack_refuses_what_no_footer_may_list(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack pack;
    CLEANUP_FREE uint8_t *frame = calloc(1, CR_CHUNK_FRAME_MAX + 1);
    struct cr_id id = {{1}}, hole = {{0}};
    cr_pack_init(&pack);
    assert_int_equal(cr_pack_add(&pack, &id, frame, 0), -EINVAL);
    assert_int_equal(cr_pack_add(&pack, &id, frame, CR_CHUNK_FRAME_MAX + 1), -EINVAL);
    assert_int_equal(cr_pack_add(&pack, &hole, frame, 1), -EINVAL);
    assert_int_equal(pack.bytes.len, 0);
    assert_int_equal(cr_pack_add(&pack, &id, frame, CR_CHUNK_FRAME_MAX), 0);
}

static void an_empty_pack_is_not_finished(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack pack;
    struct cr_id name;
    cr_pack_init(&pack);
    assert_int_equal(cr_pack_finish(&pack, &name), -EINVAL);
    assert_int_equal(pack.bytes.len, 0);
}

static void fill(struct cr_pack *pack, size_t frame_len)
{
    CLEANUP_FREE uint8_t *frame = calloc(1, frame_len);
    struct cr_id id = {{1}}, name;
    cr_pack_init(pack);
    while (!cr_pack_is_full(pack))
        assert_int_equal(cr_pack_add(pack, &id, frame, frame_len), 0);
    assert_int_equal(cr_pack_add(pack, &id, frame, frame_len), -ENOSPC);
    assert_int_equal(cr_pack_finish(pack, &name), 0);
    assert_true(pack->bytes.len <= CR_PACK_BYTES_MAX);
}

static void a_full_pack_of_the_largest_frames_fits_the_maximum(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack pack;
    fill(&pack, CR_CHUNK_FRAME_MAX);
    assert_true(pack.bytes.len >= CR_PACK_TARGET_BYTES);
}

static void a_full_pack_of_the_smallest_frames_fits_the_maximum(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack pack;
    fill(&pack, 1);
    assert_int_equal(pack.count, CR_PACK_CHUNKS_MAX);
    assert_int_equal(cr_pack_footer_bytes(pack.bytes.data + pack.bytes.len - CR_PACK_TRAILER_BYTES),
                     CR_PACK_FOOTER_MAX);
}

static void the_same_frames_in_the_same_order_make_the_same_pack(void **state)
{
    (void)state;
    CLEANUP(cr_pack_done) struct cr_pack a, b;
    struct cr_id name_a, name_b;
    pack_make(&a, &name_a);
    pack_make(&b, &name_b);
    assert_true(cr_id_equal(&name_a, &name_b));
    assert_int_equal(a.bytes.len, b.bytes.len);
    assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.len);
}

/* --- trailer --------------------------------------------------------------------------------- */

static void a_footer_cut_at_any_byte_is_refused(void **state)
{
    struct damage *d = *state;
    for (d->len = 0; d->len < FOOTER; d->len++)
        is_refused(d, "its footer is damaged or cut off");
}

static void a_footer_with_bytes_behind_it_is_refused(void **state)
{
    struct damage *d = *state;
    d->len++;
    is_refused(d, "damaged or cut off");
}

static void a_footer_with_another_magic_is_refused(void **state)
{
    struct damage *d = *state;
    trailer(d)[15] = '2';
    assert_int_equal(cr_pack_footer_bytes(trailer(d)), 0);
    is_refused(d, "damaged or cut off");
}

static void a_footer_with_reserved_bytes_in_use_is_refused(void **state)
{
    struct damage *d = *state;
    for (unsigned i = 4; i < 8; i++) {
        trailer(d)[i] = 1;
        is_refused(d, "damaged or cut off");
        trailer(d)[i] = 0;
    }
}

static void a_footer_whose_count_is_zero_or_overflows_is_refused(void **state)
{
    struct damage *d = *state;
    /* 2^32 / 40 + 1 entries: their bytes overflow 32 bits. */
    static const uint32_t counts[] = {0,         1,          2,         4, CR_PACK_CHUNKS_MAX,
                                      107374183, UINT32_MAX, 0x80000003};
    for (size_t i = 0; i < CR_ARRAY_LEN(counts); i++) {
        cr_put_le32(trailer(d), counts[i]);
        is_refused(d, "damaged or cut off");
    }
    cr_put_le32(trailer(d), 0);
    assert_int_equal(cr_pack_footer_bytes(trailer(d)), 0); /* not the 16 bytes of a bare trailer */
    cr_put_le32(trailer(d), CR_PACK_CHUNKS_MAX + 1);
    assert_int_equal(cr_pack_footer_bytes(trailer(d)), 0);
}

static void a_footer_that_does_not_hash_to_its_name_is_refused(void **state)
{
    struct damage *d = *state;
    d->name.bytes[31] ^= 1;
    parse_is_refused(d, "does not hash to its name");
    d->name.bytes[31] ^= 1;
    entry(d, 1)[0] ^= 1;
    parse_is_refused(d, "does not hash to its name");
}

/* --- frames ---------------------------------------------------------------------------------- */

static void a_pack_larger_than_the_maximum_is_refused(void **state)
{
    struct damage *d = *state;
    d->pack_bytes = CR_PACK_BYTES_MAX + 1;
    is_refused(d, "it has 8388609 bytes, at most 8388608");
    d->pack_bytes = 1ULL << 63;
    is_refused(d, "it has 9223372036854775808 bytes");
}

static void a_pack_smaller_than_its_footer_is_refused(void **state)
{
    struct damage *d = *state;
    d->pack_bytes = FOOTER + CR_PACK_HEADER_BYTES - 1;
    is_refused(d, "its footer and header do not fit");
    d->pack_bytes = 0;
    is_refused(d, "its footer and header do not fit");
}

static void a_frame_outside_the_pack_is_refused(void **state)
{
    struct damage *d = *state;
    cr_put_le32(entry(d, 2) + 36, 7); /* one byte into the footer */
    is_refused(d, "chunk 2 of its footer lies outside it");
    cr_put_le32(entry(d, 2) + 36, 6);
    cr_put_le32(entry(d, 2) + 32, UINT32_MAX); /* offset + length overflow 32 bits */
    is_refused(d, "chunk 2 of its footer lies outside it");
}

static void a_frame_in_the_header_is_refused(void **state)
{
    struct damage *d = *state;
    cr_put_le32(entry(d, 0) + 32, 7);
    is_refused(d, "chunk 0 of its footer does not begin where the one before ends");
}

static void an_empty_frame_is_refused(void **state)
{
    struct damage *d = *state;
    cr_put_le32(entry(d, 0) + 36, 0);
    is_refused(d, "chunk 0 of its footer lies outside it");
}

static void a_frame_larger_than_any_chunk_is_refused(void **state)
{
    struct damage *d = *state;
    d->pack_bytes = CR_PACK_BYTES_MAX;
    cr_put_le32(entry(d, 2) + 36, CR_CHUNK_FRAME_MAX + 1);
    is_refused(d, "chunk 2 of its footer lies outside it");
    cr_put_le32(entry(d, 2) + 36, UINT32_MAX);
    is_refused(d, "chunk 2 of its footer lies outside it");
}

static void overlapping_frames_are_refused(void **state)
{
    struct damage *d = *state;
    cr_put_le32(entry(d, 1) + 32, 10); /* the first frame ends at 11 */
    is_refused(d, "chunk 1 of its footer does not begin where the one before ends");
}

static void frames_with_a_gap_are_refused(void **state)
{
    struct damage *d = *state;
    cr_put_le32(entry(d, 1) + 32, 12);
    is_refused(d, "chunk 1 of its footer does not begin where the one before ends");
}

static void bytes_that_belong_to_no_chunk_are_refused(void **state)
{
    struct damage *d = *state;
    d->pack_bytes += 5;
    is_refused(d, "5 bytes before its footer belong to no chunk");
}

static void a_hole_in_a_footer_is_refused(void **state)
{
    struct damage *d = *state;
    memset(entry(d, 1), 0, CR_ID_BYTES);
    is_refused(d, "chunk 1 of its footer has the id of a hole");
}

#define DAMAGED(test) cmocka_unit_test_setup_teardown(test, damage_make, damage_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_lists_what_was_added),
        cmocka_unit_test(a_pack_refuses_what_no_footer_may_list),
        cmocka_unit_test(an_empty_pack_is_not_finished),
        cmocka_unit_test(a_full_pack_of_the_largest_frames_fits_the_maximum),
        cmocka_unit_test(a_full_pack_of_the_smallest_frames_fits_the_maximum),
        cmocka_unit_test(the_same_frames_in_the_same_order_make_the_same_pack),
        DAMAGED(a_footer_cut_at_any_byte_is_refused),
        DAMAGED(a_footer_with_bytes_behind_it_is_refused),
        DAMAGED(a_footer_with_another_magic_is_refused),
        DAMAGED(a_footer_with_reserved_bytes_in_use_is_refused),
        DAMAGED(a_footer_whose_count_is_zero_or_overflows_is_refused),
        DAMAGED(a_footer_that_does_not_hash_to_its_name_is_refused),
        DAMAGED(a_pack_larger_than_the_maximum_is_refused),
        DAMAGED(a_pack_smaller_than_its_footer_is_refused),
        DAMAGED(a_frame_outside_the_pack_is_refused),
        DAMAGED(a_frame_in_the_header_is_refused),
        DAMAGED(an_empty_frame_is_refused),
        DAMAGED(a_frame_larger_than_any_chunk_is_refused),
        DAMAGED(overlapping_frames_are_refused),
        DAMAGED(frames_with_a_gap_are_refused),
        DAMAGED(bytes_that_belong_to_no_chunk_are_refused),
        DAMAGED(a_hole_in_a_footer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
