/* SPDX-License-Identifier: MIT */
/*
 * Input: 8 bytes little-endian, the size of the whole pack, then its footer. The name is made to
 * fit, as somebody could who may write packs; so the parser behind the hash is reached.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/image/pack.h"

/* The same frames added to a pack give the same footer, name and size. */
static void make_again(const struct cr_pack_entry *entries, uint32_t count, const uint8_t *footer,
                       size_t len, const struct cr_id *name, uint64_t pack_bytes)
{
    static const uint8_t frame[CR_CHUNK_FRAME_MAX];
    CLEANUP(cr_pack_done) struct cr_pack pack;
    struct cr_id again;
    cr_pack_init(&pack);
    for (uint32_t i = 0; i < count; i++) {
        if (cr_pack_is_full(&pack))
            return; /* a reader takes larger packs than this writer makes */
        REQUIRE(cr_pack_add(&pack, &entries[i].id, frame, entries[i].frame_len) == 0);
    }
    REQUIRE(cr_pack_finish(&pack, &again) == 0);
    REQUIRE(cr_id_equal(&again, name) && pack.bytes.len == pack_bytes);
    REQUIRE(memcmp(pack.bytes.data + pack.bytes.len - len, footer, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    struct cr_error err = {0};
    struct cr_id name;
    uint32_t count = 0;
    if (size < 8)
        return 0;
    uint64_t pack_bytes = cr_get_le64(data);
    data += 8;
    size -= 8;
    cr_hash(data, size, &name);
    if (cr_pack_footer_parse(data, size, &name, pack_bytes, &entries, &count, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && entries == NULL);
        return 0;
    }
    REQUIRE(count > 0 && count <= CR_PACK_CHUNKS_MAX && pack_bytes <= CR_PACK_BYTES_MAX);
    make_again(entries, count, data, size, &name, pack_bytes);
    name.bytes[0] ^= 1;
    CLEANUP_FREE struct cr_pack_entry *none = NULL;
    REQUIRE(cr_pack_footer_parse(data, size, &name, pack_bytes, &none, &count, &err) < 0);
    return 0;
}
