/* SPDX-License-Identifier: MIT */
/*
 * Input: one byte, the kind, then a frame. zstd's own call says what the frame holds, so that the
 * id can be made to fit; what opens must hold the same, and open again when we compress it.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/object.h"

#include <zstd.h>

#define PLAIN_MAX (256U * 1024U) /* chunks and segments whole; manifests up to this */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t expected[PLAIN_MAX], plain[PLAIN_MAX], frame[2 * PLAIN_MAX];
    struct cr_error err = {0};
    struct cr_id id = {{0}};
    size_t len = 0, frame_len = 0;
    if (size == 0)
        return 0;
    enum cr_kind kind = (enum cr_kind)(data[0] % CR_KIND_COUNT);
    data++;
    size--;
    REQUIRE(cr_object_open(kind, &id, data, size, plain, sizeof(plain), &len, &err) < 0);
    REQUIRE(err.text[0] != '\0' && len == 0);
    size_t n = ZSTD_decompress(expected, sizeof(expected), data, size);
    if (ZSTD_isError(n))
        return 0;
    cr_hash(expected, n, &id);
    if (cr_object_open(kind, &id, data, size, plain, sizeof(plain), &len, &err) < 0)
        return 0; /* more than the kind may have, or not one frame of today's format */
    REQUIRE(len == n && memcmp(plain, expected, n) == 0);
    REQUIRE(cr_frame_encode(plain, n, frame,
                            cr_kinds[kind].frame_max < sizeof(frame) ? cr_kinds[kind].frame_max
                                                                     : sizeof(frame),
                            &frame_len) == 0);
    REQUIRE(cr_object_open(kind, &id, frame, frame_len, plain, sizeof(plain), &len, &err) == 0);
    REQUIRE(len == n && memcmp(plain, expected, n) == 0);
    return 0;
}
