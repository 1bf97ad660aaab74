/* SPDX-License-Identifier: MIT */
/*
 * What a seat remembers of an overlay between two syncs: OVERLAY.sync beside it. Lost, it costs a
 * branch or a few questions, never data.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/head.h"

struct cr_sync_note {
    char name[CR_NAME_MAX + 1]; /* of the image that it goes to */
    uint64_t epoch;             /* of our claim */
    uint64_t newest;            /* the version that ours follow; 0 = none */
    struct cr_ref last;         /* what the last sync became; name "" = there was none */
};

/* Its text, appended to `out`; parsing it: 0 or -EBADMSG with the reason. */
int cr_sync_note_format(const struct cr_sync_note *note, struct cr_buf *out);
int cr_sync_note_parse(const void *data, size_t len, struct cr_sync_note *ret_note,
                       struct cr_error *err);

/* Read `path`. Returns 0, -ENOENT, -EBADMSG with a sentence, or another -errno. */
int cr_sync_note_read(const char *path, struct cr_sync_note *ret_note, struct cr_error *err);

/* Replace `path`, durably: the old or the new one after any crash. */
int cr_sync_note_write(const char *path, const struct cr_sync_note *note, struct cr_error *err);
