/* SPDX-License-Identifier: MIT */
/* Input: the record of a build, a zstd frame. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/recipe/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cr_record record = {.count = 4711};
    struct cr_error err = {""};
    if (cr_record_parse(data, size, NULL, &record, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && record.count == 4711);
        return 0;
    }
    REQUIRE(record.count >= 1 && record.count <= CR_RECORD_ENTRIES_MAX);
    for (uint32_t i = 0; i < record.count; i++) {
        const struct cr_record_entry *entry = &record.entries[i];
        REQUIRE(strlen(entry->name) >= 1 && strlen(entry->name) <= CR_RECORD_NAME_MAX);
        REQUIRE(entry->data + entry->len <= record.plain + record.plain_len);
        REQUIRE(cr_record_find(&record, entry->name) == entry);
    }
    cr_record_done(&record);
    return 0;
}
