/* SPDX-License-Identifier: MIT */
/*
 * Input: a batch, request or answer. Both parsers see it; the answer comes in one piece and, to a
 * second reader, in pieces whose size the last byte says. Both readers must see the same.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/net/batch.h"

static void request(const uint8_t *data, size_t size)
{
    static struct cr_batch_request parsed;
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_BATCH_REQUEST_MAX);
    struct cr_error err = {0};
    if (cr_batch_request_parse(data, size, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    REQUIRE(parsed.count >= 1 && parsed.count <= CR_BATCH_IDS_MAX);
    REQUIRE(cr_batch_request_format(parsed.ids, parsed.count, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
}

struct seen {
    uint32_t entries;
    uint64_t bytes, sum;
};

static int entry(void *context, uint32_t index, uint32_t status, const void *frame, size_t len)
{
    struct seen *seen = context;
    const uint8_t *p = frame;
    REQUIRE(index == seen->entries);
    REQUIRE(status == 0 ? len > 0 && len <= CR_CHUNK_FRAME_MAX : frame == NULL && len == 0);
    seen->entries++;
    seen->bytes += len;
    seen->sum = seen->sum * 31 + status;
    for (size_t i = 0; i < len; i++)
        seen->sum = seen->sum * 31 + p[i];
    return 0;
}

static struct seen answer(const uint8_t *data, size_t size, size_t piece)
{
    struct seen seen = {0};
    struct cr_batch_reader reader;
    struct cr_error err = {0};
    uint32_t count = size >= 12 ? cr_get_le32(data + 8) : 1;
    int r = 0;
    cr_batch_reader_init(&reader, count, entry, &seen);
    for (size_t at = 0; r == 0 && at < size; at += piece)
        r = cr_batch_reader_feed(&reader, data + at, size - at < piece ? size - at : piece, &err);
    REQUIRE(r == 0 || err.text[0] != '\0');
    REQUIRE(!cr_batch_reader_complete(&reader) || seen.entries == count);
    REQUIRE(seen.bytes <= size);
    cr_batch_reader_done(&reader);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request(data, size);
    if (size == 0)
        return 0;
    struct seen whole = answer(data, size, size);
    struct seen pieces = answer(data, size, data[size - 1] + 1U);
    REQUIRE(whole.entries == pieces.entries && whole.bytes == pieces.bytes &&
            whole.sum == pieces.sum);
    return 0;
}
