/* SPDX-License-Identifier: MIT */
/* Objects: ids as text, frames that open to what their id names, and everything else refused. */
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/object.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <zstd.h>

#include <cmocka.h>

/* A chunk with its frame, for tests that damage it. */
struct sample {
    uint8_t plain[CR_CHUNK_BYTES], frame[CR_CHUNK_FRAME_MAX + 64], opened[CR_CHUNK_BYTES];
    size_t frame_len, opened_len;
    struct cr_id id;
    struct cr_error err;
};

static int sample_make(void **state)
{
    struct sample *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    for (size_t i = 0; i < sizeof(s->plain); i++)
        s->plain[i] = (uint8_t)(i * i >> 7);
    cr_hash(s->plain, sizeof(s->plain), &s->id);
    assert_int_equal(
        cr_frame_encode(s->plain, sizeof(s->plain), s->frame, CR_CHUNK_FRAME_MAX, &s->frame_len),
        0);
    *state = s;
    return 0;
}

static int sample_drop(void **state)
{
    free(*state);
    return 0;
}

static int sample_open(struct sample *s, size_t room)
{
    /* Exactly as many bytes as stated, so that a sanitizer sees one too far. */
    CLEANUP_FREE uint8_t *exact = malloc(s->frame_len ? s->frame_len : 1);
    assert_non_null(exact);
    memcpy(exact, s->frame, s->frame_len);
    s->opened_len = 77;
    return cr_object_open(CR_CHUNK, &s->id, exact, s->frame_len, s->opened, room, &s->opened_len,
                          &s->err);
}

static void is_refused(struct sample *s, size_t room, const char *reason)
{
    char hex[CR_ID_HEX];
    assert_int_equal(sample_open(s, room), -EBADMSG);
    assert_int_equal(s->opened_len, 77);
    if (strstr(s->err.text, reason) == NULL)
        fail_msg("'%s' does not say '%s'", s->err.text, reason);
    assert_non_null(strstr(s->err.text, "chunk '"));
    assert_non_null(strstr(s->err.text, cr_id_format(&s->id, hex)));
}

static void frame_of(struct sample *s, const void *plain, size_t len)
{
    assert_int_equal(cr_frame_encode(plain, len, s->frame, CR_CHUNK_FRAME_MAX, &s->frame_len), 0);
}

/* --- ids ------------------------------------------------------------------------------------- */

static void an_id_is_64_digits(void **state)
{
    (void)state;
    struct cr_id id, again;
    char hex[CR_ID_HEX];
    cr_hash("abc", 3, &id); /* FIPS 180-4, example 1 */
    assert_string_equal(cr_id_format(&id, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(cr_id_parse(hex, 64, &again), 0);
    assert_true(cr_id_equal(&id, &again));
    hex[0] = 'B';
    assert_int_equal(cr_id_parse(hex, 64, &again), 0);
    assert_true(cr_id_equal(&id, &again));
}

static void an_id_text_of_another_length_is_refused(void **state)
{
    (void)state;
    struct cr_id id = {{1}}, before = id;
    char text[66];
    memset(text, 'a', sizeof(text));
    assert_int_equal(cr_id_parse(text, 63, &id), -EINVAL);
    assert_int_equal(cr_id_parse(text, 65, &id), -EINVAL);
    assert_int_equal(cr_id_parse(text, 0, &id), -EINVAL);
    assert_true(cr_id_equal(&id, &before));
}

static void an_id_text_with_another_character_is_refused(void **state)
{
    (void)state;
    static const char others[] = {'g', 'G', ' ', '/', ':', '@', '`', '-', '\0', '\xb5'};
    for (size_t i = 0; i < sizeof(others); i++) {
        for (size_t place = 0; place < 64; place += 21) {
            struct cr_id id;
            char text[64];
            memset(text, '0', sizeof(text));
            text[place] = others[i];
            assert_int_equal(cr_id_parse(text, 64, &id), -EINVAL);
        }
    }
}

static void only_the_id_of_all_zeros_is_a_hole(void **state)
{
    (void)state;
    struct cr_id id = {{0}};
    assert_true(cr_id_is_hole(&id));
    id.bytes[31] = 1;
    assert_false(cr_id_is_hole(&id));
}

static void zeros_are_told_from_data_at_every_place(void **state)
{
    (void)state;
    uint8_t data[80] = {0};
    for (size_t len = 0; len < sizeof(data); len++) {
        assert_true(cr_is_zero(data, len));
        for (size_t i = 0; i < sizeof(data); i++) {
            data[i] = 128;
            assert_int_equal(cr_is_zero(data, len), i >= len);
            data[i] = 0;
        }
    }
}

/* --- frames ---------------------------------------------------------------------------------- */

static void a_frame_opens_to_the_bytes_it_was_made_from(void **state)
{
    struct sample *s = *state;
    assert_int_equal(sample_open(s, sizeof(s->opened)), 0);
    assert_int_equal(s->opened_len, sizeof(s->plain));
    assert_memory_equal(s->opened, s->plain, sizeof(s->plain));
}

static void the_largest_frame_of_each_kind_fits_its_maximum(void **state)
{
    (void)state;
    for (int kind = 0; kind < CR_KIND_COUNT; kind++)
        assert_true(ZSTD_compressBound(cr_kinds[kind].plain_max) <= cr_kinds[kind].frame_max);
    assert_true(cr_kinds[CR_CHUNK].frame_max == CR_CHUNK_FRAME_MAX);
}

static void a_frame_that_does_not_fit_is_refused_when_made(void **state)
{
    struct sample *s = *state;
    size_t len = 77;
    assert_int_equal(cr_frame_encode(s->plain, sizeof(s->plain), s->frame, 10, &len), -EMSGSIZE);
    assert_int_equal(len, 77);
}

static void a_frame_cut_at_any_byte_is_refused(void **state)
{
    struct sample *s = *state;
    size_t whole = s->frame_len;
    for (size_t len = 0; len < whole; len += len < 64 ? 1 : 997) {
        s->frame_len = len;
        is_refused(s, sizeof(s->opened), "not one zstd frame");
    }
}

static void a_changed_byte_never_gives_other_bytes(void **state)
{
    struct sample *s = *state;
    unsigned refused = 0, tried = 0;
    for (size_t i = 0; i < s->frame_len; i += i < 64 ? 1 : 211, tried++) {
        s->frame[i] ^= 0x10;
        if (sample_open(s, sizeof(s->opened)) != 0)
            refused++;
        else /* zstd ignores a few bits, such as the unused one of the descriptor */
            assert_memory_equal(s->opened, s->plain, sizeof(s->plain));
        s->frame[i] ^= 0x10;
    }
    assert_true(refused > tried * 9 / 10);
}

static void a_frame_longer_than_the_maximum_is_refused(void **state)
{
    struct sample *s = *state;
    s->frame_len = CR_CHUNK_FRAME_MAX + 1;
    is_refused(s, sizeof(s->opened), "bytes stored, at most");
}

static void a_frame_with_bytes_behind_it_is_refused(void **state)
{
    struct sample *s = *state;
    s->frame[s->frame_len++] = 0;
    is_refused(s, sizeof(s->opened), "not one zstd frame");
}

static void two_frames_in_a_row_are_refused(void **state)
{
    struct sample *s = *state;
    uint8_t half[CR_CHUNK_FRAME_MAX];
    size_t first, second, middle = sizeof(s->plain) / 2;
    assert_int_equal(cr_frame_encode(s->plain, middle, half, sizeof(half), &first), 0);
    memcpy(s->frame, half, first);
    assert_int_equal(cr_frame_encode(s->plain + middle, middle, half, sizeof(half), &second), 0);
    memcpy(s->frame + first, half, second);
    s->frame_len = first + second;
    is_refused(s, sizeof(s->opened), "not one zstd frame");
}

static void a_skippable_frame_in_front_is_refused(void **state)
{
    struct sample *s = *state;
    memmove(s->frame + 12, s->frame, s->frame_len);
    cr_put_le32(s->frame, 0x184D2A50);
    cr_put_le32(s->frame + 4, 4);
    s->frame_len += 12;
    is_refused(s, sizeof(s->opened), "not one zstd frame");
}

static void frames_of_the_first_zstd_releases_are_refused(void **state)
{
    struct sample *s = *state;
    cr_hash("", 0, &s->id);
    for (uint32_t magic = 0xFD2FB522; magic < 0xFD2FB528; magic++) {
        /* With 0xFD2FB525 and 26, zstd's library takes this for a whole frame of release 0.5, 0.6.
         */
        memset(s->frame, 0, 8);
        cr_put_le32(s->frame, magic);
        s->frame_len = 8;
        is_refused(s, sizeof(s->opened), "not one zstd frame");
    }
}

static void a_frame_that_claims_2_to_the_63_bytes_is_refused(void **state)
{
    struct sample *s = *state;
    /* Magic; descriptor 0xC0: an 8-byte size, a window byte; size; an empty last block. */
    static const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD, 0xC0, 0x00, 0, 0, 0,
                                    0,    0,    0,    0,    0x80, 1,    0, 0};
    memcpy(s->frame, frame, sizeof(frame));
    s->frame_len = sizeof(frame);
    is_refused(s, sizeof(s->opened), "it claims 9223372036854775808 bytes, at most 65536");
}

static void a_frame_that_does_not_state_its_size_is_refused(void **state)
{
    struct sample *s = *state;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    s->frame_len = ZSTD_compress2(context, s->frame, sizeof(s->frame), s->plain, sizeof(s->plain));
    ZSTD_freeCCtx(context);
    assert_false(ZSTD_isError(s->frame_len));
    is_refused(s, sizeof(s->opened), "does not state its size");
}

static void a_frame_of_more_bytes_than_its_place_has_is_refused(void **state)
{
    struct sample *s = *state;
    is_refused(s, sizeof(s->opened) - 1, "it claims 65536 bytes, at most 65535");
}

static void a_frame_of_more_bytes_than_its_kind_may_have_is_refused(void **state)
{
    struct sample *s = *state;
    size_t len = CR_CHUNK_BYTES + 1;
    CLEANUP_FREE uint8_t *large = calloc(2, len);
    assert_non_null(large);
    cr_hash(large, len, &s->id);
    frame_of(s, large, len);
    size_t ret = 0;
    assert_int_equal(
        cr_object_open(CR_CHUNK, &s->id, s->frame, s->frame_len, large, 2 * len, &ret, &s->err),
        -EBADMSG);
    assert_non_null(strstr(s->err.text, "it claims 65537 bytes, at most 65536"));
    assert_int_equal(
        cr_object_open(CR_SEGMENT, &s->id, s->frame, s->frame_len, large, 2 * len, &ret, &s->err),
        0);
}

static void a_frame_of_other_bytes_is_refused_and_both_ids_are_named(void **state)
{
    struct sample *s = *state;
    char hex[CR_ID_HEX];
    struct cr_id other;
    s->plain[17] ^= 1;
    cr_hash(s->plain, sizeof(s->plain), &other);
    frame_of(s, s->plain, sizeof(s->plain));
    is_refused(s, sizeof(s->opened), "its bytes hash to '");
    assert_non_null(strstr(s->err.text, cr_id_format(&other, hex)));
}

static void a_frame_of_fewer_bytes_tells_their_number(void **state)
{
    struct sample *s = *state;
    cr_hash(s->plain, 100, &s->id);
    frame_of(s, s->plain, 100);
    assert_int_equal(sample_open(s, sizeof(s->opened)), 0);
    assert_int_equal(s->opened_len, 100);
}

static void bytes_that_do_not_compress_still_fit(void **state)
{
    struct sample *s = *state;
    uint64_t x = 88172645463325252ULL; /* xorshift64, Marsaglia 2003 */
    for (size_t i = 0; i < sizeof(s->plain); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        s->plain[i] = (uint8_t)x;
    }
    cr_hash(s->plain, sizeof(s->plain), &s->id);
    frame_of(s, s->plain, sizeof(s->plain));
    assert_true(s->frame_len > sizeof(s->plain));
    assert_int_equal(sample_open(s, sizeof(s->opened)), 0);
    assert_memory_equal(s->opened, s->plain, sizeof(s->plain));
}

#define WITH_SAMPLE(test) cmocka_unit_test_setup_teardown(test, sample_make, sample_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_64_digits),
        cmocka_unit_test(an_id_text_of_another_length_is_refused),
        cmocka_unit_test(an_id_text_with_another_character_is_refused),
        cmocka_unit_test(only_the_id_of_all_zeros_is_a_hole),
        cmocka_unit_test(zeros_are_told_from_data_at_every_place),
        cmocka_unit_test(the_largest_frame_of_each_kind_fits_its_maximum),
        WITH_SAMPLE(a_frame_opens_to_the_bytes_it_was_made_from),
        WITH_SAMPLE(a_frame_that_does_not_fit_is_refused_when_made),
        WITH_SAMPLE(a_frame_cut_at_any_byte_is_refused),
        WITH_SAMPLE(a_changed_byte_never_gives_other_bytes),
        WITH_SAMPLE(a_frame_longer_than_the_maximum_is_refused),
        WITH_SAMPLE(a_frame_with_bytes_behind_it_is_refused),
        WITH_SAMPLE(two_frames_in_a_row_are_refused),
        WITH_SAMPLE(a_skippable_frame_in_front_is_refused),
        WITH_SAMPLE(frames_of_the_first_zstd_releases_are_refused),
        WITH_SAMPLE(a_frame_that_claims_2_to_the_63_bytes_is_refused),
        WITH_SAMPLE(a_frame_that_does_not_state_its_size_is_refused),
        WITH_SAMPLE(a_frame_of_more_bytes_than_its_place_has_is_refused),
        WITH_SAMPLE(a_frame_of_more_bytes_than_its_kind_may_have_is_refused),
        WITH_SAMPLE(a_frame_of_other_bytes_is_refused_and_both_ids_are_named),
        WITH_SAMPLE(a_frame_of_fewer_bytes_tells_their_number),
        WITH_SAMPLE(bytes_that_do_not_compress_still_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
