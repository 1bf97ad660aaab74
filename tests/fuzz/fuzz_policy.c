/* SPDX-License-Identifier: MIT */
/* Input: the body of a policy. What is taken keeps its limits and holds a desktop that parses. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/policy/policy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_JSON json_t *body = NULL;
    CLEANUP_POLICY struct cr_policy policy = {0};
    struct cr_error err = {""};
    struct cr_desktop desktop;
    struct cr_signed document;
    REQUIRE(cr_signed_open(data, size, "policy", NULL, 0, &document, NULL) < 0);
    if (cr_json_parse(data, size, CR_POLICY_BYTES_MAX, &body, NULL) < 0)
        return 0;
    if (cr_policy_parse(body, &policy, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return 0;
    }
    REQUIRE(policy.usb_count <= CR_POLICY_USB_RULES_MAX);
    REQUIRE(policy.lease_days <= CR_POLICY_LEASE_DAYS_MAX && policy.heartbeat_s >= 5);
    REQUIRE(!policy.power_off || policy.power_off_minute < 24 * 60);
    REQUIRE(strlen(policy.image) < sizeof(policy.image));
    REQUIRE(cr_desktop_parse("fuzz", policy.desktop.data, policy.desktop.len, &desktop, NULL) == 0);
    for (size_t i = 0; cr_policy_key(i) != NULL; i++)
        REQUIRE(cr_policy_key_equal(i, &policy, &policy));
    return 0;
}
