/* SPDX-License-Identifier: MIT */
/* Input: a list of free space, as the program that reads NTFS prints it, of a partition at 1 MiB.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/limits.h"
#include "lib/trim/freelist.h"

#include <string.h>

#define OFFSET     CR_MIB
#define SIZE_BYTES (CR_GIB - 512)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(size);
    struct cr_error err = {0};
    if (cr_freelist_parse((const char *)data, size, OFFSET, SIZE_BYTES, &free_space, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < free_space.count; i++) {
        const struct cr_extent *extent = &free_space.items[i];
        REQUIRE(extent->offset >= OFFSET && extent->len > 0);
        REQUIRE(extent->offset + extent->len <= OFFSET + SIZE_BYTES);
    }
    /* There is one right text for a set of ranges. */
    REQUIRE(cr_freelist_format(&free_space, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    return 0;
}
