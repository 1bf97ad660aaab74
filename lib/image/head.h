/* SPDX-License-Identifier: MIT */
/*
 * Head: the one object of an image that changes (FORMAT.md, "Head"). It lists the versions that
 * exist and the changes of the channels; publishing a version is one compare-and-set of it.
 * channel.h tells where channels point.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

/* "physics@7", "physics:stable", or "physics": number 0 without a channel = the newest version. */
struct cr_ref {
    char name[CR_NAME_MAX + 1];
    uint64_t number;
    char channel[CR_CHANNEL_MAX + 1]; /* "" = none; never together with a number */
};

#define CR_REF_TEXT (CR_NAME_MAX + CR_CHANNEL_MAX + 24)

/*
 * Parse NAME, NAME@N or NAME:CHANNEL. Returns 0 or -EINVAL with a sentence that says what a name
 * may hold.
 */
int cr_ref_parse(const char *text, struct cr_ref *ret_ref, struct cr_error *err);

/* Whether a channel may have this name: letters as in an image's name, not digits alone. */
bool cr_channel_is_valid(const char *channel);

/* The text that cr_ref_parse takes. Returns `out`. */
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
    char by[CR_WHO_BYTES_MAX + 1]; /* who published it; may be "" */
    struct cr_id record; /* recipe and log of its build, in CR_SPACE_RECORDS; zero = none */
    bool pinned;         /* not to be removed */
};

enum cr_change_kind { CR_CHANGE_PROMOTE, CR_CHANGE_ROLLBACK };

/* A channel was pointed at a version; entries are never changed, so they are its history. */
struct cr_change {
    char channel[CR_CHANNEL_MAX + 1];
    enum cr_change_kind kind;
    uint64_t number;               /* the version; 0 = the channel ends */
    int64_t set_s, at_s;           /* when it was said, and from when it holds */
    char by[CR_WHO_BYTES_MAX + 1]; /* who */
    char why[CR_MESSAGE_BYTES_MAX + 1];
};

struct cr_head {
    char name[CR_NAME_MAX + 1];
    uint64_t next;                    /* the number of the next version */
    struct cr_version_info *versions; /* owned; rising numbers */
    uint32_t count;
    struct cr_change *changes; /* owned; as they were made */
    uint32_t change_count;
};

void cr_head_done(struct cr_head *head);

/* Parse the bytes of the head of `name`. Returns 0, -ENOMEM, or -EBADMSG with the reason. */
int cr_head_parse(const void *data, size_t len, const char *name, struct cr_head *ret_head,
                  struct cr_error *err);

/* The bytes of a head, appended to `out`. Returns 0, -ENOMEM, -EMSGSIZE, or
 * -EINVAL when a text is not UTF-8. */
int cr_head_format(const struct cr_head *head, struct cr_buf *out);

/*
 * Append a version; its number is given by the head and returned. Returns 0, -ENOMEM, or -ENOSPC
 * when the head is full.
 */
int cr_head_add(struct cr_head *head, const struct cr_version_info *info, uint64_t *ret_number);

/* The version `number` (0 = newest) or NULL. Borrowed from `head`. */
const struct cr_version_info *cr_head_find(const struct cr_head *head, uint64_t number);

/*
 * The change that decides where `channel` points at the time `now_s`: of those that hold by then
 * the one with the latest at_s, of equal ones the last made; a rollback also ends what was said
 * before it for later. NULL when there is none. Borrowed from `head`.
 */
const struct cr_change *cr_head_channel(const struct cr_head *head, const char *channel,
                                        int64_t now_s);

/* Say that version `number` must not be removed, or may be again. Returns 0 or -ENOENT. */
int cr_head_pin(struct cr_head *head, uint64_t number, bool pinned);

/* Append a change. Returns 0, -ENOMEM, -ENOENT (no such version), or -ENOSPC when there are too
 * many. */
int cr_head_change(struct cr_head *head, const struct cr_change *change);

/* Take the version out of the list; its number stays used. Returns 0 or -ENOENT. */
int cr_head_remove(struct cr_head *head, uint64_t number);
