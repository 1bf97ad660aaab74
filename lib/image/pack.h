/* SPDX-License-Identifier: MIT */
/*
 * Packs: immutable objects of about 4 MiB that hold many chunk frames and, at the end, a footer
 * that lists them (FORMAT.md, "Pack"). A pack is named by the SHA-256 of its footer, so that a
 * footer verifies itself and the index of a store can always be built again from its packs.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

#define CR_PACK_HEADER_BYTES  8U
#define CR_PACK_ENTRY_BYTES   40U
#define CR_PACK_TRAILER_BYTES 16U
#define CR_PACK_FOOTER_MAX                                                                         \
    (CR_PACK_TRAILER_BYTES + (size_t)CR_PACK_CHUNKS_MAX * CR_PACK_ENTRY_BYTES)

struct cr_pack_entry {
    struct cr_id id;
    uint32_t offset;    /* of the frame, bytes from the pack's start */
    uint32_t frame_len; /* bytes */
};

/* A pack being filled. */
struct cr_pack {
    struct cr_buf bytes; /* header and frames; the footer after cr_pack_finish */
    struct cr_pack_entry *entries;
    uint32_t count, room;
};

void cr_pack_init(struct cr_pack *pack);
void cr_pack_done(struct cr_pack *pack);

/*
 * Append a chunk's frame. Returns 0, -ENOMEM, -ENOSPC when the pack is full, or -EINVAL for a hole
 * or an empty or oversized frame.
 */
int cr_pack_add(struct cr_pack *pack, const struct cr_id *id, const void *frame, size_t frame_len);

/* True once the pack has reached its target size and should be finished. */
bool cr_pack_is_full(const struct cr_pack *pack);

/* Append the footer; pack->bytes is then the whole object. Returns 0, -ENOMEM, -EINVAL when empty.
 */
int cr_pack_finish(struct cr_pack *pack, struct cr_id *ret_name);

/* Bytes of the footer whose last CR_PACK_TRAILER_BYTES are `trailer`; 0 when they are none. */
size_t cr_pack_footer_bytes(const uint8_t trailer[static CR_PACK_TRAILER_BYTES]);

/*
 * Parse the footer of the pack `name`, whose whole object has `pack_bytes`: checks its hash against
 * the name and that the frames fill the pack from header to footer, in order and without gaps. On
 * success *ret_entries is owned by the caller. Returns 0, -ENOMEM, or -EBADMSG with the reason.
 */
int cr_pack_footer_parse(const void *footer, size_t len, const struct cr_id *name,
                         uint64_t pack_bytes, struct cr_pack_entry **ret_entries,
                         uint32_t *ret_count, struct cr_error *err);
