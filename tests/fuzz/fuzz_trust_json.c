/* SPDX-License-Identifier: MIT */
/* Input: strict JSON. What is taken has one canonical form, and its file gives the same value. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trust/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_JSON json_t *json = NULL, *again = NULL;
    CLEANUP_BUF struct cr_buf first = CR_BUF_INIT(64 * CR_MIB), second = CR_BUF_INIT(64 * CR_MIB);
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(64 * CR_MIB);
    struct cr_error err = {0};
    if (cr_json_parse(data, size, CR_MIB, &json, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && json == NULL);
        return 0;
    }
    REQUIRE(cr_json_canonical(json, &first) == 0 && first.len <= size);
    REQUIRE(cr_json_file(json, &file) == 0);
    REQUIRE(cr_json_parse(file.data, file.len, file.len, &again, NULL) == 0);
    REQUIRE(json_equal(json, again));
    REQUIRE(cr_json_canonical(again, &second) == 0);
    REQUIRE(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    return 0;
}
