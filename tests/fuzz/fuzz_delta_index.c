/* SPDX-License-Identifier: MIT */
/*
 * Input: the index of a delta without the hash at its end, which is made to fit, as somebody could
 * who may write the store; so the parser behind the hash is reached.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/delta/index.h"
#include "lib/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cr_delta_index_done) struct cr_delta_index index = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_error err = {0};
    struct cr_id hash;
    if (cr_delta_index_parse(data, size, &index, &err) == 0)
        abort(); /* nobody finds a hash by chance */
    cr_hash(data, size, &hash);
    if (cr_buf_append(&bytes, data, size) < 0 ||
        cr_buf_append(&bytes, hash.bytes, sizeof(hash.bytes)) < 0)
        return 0;
    err.text[0] = '\0';
    if (cr_delta_index_parse(bytes.data, bytes.len, &index, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && index.groups == NULL && index.parts == NULL);
        return 0;
    }
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < index.group_count; i++) {
        const struct cr_delta_group *group = &index.groups[i];
        chunks += group->chunks;
        REQUIRE(cr_delta_index_find(&index, group->first) == group);
        REQUIRE(group->part < index.part_count);
        REQUIRE((uint64_t)group->offset + group->bytes <= index.parts[group->part].bytes);
        REQUIRE(group->first + group->chunks <= cr_disk_chunks(index.new_bytes));
    }
    REQUIRE(chunks == index.chunks);
    /* One right form. */
    REQUIRE(cr_delta_index_format(&index, &again) == 0);
    REQUIRE(again.len == bytes.len && memcmp(again.data, bytes.data, again.len) == 0);
    return 0;
}
