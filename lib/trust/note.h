/* SPDX-License-Identifier: MIT */
/*
 * What a program and the signer say to each other (FORMAT.md, "Signer"): one note there, one back,
 * each a list of named byte strings. Whoever has said it all closes its direction, so a note is
 * what was read up to the end. Bytes in, parts out; nothing here owns a socket.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

struct cr_note_part {
    char name[CR_NOTE_NAME_BYTES_MAX + 1];
    const uint8_t *data; /* borrowed from the note's bytes */
    size_t len;
};

struct cr_note {
    uint32_t count;
    struct cr_note_part parts[CR_NOTE_PARTS_MAX];
};

/* Read all of `data`. Returns 0 or -EBADMSG with the reason. The parts borrow from `data`. */
int cr_note_parse(const void *data, size_t len, struct cr_note *ret_note, struct cr_error *err);

/* The part of this name or NULL; borrowed. */
const struct cr_note_part *cr_note_find(const struct cr_note *note, const char *name);

/*
 * Write one: begin (with how many parts follow), then each part. Returns 0, -EINVAL for a name that
 * none can have, -ENOMEM, or -EMSGSIZE past the buffer's maximum.
 */
int cr_note_begin(struct cr_buf *out, uint32_t count);
int cr_note_add(struct cr_buf *out, const char *name, const void *data, size_t len);
