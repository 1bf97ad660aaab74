/* SPDX-License-Identifier: MIT */
/*
 * Head: the one object of an image that changes (FORMAT.md, "Head"). It lists the versions that
 * exist; publishing a version is one compare-and-set of it.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

/* "physics@7"; number 0 = the newest version. */
struct cr_ref {
    char name[CR_NAME_MAX + 1];
    uint64_t number;
};

#define CR_REF_TEXT (CR_NAME_MAX + 24)

/* Parse NAME or NAME@N. Returns 0 or -EINVAL with a sentence that says what a name may hold. */
int cr_ref_parse(const char *text, struct cr_ref *ret_ref, struct cr_error *err);

/* "NAME@N", or "NAME" when the number is 0. Returns `out`. */
const char *cr_ref_format(const struct cr_ref *ref, char out[static CR_REF_TEXT]);

/* One version of an image. */
struct cr_version_info {
    uint64_t number; /* from 1; never used again after the version is removed */
    struct cr_id root;
    uint64_t disk_bytes;
    uint64_t data_bytes;   /* of the disk that are not holes, in whole chunks */
    uint64_t stored_bytes; /* that this version added to the store */
    int64_t created_s;     /* seconds since 1970, UTC */
    struct cr_ref parent;  /* what it was made from; name "" = nothing */
    char message[CR_MESSAGE_BYTES_MAX + 1];
};

struct cr_head {
    char name[CR_NAME_MAX + 1];
    uint64_t next;                    /* the number of the next version */
    struct cr_version_info *versions; /* owned; rising numbers */
    uint32_t count;
};

void cr_head_done(struct cr_head *head);

/* Parse the bytes of the head of `name`. Returns 0, -ENOMEM, or -EBADMSG with the reason. */
int cr_head_parse(const void *data, size_t len, const char *name, struct cr_head *ret_head,
                  struct cr_error *err);

/* The bytes of a head, appended to `out`. Returns 0, -ENOMEM, -EMSGSIZE, or
 * -EINVAL when a message is not UTF-8. */
int cr_head_format(const struct cr_head *head, struct cr_buf *out);

/*
 * Append a version; its number is given by the head and returned. Returns 0, -ENOMEM, or -ENOSPC
 * when the head is full.
 */
int cr_head_add(struct cr_head *head, const struct cr_version_info *info, uint64_t *ret_number);

/* The version `number` (0 = newest) or NULL. Borrowed from `head`. */
const struct cr_version_info *cr_head_find(const struct cr_head *head, uint64_t number);

/* Take the version out of the list; its number stays used. Returns 0 or -ENOENT. */
int cr_head_remove(struct cr_head *head, uint64_t number);
