/* SPDX-License-Identifier: MIT */
/*
 * Input: a byte that chooses the parser, and what a seat or carrel-syncd was sent. What is taken
 * comes out as it went in, or says the same when it is read again.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/sync/fence.h"
#include "lib/sync/note.h"
#include "lib/sync/wire.h"

static void have(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_HAVE_REQUEST_MAX);
    CLEANUP_FREE struct cr_id *ids = NULL;
    static bool bits[CR_PACK_CHUNKS_MAX];
    struct cr_error err = {0};
    uint32_t count;
    if (cr_have_request_parse(data, size, &ids, &count, &err) == 0) {
        REQUIRE(cr_have_request_format(ids, count, &again) == 0);
        REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    } else {
        REQUIRE(err.text[0] != '\0');
    }
    again.len = 0;
    if (cr_have_answer_parse(data, size, 11, bits, &err) == 0) {
        REQUIRE(cr_have_answer_format(bits, 11, &again) == 0);
        REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    }
}

/* Parse, format, parse: the same. */
#define SAME_AGAIN(type, parse, format)                                                            \
    do {                                                                                           \
        struct type first, second;                                                                 \
        struct cr_error err = {0};                                                                 \
        CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(64 * CR_KIB);                                 \
        CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(64 * CR_KIB);                                \
        memset(&first, 0, sizeof(first));                                                          \
        memset(&second, 0, sizeof(second));                                                        \
        if (parse(data, size, &first, &err) < 0) {                                                 \
            REQUIRE(err.text[0] != '\0');                                                          \
            break;                                                                                 \
        }                                                                                          \
        REQUIRE(format(&first, &text) == 0);                                                       \
        REQUIRE(parse(text.data, text.len, &second, &err) == 0);                                   \
        REQUIRE(format(&second, &again) == 0);                                                     \
        REQUIRE(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);            \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t which = data[0];
    data++, size--;
    switch (which % 7) {
    case 0:
        have(data, size);
        break;
    case 1:
        SAME_AGAIN(cr_claim_request, cr_claim_request_parse, cr_claim_request_format);
        break;
    case 2:
        SAME_AGAIN(cr_claim_answer, cr_claim_answer_parse, cr_claim_answer_format);
        break;
    case 3:
        SAME_AGAIN(cr_commit_request, cr_commit_request_parse, cr_commit_request_format);
        break;
    case 4:
        SAME_AGAIN(cr_commit_answer, cr_commit_answer_parse, cr_commit_answer_format);
        break;
    case 5:
        SAME_AGAIN(cr_fence, cr_fence_parse, cr_fence_format);
        break;
    default:
        SAME_AGAIN(cr_sync_note, cr_sync_note_parse, cr_sync_note_format);
        break;
    }
    return 0;
}
