/* SPDX-License-Identifier: MIT */
/*
 * Input: a kind, and what an owner sealed: header, map, or chunk (an entry of 8 bytes: length and
 * form, then what is sealed). It is sealed here by known keys, so that the bytes behind the cipher
 * are the fuzzer's; and looked at as it came, which no key has sealed.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/sync/vault.h"

static const struct cr_owner_keys keys = {.id = {1}, .data = {2}};
static uint8_t sealed[CR_CHUNK_BYTES], plain[CR_CHUNK_BYTES], frame[CR_CHUNK_FRAME_MAX];
static struct cr_vault_entry entries[CR_VAULT_MAP_ENTRIES];

/* Seal `size` bytes of the input, filled up to `len`, for a place of this kind, to sealed + at. */
static struct cr_seal seal(char kind, uint64_t number, const uint8_t *data, size_t size, size_t len,
                           size_t at)
{
    uint8_t place[16] = {(uint8_t)kind};
    struct cr_seal out;
    cr_put_le64(place + 8, number);
    memset(plain, 0, sizeof(plain));
    memcpy(plain, data, size < len ? size : len);
    memset(sealed, 0, sizeof(sealed));
    REQUIRE(cr_seal(&keys, place, sizeof(place), plain, len, sealed + at, &out) == 0);
    return out;
}

static void header(const uint8_t *data, size_t size)
{
    static uint8_t before[CR_CHUNK_BYTES];
    struct cr_vault_header first;
    struct cr_error err = {0};
    struct cr_seal of = seal('h', 0, data, size, CR_VAULT_HEADER_PLAIN, 40);
    memcpy(sealed, "CRVAULT1", 8);
    memcpy(sealed + 8, &of, sizeof(of));
    if (cr_vault_header_open(&keys, sealed, &first, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return;
    }
    memcpy(before, sealed, sizeof(before));
    REQUIRE(cr_vault_header_seal(&keys, &first, sealed) == 0);
    REQUIRE(memcmp(before, sealed, sizeof(before)) == 0);
}

static void map(const uint8_t *data, size_t size)
{
    struct cr_seal found;
    struct cr_seal of =
        seal('m', 7, data, size, (size_t)CR_VAULT_MAP_ENTRIES * CR_VAULT_ENTRY_BYTES, 32);
    memcpy(sealed, &of, sizeof(of));
    if (cr_vault_map_open(&keys, 7, sealed, entries, &found) < 0)
        return;
    for (unsigned i = 0; i < CR_VAULT_MAP_ENTRIES; i++)
        REQUIRE(entries[i].form <= 2 && entries[i].stored_bytes <= CR_CHUNK_BYTES);
}

static void chunk(const uint8_t *data, size_t size)
{
    if (size < 9)
        return;
    struct cr_vault_entry entry = {.stored_bytes = cr_get_le32(data),
                                   .form = cr_get_le32(data + 4)};
    size_t len = entry.stored_bytes <= CR_CHUNK_BYTES ? entry.stored_bytes : CR_CHUNK_BYTES;
    entry.seal = seal('c', entry.form, data + 8, size - 8, len, 0);
    (void)cr_vault_chunk_open(&keys, &entry, sealed, frame, plain, size % 2 ? CR_CHUNK_BYTES : len);
}

static void raw(const uint8_t *data, size_t size)
{
    struct cr_vault_header first;
    struct cr_seal found;
    struct cr_error err = {0};
    memset(sealed, 0, sizeof(sealed));
    memcpy(sealed, data, size < sizeof(sealed) ? size : sizeof(sealed));
    REQUIRE(cr_vault_header_open(&keys, sealed, &first, &err) < 0);
    REQUIRE(cr_vault_map_open(&keys, 0, sealed, entries, &found) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        header(data + 1, size - 1);
        break;
    case 1:
        map(data + 1, size - 1);
        break;
    case 2:
        chunk(data + 1, size - 1);
        break;
    default:
        raw(data + 1, size - 1);
        break;
    }
    return 0;
}
