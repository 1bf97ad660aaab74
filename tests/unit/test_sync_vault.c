/* SPDX-License-Identifier: MIT */
/*
 * Sealing: the vectors of a second implementation (tests/fixtures/private), what opens and what
 * does not, and that nothing of two owners, two places or two contents is ever the same.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/sync/vault.h"
#include "lib/sync/wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cr_owner_keys keys_from(uint8_t first)
{
    struct cr_owner_keys keys = {0};
    for (unsigned i = 0; i < CR_SEAL_KEY_BYTES; i++) {
        keys.id[i] = (uint8_t)(first + i);
        keys.data[i] = (uint8_t)(first + CR_SEAL_KEY_BYTES + i);
    }
    return keys;
}

/* --- vectors -----------------------------------------------------------------------------------
 */

static void expect_vector(const char *name, const void *data, size_t len)
{
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(64 * CR_KIB);
    CLEANUP_FREE char *hex = malloc(2 * len + 1);
    assert_int_equal(cr_file_read(AT_FDCWD, "tests/fixtures/private/vectors.txt", &file), 0);
    assert_int_equal(cr_buf_append(&file, "", 1), 0);
    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)data)[i]);
    for (char *rest = (char *)file.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t name_len = strlen(name);
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ' ') {
            assert_string_equal(line + name_len + 1, hex);
            return;
        }
    }
    fail_msg("no vector '%s'", name);
}

static struct cr_vault_entry known_entry(const struct cr_owner_keys *keys, uint8_t *sealed)
{
    static uint8_t frame[CR_CHUNK_FRAME_MAX];
    uint8_t plain[100];
    struct cr_vault_entry entry;
    for (unsigned i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)((i * 7 + 3) % 251);
    assert_int_equal(cr_vault_chunk_seal(keys, plain, sizeof(plain), frame, sealed, &entry), 0);
    return entry;
}

static void vectors(void **state)
{
    static uint8_t sealed[CR_CHUNK_BYTES];
    static struct cr_vault_entry entries[CR_VAULT_MAP_ENTRIES];
    struct cr_owner_keys keys = keys_from(0);
    struct cr_seal seals[2] = {0};
    uint8_t out[64], server_key[CR_SEAL_KEY_BYTES], wrapped[CR_WRAP_BYTES];
    char name[CR_SEAL_NAME];
    struct cr_id hash;
    (void)state;
    assert_int_equal(cr_seal(&keys, "place", 5, "hello", 5, out + 32, &seals[0]), 0);
    memcpy(out, &seals[0], 32);
    expect_vector("seal", out, 37);
    assert_int_equal(cr_seal_name(keys.id, "carrel overlay 1", "desk", name), 0);
    expect_vector("name", name, 40);

    struct cr_vault_entry entry = known_entry(&keys, sealed);
    memcpy(out, &entry.seal, 32);
    memcpy(out + 32, (uint8_t[]){100, 0, 0, 0, 1, 0, 0, 0}, 8);
    expect_vector("entry", out, CR_VAULT_ENTRY_BYTES);
    expect_vector("chunk", sealed, 128);
    assert_true(cr_is_zero(sealed + 100, CR_CHUNK_BYTES - 100));

    entries[0] = entries[CR_VAULT_MAP_ENTRIES - 1] = entry;
    assert_int_equal(cr_vault_map_seal(&keys, 5, entries, sealed, &seals[0]), 0);
    cr_hash(sealed, sizeof(sealed), &hash);
    expect_vector("map-sha256", hash.bytes, sizeof(hash));
    seals[1] = (struct cr_seal){0};
    struct cr_vault_header header = {.name = "desk",
                                     .base = {.name = "physics", .number = 7},
                                     .disk_bytes = 10 * CR_CHUNK_BYTES + 512,
                                     .chunks = 2};
    memset(header.base_root.bytes, 0x11, CR_ID_BYTES);
    assert_int_equal(cr_vault_maps_mac(&keys, seals, 2, header.maps_mac), 0);
    expect_vector("maps-mac", header.maps_mac, 32);
    assert_int_equal(cr_vault_header_seal(&keys, &header, sealed), 0);
    expect_vector("header", sealed, 8 + 32 + CR_VAULT_HEADER_PLAIN);
    assert_true(cr_is_zero(sealed + 552, CR_CHUNK_BYTES - 552));

    for (unsigned i = 0; i < sizeof(server_key); i++)
        server_key[i] = (uint8_t)(64 + i);
    assert_int_equal(
        cr_owner_keys_wrap(server_key, "abababababababababababababababababababab", &keys, wrapped),
        0);
    expect_vector("wrapped", wrapped, sizeof(wrapped));
}

/* --- chunks ------------------------------------------------------------------------------------
 */

static void chunks_come_back(void **state)
{
    static uint8_t plain[CR_CHUNK_BYTES], sealed[CR_CHUNK_BYTES], again[CR_CHUNK_BYTES],
        frame[CR_CHUNK_FRAME_MAX];
    static const size_t lengths[] = {1, 511, 512, 4096, CR_CHUNK_BYTES - 1, CR_CHUNK_BYTES};
    struct cr_owner_keys keys = keys_from(0);
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < CR_ARRAY_LEN(lengths); i++) {
            struct cr_vault_entry entry;
            uint64_t x = 88172645463325252ULL;
            for (size_t n = 0; n < lengths[i]; n++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                plain[n] = kind == 0 ? 0 : kind == 1 ? (uint8_t)(n / 64) : (uint8_t)x;
            }
            assert_int_equal(cr_vault_chunk_seal(&keys, plain, lengths[i], frame, sealed, &entry),
                             0);
            assert_int_equal(cr_vault_chunk_open(&keys, &entry, sealed, frame, again, lengths[i]),
                             0);
            assert_memory_equal(again, plain, lengths[i]);
            if (lengths[i] > 1)
                assert_int_equal(
                    cr_vault_chunk_open(&keys, &entry, sealed, frame, again, lengths[i] - 1),
                    -EBADMSG);
        }
}

static void what_was_changed_does_not_open(void **state)
{
    static uint8_t sealed[CR_CHUNK_BYTES], frame[CR_CHUNK_FRAME_MAX], plain[CR_CHUNK_BYTES];
    struct cr_owner_keys keys = keys_from(0), other = keys_from(1), half = keys;
    struct cr_vault_entry entry = known_entry(&keys, sealed), bad;
    (void)state;
    assert_int_equal(cr_vault_chunk_open(&keys, &entry, sealed, frame, plain, 100), 0);
    assert_int_equal(cr_vault_chunk_open(&other, &entry, sealed, frame, plain, 100), -EBADMSG);
    memcpy(half.id, other.id, sizeof(half.id)); /* the cipher's key alone is not enough */
    assert_int_equal(cr_vault_chunk_open(&half, &entry, sealed, frame, plain, 100), -EBADMSG);
    for (size_t bit = 0; bit < 800; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(cr_vault_chunk_open(&keys, &entry, sealed, frame, plain, 100), -EBADMSG);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(entry); bit++) {
        bad = entry;
        ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(cr_vault_chunk_open(&keys, &bad, sealed, frame, plain, 100), -EBADMSG);
    }
}

static void owners_share_nothing(void **state)
{
    static uint8_t a[CR_CHUNK_BYTES], b[CR_CHUNK_BYTES];
    struct cr_owner_keys alice = keys_from(0), bob = keys_from(1);
    struct cr_vault_entry one = known_entry(&alice, a), two = known_entry(&bob, b);
    struct cr_id id_a, id_b;
    (void)state;
    cr_hash(a, sizeof(a), &id_a);
    cr_hash(b, sizeof(b), &id_b);
    assert_false(cr_id_equal(&id_a, &id_b));
    assert_true(memcmp(&one.seal, &two.seal, sizeof(one.seal)) != 0);
    one = known_entry(&alice, b); /* while the same owner's are the same */
    assert_memory_equal(a, b, sizeof(a));
}

/* --- maps and header ---------------------------------------------------------------------------
 */

static void maps_belong_to_their_place(void **state)
{
    static uint8_t sealed[CR_CHUNK_BYTES], chunk[CR_CHUNK_BYTES];
    static struct cr_vault_entry entries[CR_VAULT_MAP_ENTRIES], again[CR_VAULT_MAP_ENTRIES];
    struct cr_owner_keys keys = keys_from(0), other = keys_from(1);
    struct cr_seal seal, found;
    (void)state;
    entries[3] = known_entry(&keys, chunk);
    assert_int_equal(cr_vault_map_seal(&keys, 2, entries, sealed, &seal), 0);
    assert_int_equal(cr_vault_map_open(&keys, 2, sealed, again, &found), 0);
    assert_memory_equal(again, entries, sizeof(entries));
    assert_memory_equal(&seal, &found, sizeof(seal));
    assert_int_equal(cr_vault_map_open(&keys, 3, sealed, again, &found), -EBADMSG);
    assert_int_equal(cr_vault_map_open(&other, 2, sealed, again, &found), -EBADMSG);
    for (size_t at = 0; at < CR_CHUNK_BYTES; at += 97) {
        sealed[at] ^= 4;
        assert_int_equal(cr_vault_map_open(&keys, 2, sealed, again, &found), -EBADMSG);
        sealed[at] ^= 4;
    }
    entries[4].form = 3; /* sealed by the owner, and still none */
    assert_int_equal(cr_vault_map_seal(&keys, 2, entries, sealed, &seal), 0);
    assert_int_equal(cr_vault_map_open(&keys, 2, sealed, again, &found), -EBADMSG);
}

static void headers_come_back_whole_or_not_at_all(void **state)
{
    static uint8_t sealed[CR_CHUNK_BYTES];
    struct cr_owner_keys keys = keys_from(0), other = keys_from(1);
    struct cr_vault_header header = {.name = "desk",
                                     .base = {.name = "physics", .number = 7},
                                     .disk_bytes = CR_GIB,
                                     .chunks = 3};
    struct cr_vault_header again;
    struct cr_error err = {0};
    (void)state;
    assert_int_equal(cr_vault_header_seal(&keys, &header, sealed), 0);
    assert_int_equal(cr_vault_header_open(&keys, sealed, &again, &err), 0);
    assert_memory_equal(&again, &header, sizeof(header));
    assert_int_equal(cr_vault_header_open(&other, sealed, &again, &err), -EBADMSG);
    for (size_t at = 0; at < 1000; at++) {
        sealed[at] ^= 16;
        assert_int_equal(cr_vault_header_open(&keys, sealed, &again, &err), -EBADMSG);
        sealed[at] ^= 16;
    }
    header.base.number = 0;
    assert_int_equal(cr_vault_header_seal(&keys, &header, sealed), 0);
    assert_int_equal(cr_vault_header_open(&keys, sealed, &again, &err), -EBADMSG);
    header.base.number = 7;
    header.chunks = CR_GIB / CR_CHUNK_BYTES + 1;
    assert_int_equal(cr_vault_header_seal(&keys, &header, sealed), 0);
    assert_int_equal(cr_vault_header_open(&keys, sealed, &again, &err), -EBADMSG);
}

static void places_do_not_overlap(void **state)
{
    uint64_t disk = (uint64_t)CR_VAULT_MAP_ENTRIES * CR_CHUNK_BYTES;
    (void)state;
    assert_int_equal(cr_vault_maps(1), 1);
    assert_int_equal(cr_vault_maps(disk), 1);
    assert_int_equal(cr_vault_maps(disk + 1), 2);
    assert_int_equal(cr_vault_map_place(0), 1);
    assert_int_equal(cr_vault_chunk_place(disk + 1, 0), 3);
    assert_int_equal(cr_vault_bytes(disk + 1),
                     (3 + CR_VAULT_MAP_ENTRIES + 1) * (uint64_t)CR_CHUNK_BYTES);
    assert_int_equal(cr_vault_bytes(0), 0);
    assert_int_equal(cr_vault_bytes(CR_DISK_BYTES_MAX), 0);
    assert_int_equal(cr_vault_bytes(UINT64_MAX), 0);
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void keys_are_wrapped_for_one_owner(void **state)
{
    static const char space[] = "0123456789012345678901234567890123456789";
    uint8_t server_key[CR_SEAL_KEY_BYTES] = {1}, wrapped[CR_WRAP_BYTES];
    struct cr_owner_keys keys, again;
    struct cr_error err = {0};
    (void)state;
    assert_int_equal(cr_owner_keys_make(&keys), 0);
    assert_int_equal(cr_owner_keys_wrap(server_key, space, &keys, wrapped), 0);
    assert_int_equal(
        cr_owner_keys_unwrap(server_key, space, wrapped, sizeof(wrapped), &again, &err), 0);
    assert_memory_equal(&again, &keys, sizeof(keys));
    assert_int_equal(
        cr_owner_keys_unwrap(server_key, space + 1, wrapped, sizeof(wrapped), &again, &err),
        -EBADMSG);
    for (size_t at = 0; at < sizeof(wrapped); at++) {
        wrapped[at] ^= 1;
        assert_int_equal(
            cr_owner_keys_unwrap(server_key, space, wrapped, sizeof(wrapped), &again, &err),
            -EBADMSG);
        wrapped[at] ^= 1;
        assert_int_equal(cr_owner_keys_unwrap(server_key, space, wrapped, at, &again, &err),
                         -EBADMSG);
    }
    server_key[31] = 1;
    assert_int_equal(
        cr_owner_keys_unwrap(server_key, space, wrapped, sizeof(wrapped), &again, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(chunks_come_back),
        cmocka_unit_test(what_was_changed_does_not_open),
        cmocka_unit_test(owners_share_nothing),
        cmocka_unit_test(maps_belong_to_their_place),
        cmocka_unit_test(headers_come_back_whole_or_not_at_all),
        cmocka_unit_test(places_do_not_overlap),
        cmocka_unit_test(keys_are_wrapped_for_one_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
