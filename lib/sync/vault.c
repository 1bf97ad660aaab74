/* SPDX-License-Identifier: MIT */
#include "lib/sync/vault.h"

#include "lib/base/le.h"
#include "lib/image/manifest.h"

#include <errno.h>

#define FORM_PLAIN      1U
#define FORM_ZSTD       2U
#define MAP_PLAIN       (CR_VAULT_MAP_ENTRIES * CR_VAULT_ENTRY_BYTES)
#define SEAL_BYTES      (CR_SEAL_SIV_BYTES + CR_SEAL_TAG_BYTES)
#define PLACE_MAX       16U
#define NAME_FIELD      (CR_NAME_MAX + 8U)
#define HEADER_SEAL_AT  8U
#define HEADER_PLAIN_AT (HEADER_SEAL_AT + SEAL_BYTES)

static const uint8_t header_magic[HEADER_SEAL_AT] = {'C', 'R', 'V', 'A', 'U', 'L', 'T', '1'};

_Static_assert(SEAL_BYTES + MAP_PLAIN <= CR_CHUNK_BYTES, "a map fits its chunk");

/* --- places ------------------------------------------------------------------------------------
 */

uint64_t cr_vault_maps(uint64_t disk_bytes)
{
    return (cr_disk_chunks(disk_bytes) + CR_VAULT_MAP_ENTRIES - 1) / CR_VAULT_MAP_ENTRIES;
}

uint64_t cr_vault_map_place(uint64_t map)
{
    return 1 + map;
}

uint64_t cr_vault_chunk_place(uint64_t disk_bytes, uint64_t index)
{
    return 1 + cr_vault_maps(disk_bytes) + index;
}

uint64_t cr_vault_bytes(uint64_t disk_bytes)
{
    if (disk_bytes == 0 || disk_bytes > CR_DISK_BYTES_MAX)
        return 0;
    uint64_t bytes = cr_vault_chunk_place(disk_bytes, cr_disk_chunks(disk_bytes)) << CR_CHUNK_SHIFT;
    return bytes <= CR_DISK_BYTES_MAX ? bytes : 0;
}

/* What a seal is bound to: its kind, and for a map its number. */
static size_t place_make(char kind, uint64_t number, uint8_t out[static PLACE_MAX])
{
    memset(out, 0, PLACE_MAX);
    out[0] = (uint8_t)kind;
    cr_put_le64(out + 8, number);
    return PLACE_MAX;
}

/* --- chunks ------------------------------------------------------------------------------------
 */

int cr_vault_chunk_seal(const struct cr_owner_keys *keys, const void *plain, size_t len,
                        uint8_t *frame, uint8_t *out, struct cr_vault_entry *ret_entry)
{
    uint8_t place[PLACE_MAX];
    size_t frame_len = 0;
    struct cr_vault_entry entry = {.stored_bytes = (uint32_t)len, .form = FORM_PLAIN};
    int r = cr_frame_encode(plain, len, frame, CR_CHUNK_FRAME_MAX, &frame_len);
    if (r < 0)
        return r;
    if (frame_len < len) {
        entry.stored_bytes = (uint32_t)frame_len;
        entry.form = FORM_ZSTD;
    }
    size_t place_len = place_make('c', entry.form, place);
    r = cr_seal(keys, place, place_len, entry.form == FORM_ZSTD ? frame : plain, entry.stored_bytes,
                out, &entry.seal);
    if (r < 0)
        return r;
    memset(out + entry.stored_bytes, 0, CR_CHUNK_BYTES - entry.stored_bytes);
    *ret_entry = entry;
    return 0;
}

int cr_vault_chunk_open(const struct cr_owner_keys *keys, const struct cr_vault_entry *entry,
                        const uint8_t *sealed, uint8_t *frame, void *plain, size_t len)
{
    uint8_t place[PLACE_MAX];
    size_t frame_len, plain_len;
    bool packed = entry->form == FORM_ZSTD;
    if (len > CR_CHUNK_BYTES || entry->stored_bytes > CR_CHUNK_BYTES ||
        (packed ? entry->stored_bytes >= len : entry->stored_bytes != len))
        return -EBADMSG;
    size_t place_len = place_make('c', entry->form, place);
    int r = cr_seal_open(keys, place, place_len, &entry->seal, sealed, entry->stored_bytes,
                         packed ? frame : plain);
    if (r < 0 || !packed)
        return r;
    r = cr_frame_first(frame, entry->stored_bytes, plain, len, &frame_len, &plain_len);
    return r == 0 && frame_len == entry->stored_bytes && plain_len == len ? 0 : -EBADMSG;
}

/* --- maps --------------------------------------------------------------------------------------
 */

static void entry_put(const struct cr_vault_entry *entry, uint8_t *out)
{
    memcpy(out, entry->seal.siv, CR_SEAL_SIV_BYTES);
    memcpy(out + CR_SEAL_SIV_BYTES, entry->seal.tag, CR_SEAL_TAG_BYTES);
    cr_put_le32(out + SEAL_BYTES, entry->stored_bytes);
    cr_put_le32(out + SEAL_BYTES + 4, entry->form);
}

static bool entry_take(const uint8_t *in, struct cr_vault_entry *entry)
{
    memcpy(entry->seal.siv, in, CR_SEAL_SIV_BYTES);
    memcpy(entry->seal.tag, in + CR_SEAL_SIV_BYTES, CR_SEAL_TAG_BYTES);
    entry->stored_bytes = cr_get_le32(in + SEAL_BYTES);
    entry->form = cr_get_le32(in + SEAL_BYTES + 4);
    if (entry->form == 0)
        return cr_is_zero(in, CR_VAULT_ENTRY_BYTES);
    return entry->form <= FORM_ZSTD && entry->stored_bytes > 0 &&
           entry->stored_bytes <= CR_CHUNK_BYTES;
}

int cr_vault_map_seal(const struct cr_owner_keys *keys, uint64_t map,
                      const struct cr_vault_entry *entries, uint8_t *out, struct cr_seal *ret_seal)
{
    uint8_t place[PLACE_MAX], *plain = out + SEAL_BYTES;
    size_t place_len = place_make('m', map, place);
    memset(out, 0, CR_CHUNK_BYTES);
    for (unsigned i = 0; i < CR_VAULT_MAP_ENTRIES; i++)
        entry_put(&entries[i], plain + (size_t)i * CR_VAULT_ENTRY_BYTES);
    int r = cr_seal(keys, place, place_len, plain, MAP_PLAIN, plain, ret_seal);
    if (r < 0)
        return r;
    memcpy(out, ret_seal->siv, CR_SEAL_SIV_BYTES);
    memcpy(out + CR_SEAL_SIV_BYTES, ret_seal->tag, CR_SEAL_TAG_BYTES);
    return 0;
}

int cr_vault_map_open(const struct cr_owner_keys *keys, uint64_t map, const uint8_t *sealed,
                      struct cr_vault_entry *entries, struct cr_seal *ret_seal)
{
    uint8_t place[PLACE_MAX];
    uint8_t plain[MAP_PLAIN];
    struct cr_seal seal;
    size_t place_len = place_make('m', map, place);
    memcpy(seal.siv, sealed, CR_SEAL_SIV_BYTES);
    memcpy(seal.tag, sealed + CR_SEAL_SIV_BYTES, CR_SEAL_TAG_BYTES);
    if (!cr_is_zero(sealed + SEAL_BYTES + MAP_PLAIN, CR_CHUNK_BYTES - SEAL_BYTES - MAP_PLAIN) ||
        cr_seal_open(keys, place, place_len, &seal, sealed + SEAL_BYTES, MAP_PLAIN, plain) < 0)
        return -EBADMSG;
    for (unsigned i = 0; i < CR_VAULT_MAP_ENTRIES; i++)
        if (!entry_take(plain + (size_t)i * CR_VAULT_ENTRY_BYTES, &entries[i]))
            return -EBADMSG;
    *ret_seal = seal;
    return 0;
}

int cr_vault_maps_mac(const struct cr_owner_keys *keys, const struct cr_seal *seals, uint64_t count,
                      uint8_t out[static 32])
{
    _Static_assert(sizeof(struct cr_seal) == SEAL_BYTES, "nothing between its two halves");
    return cr_seal_mac(keys->id, "carrel maps 1", seals, count * sizeof(*seals), out);
}

/* --- header ------------------------------------------------------------------------------------
 */

/* Offsets in the plain header. */
enum {
    AT_DISK_BYTES = 0,
    AT_CHUNKS = 8,
    AT_BASE_NUMBER = 16,
    AT_BASE_ROOT = 24,
    AT_MAPS_MAC = 56,
    AT_NAME = 88,
    AT_BASE_NAME = AT_NAME + NAME_FIELD,
    AT_END = AT_BASE_NAME + NAME_FIELD,
};

int cr_vault_header_seal(const struct cr_owner_keys *keys, const struct cr_vault_header *header,
                         uint8_t *out)
{
    uint8_t place[PLACE_MAX], plain[CR_VAULT_HEADER_PLAIN] = {0};
    struct cr_seal seal;
    size_t place_len = place_make('h', 0, place);
    cr_put_le64(plain + AT_DISK_BYTES, header->disk_bytes);
    cr_put_le64(plain + AT_CHUNKS, header->chunks);
    cr_put_le64(plain + AT_BASE_NUMBER, header->base.number);
    memcpy(plain + AT_BASE_ROOT, header->base_root.bytes, CR_ID_BYTES);
    memcpy(plain + AT_MAPS_MAC, header->maps_mac, sizeof(header->maps_mac));
    memcpy(plain + AT_NAME, header->name, strlen(header->name));
    memcpy(plain + AT_BASE_NAME, header->base.name, strlen(header->base.name));
    memset(out, 0, CR_CHUNK_BYTES);
    memcpy(out, header_magic, HEADER_SEAL_AT);
    int r = cr_seal(keys, place, place_len, plain, sizeof(plain), out + HEADER_PLAIN_AT, &seal);
    memcpy(out + HEADER_SEAL_AT, seal.siv, CR_SEAL_SIV_BYTES);
    memcpy(out + HEADER_SEAL_AT + CR_SEAL_SIV_BYTES, seal.tag, CR_SEAL_TAG_BYTES);
    return r;
}

static bool name_take(const uint8_t *field, char out[static CR_NAME_MAX + 1])
{
    struct cr_ref ref;
    char text[NAME_FIELD + 1] = "";
    memcpy(text, field, NAME_FIELD);
    size_t len = strlen(text);
    if (!cr_is_zero(field + len, NAME_FIELD - len) || cr_ref_parse(text, &ref, NULL) < 0 ||
        ref.number != 0 || ref.channel[0] != '\0')
        return false;
    memcpy(out, ref.name, sizeof(ref.name));
    return true;
}

int cr_vault_header_open(const struct cr_owner_keys *keys, const uint8_t *sealed,
                         struct cr_vault_header *ret_header, struct cr_error *err)
{
    uint8_t place[PLACE_MAX], plain[CR_VAULT_HEADER_PLAIN];
    struct cr_vault_header header = {0};
    struct cr_seal seal;
    size_t place_len = place_make('h', 0, place), end = HEADER_PLAIN_AT + CR_VAULT_HEADER_PLAIN;
    memcpy(seal.siv, sealed + HEADER_SEAL_AT, CR_SEAL_SIV_BYTES);
    memcpy(seal.tag, sealed + HEADER_SEAL_AT + CR_SEAL_SIV_BYTES, CR_SEAL_TAG_BYTES);
    if (memcmp(sealed, header_magic, HEADER_SEAL_AT) != 0 ||
        !cr_is_zero(sealed + end, CR_CHUNK_BYTES - end))
        return cr_error_set(err, -EBADMSG, "it does not begin as a private overlay does");
    if (cr_seal_open(keys, place, place_len, &seal, sealed + HEADER_PLAIN_AT, sizeof(plain),
                     plain) < 0)
        return cr_error_set(err, -EBADMSG,
                            "its header was not sealed by this owner, or is damaged");
    header.disk_bytes = cr_get_le64(plain + AT_DISK_BYTES);
    header.chunks = cr_get_le64(plain + AT_CHUNKS);
    header.base.number = cr_get_le64(plain + AT_BASE_NUMBER);
    memcpy(header.base_root.bytes, plain + AT_BASE_ROOT, CR_ID_BYTES);
    memcpy(header.maps_mac, plain + AT_MAPS_MAC, sizeof(header.maps_mac));
    if (!name_take(plain + AT_NAME, header.name) ||
        !name_take(plain + AT_BASE_NAME, header.base.name) || header.base.number == 0 ||
        cr_vault_bytes(header.disk_bytes) == 0 ||
        header.chunks > cr_disk_chunks(header.disk_bytes) ||
        !cr_is_zero(plain + AT_END, sizeof(plain) - AT_END))
        return cr_error_set(err, -EBADMSG, "its header says what no overlay is");
    *ret_header = header;
    return 0;
}
