/* SPDX-License-Identifier: MIT */
/* Input: the plain bytes of a manifest. Whatever parses is written again as the same bytes. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    struct cr_error err = {0};
    if (cr_manifest_parse(data, size, &manifest, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && manifest.segments == NULL);
        return 0;
    }
    REQUIRE(manifest.disk_bytes > 0 && manifest.disk_bytes <= CR_DISK_BYTES_MAX);
    REQUIRE(manifest.segment_count > 0 && manifest.segment_count <= CR_SEGMENTS_MAX);
    uint32_t last = cr_segment_chunks(manifest.disk_bytes, manifest.segment_count - 1);
    REQUIRE(last > 0 && last <= CR_SEGMENT_CHUNKS);
    REQUIRE(cr_manifest_format(&manifest, &again) == 0);
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    return 0;
}
