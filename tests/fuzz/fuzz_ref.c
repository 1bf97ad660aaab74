/* SPDX-License-Identifier: MIT */
/* Input: what a person could write for an image or a version. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    struct cr_ref ref = {0}, again = {0};
    struct cr_error err = {0};
    char written[CR_REF_TEXT];
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (cr_ref_parse(text, &ref, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && ref.name[0] == '\0');
        return 0;
    }
    REQUIRE(strlen(ref.name) <= CR_NAME_MAX && ref.name[0] != '.' && ref.name[0] != '-');
    REQUIRE(strchr(ref.name, '/') == NULL && ref.number <= INT64_MAX);
    REQUIRE(cr_ref_parse(cr_ref_format(&ref, written), &again, &err) == 0);
    REQUIRE(strcmp(again.name, ref.name) == 0 && again.number == ref.number);
    REQUIRE(strcmp(again.channel, ref.channel) == 0);
    REQUIRE(ref.channel[0] == '\0' || (ref.number == 0 && cr_channel_is_valid(ref.channel)));
    return 0;
}
