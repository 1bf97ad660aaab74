/* SPDX-License-Identifier: MIT */
/*
 * A private overlay as an ordinary disk of sealed chunks, so that store, sending, collecting and
 * scrubbing need no word of it (FORMAT.md, "Private overlays"):
 *
 *      chunk 0       header: which overlay, on which version; a MAC over the maps
 *      chunks 1..M   maps: for each chunk of the overlay's disk how its sealed bytes open
 *      the others    sealed chunks, each at the place of its plain one; a hole = as in the version
 * below
 *
 * These functions work on single chunks and own no I/O.
 */
#pragma once

#include "lib/image/head.h"
#include "lib/sync/seal.h"

#define CR_VAULT_ENTRY_BYTES  40U
#define CR_VAULT_MAP_ENTRIES  1636U
#define CR_VAULT_HEADER_PLAIN 512U

/* What the header says. */
struct cr_vault_header {
    char name[CR_NAME_MAX + 1]; /* of the overlay */
    struct cr_ref base;         /* NAME@N that it stands on */
    struct cr_id base_root;
    uint64_t disk_bytes;
    uint64_t chunks;      /* of the overlay that differ from the version below */
    uint8_t maps_mac[32]; /* cr_vault_maps_mac */
};

/* Maps of a disk, and the chunk of the vault that holds map `m` or the chunk `index` of the disk.
 */
uint64_t cr_vault_maps(uint64_t disk_bytes);
uint64_t cr_vault_map_place(uint64_t map);
uint64_t cr_vault_chunk_place(uint64_t disk_bytes, uint64_t index);

/* The vault's own size in bytes, for a disk; 0 when it would be larger than a disk may be. */
uint64_t cr_vault_bytes(uint64_t disk_bytes);

/* How a sealed chunk opens. All zero: there is none, the version below decides. */
struct cr_vault_entry {
    struct cr_seal seal;
    uint32_t stored_bytes; /* of the sealed content; the rest of its chunk is zero */
    uint32_t form;         /* 1 = as it is, 2 = one zstd frame */
};

/*
 * Seal the `len` plain bytes of a chunk into `out`, which has CR_CHUNK_BYTES; `frame` is a work
 * area of CR_CHUNK_FRAME_MAX. Returns 0 or -ENOMEM.
 */
int cr_vault_chunk_seal(const struct cr_owner_keys *keys, const void *plain, size_t len,
                        uint8_t *frame, uint8_t *out, struct cr_vault_entry *ret_entry);

/* The way back; `plain` gets exactly `len` bytes. Returns 0 or -EBADMSG. */
int cr_vault_chunk_open(const struct cr_owner_keys *keys, const struct cr_vault_entry *entry,
                        const uint8_t *sealed, uint8_t *frame, void *plain, size_t len);

/* Map `map` with its CR_VAULT_MAP_ENTRIES entries, to and from a chunk of the vault. -EBADMSG when
 * it is none of these keys' at this place. */
int cr_vault_map_seal(const struct cr_owner_keys *keys, uint64_t map,
                      const struct cr_vault_entry *entries, uint8_t *out, struct cr_seal *ret_seal);
int cr_vault_map_open(const struct cr_owner_keys *keys, uint64_t map, const uint8_t *sealed,
                      struct cr_vault_entry *entries, struct cr_seal *ret_seal);

/* Over the seals of all maps, in order; zeros for one that is a hole. Returns 0 or -ENOMEM. */
int cr_vault_maps_mac(const struct cr_owner_keys *keys, const struct cr_seal *seals, uint64_t count,
                      uint8_t out[static 32]);

/* The header, to and from chunk 0. */
int cr_vault_header_seal(const struct cr_owner_keys *keys, const struct cr_vault_header *header,
                         uint8_t *out);
int cr_vault_header_open(const struct cr_owner_keys *keys, const uint8_t *sealed,
                         struct cr_vault_header *ret_header, struct cr_error *err);
