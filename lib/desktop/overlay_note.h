/* SPDX-License-Identifier: MIT */
/*
 * The note beside an overlay: what it was made on and for whom. An overlay is booted on exactly
 * that, for on another version its clusters are garbage. Bytes in, a structure out, and back.
 *
 *      carrel-overlay 1
 *      version physics@7
 *      root 5d41...
 *      bytes 42949672960
 *      made 1714550400
 *      person Anna Schmidt
 *
 * `root` and `person` may be missing; unknown lines are skipped, for a later release may add some.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>

#define CR_OVERLAY_VERSION_TEXT 128
#define CR_OVERLAY_ROOT_TEXT    65

struct cr_overlay_note {
    char version[CR_OVERLAY_VERSION_TEXT]; /* NAME@N */
    char root[CR_OVERLAY_ROOT_TEXT];       /* of the version, in hexadecimal; "" = not known */
    uint64_t disk_bytes;
    int64_t made_s;                       /* since 1970 */
    char person[CR_PERSON_BYTES_MAX + 1]; /* "" = the seat */
};

/* Returns 0 or -EBADMSG; `name` is what the sentence calls it. *ret_note only on success. */
int cr_overlay_note_parse(const char *name, const void *data, size_t len,
                          struct cr_overlay_note *ret_note, struct cr_error *err);

/* Append the text. Returns 0, -EMSGSIZE or -ENOMEM. */
int cr_overlay_note_format(const struct cr_overlay_note *note, struct cr_buf *out);

/* May a person be called so? 1 to CR_PERSON_BYTES_MAX bytes of UTF-8 without control characters. */
bool cr_person_is_valid(const char *person);

/*
 * The name of the folder of a person's overlays, or the seat's for "": letters, digits and what
 * needs no quoting stay, all else is %XX, so two persons never share one.
 */
#define CR_OVERLAY_OWNER_TEXT (CR_PERSON_BYTES_MAX * 3 + 8)
const char *cr_overlay_owner(const char *person, char out[static CR_OVERLAY_OWNER_TEXT]);
