/* SPDX-License-Identifier: MIT */
/* Input: what a person could write behind "rados:". */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/rados/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    struct cr_rados_uri uri = {0};
    struct cr_error err = {0};
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (cr_rados_uri_parse(text, &uri, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && uri.pool[0] == '\0');
        return 0;
    }
    REQUIRE(uri.pool[0] != '\0' && uri.meta[0] != '\0' && uri.name_space[0] != '\0');
    REQUIRE(strchr(uri.pool, '/') == NULL && strchr(uri.name_space, '/') == NULL);
    REQUIRE(strlen(uri.pool) <= CR_RADOS_NAME_MAX && strlen(uri.meta) <= CR_RADOS_NAME_MAX);
    REQUIRE(uri.timeout_s >= 1 && uri.timeout_s <= CR_RADOS_TIMEOUT_S_MAX);
    REQUIRE(uri.lease_s >= CR_RADOS_LEASE_S_MIN && uri.lease_s <= CR_RADOS_LEASE_S_MAX);
    return 0;
}
