/* SPDX-License-Identifier: MIT */
/* Input: the plain bytes of a segment; the count that its place asks for is the one it claims. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cr_id ids[CR_SEGMENT_CHUNKS];
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    struct cr_error err = {0};
    uint32_t count = size >= CR_OBJECT_HEADER ? cr_get_le32(data + 8) : 1;
    if (count > CR_SEGMENT_CHUNKS)
        count = CR_SEGMENT_CHUNKS;
    if (cr_segment_parse(data, size, count, ids, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return 0;
    }
    REQUIRE(cr_segment_format(ids, count, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    if (count > 1)
        REQUIRE(cr_segment_parse(data, size, count - 1, ids, &err) < 0);
    return 0;
}
