/* SPDX-License-Identifier: MIT */
/* Input: anything that seats and tracker say to each other, or a ticket. What is read is written
 * again as the same bytes. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/peer/announce.h"

static void announcement(const uint8_t *data, size_t size)
{
    struct cr_announcement parsed;
    struct cr_error err = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_PEER_ANNOUNCE_BYTES);
    if (cr_announcement_parse(data, size, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    REQUIRE(parsed.avoid_count <= CR_PEERS_MAX && parsed.present <= parsed.chunks);
    REQUIRE(cr_announcement_format(&parsed, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
}

static void answer(const uint8_t *data, size_t size)
{
    struct cr_peer_answer parsed;
    struct cr_error err = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_PEER_ANSWER_MAX);
    if (cr_peer_answer_parse(data, size, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    REQUIRE(parsed.count <= CR_PEERS_MAX && parsed.next_ms > 0);
    REQUIRE(cr_peer_answer_format(&parsed, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
}

static void report(const uint8_t *data, size_t size)
{
    struct cr_peer_report parsed;
    struct cr_error err = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_PEER_REPORT_BYTES);
    if (cr_peer_report_parse(data, size, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    REQUIRE(cr_peer_report_format(&parsed, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
}

/* Nobody has signed what comes out of a fuzzer. */
static void ticket(const uint8_t *data, size_t size)
{
    static const uint8_t keys[1][CR_TICKET_KEY_BYTES] = {{9}};
    struct cr_ticket wanted = {.expires_s = 0};
    struct cr_error err = {0};
    REQUIRE(cr_ticket_check(data, size, keys, 1, &wanted, 4000, &err) < 0);
    REQUIRE(err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    announcement(data, size);
    answer(data, size);
    report(data, size);
    ticket(data, size);
    return 0;
}
