/* SPDX-License-Identifier: MIT */
/*
 * The record of a build: what a version was made from and what its steps said, as a list of named
 * entries in one zstd frame (FORMAT.md, "Record"). It is a blob of CR_SPACE_RECORDS, named by the
 * SHA-256 of that frame, and the version's line in the head bears this name.
 *
 *      recipe          the recipe's text
 *      base            the version that was its base: NAME@N, blank, root
 *      folder          where the recipe lay when it was built: an absolute path
 *      log             what the steps said
 *      file/PATH       a local file that the recipe uses; none of them, or all
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/image/object.h"

#define CR_RECORD_RECIPE "recipe"
#define CR_RECORD_BASE   "base"
#define CR_RECORD_FOLDER "folder"
#define CR_RECORD_LOG    "log"
#define CR_RECORD_FILE   "file/"

/* Longest name of an entry. */
#define CR_RECORD_NAME_MAX (CR_RECIPE_PATH_BYTES_MAX + CR_RECIPE_PATH_BYTES_MAX + 8)

/* --- writing ---------------------------------------------------------------------------------- */

struct cr_record_writer {
    struct cr_buf plain;
    uint32_t count;
};

void cr_record_writer_init(struct cr_record_writer *writer);
void cr_record_writer_done(struct cr_record_writer *writer);

/* Returns 0, -ENOMEM, -EINVAL (no name of an entry), or -EMSGSIZE when it is too much. */
int cr_record_add(struct cr_record_writer *writer, const char *name, const void *data, size_t len);

/*
 * The blob, appended to `blob`, whose maximum is the limit, and its name. Returns 0, -ENOMEM, or
 * -EMSGSIZE when the blob does not fit.
 */
int cr_record_format(const struct cr_record_writer *writer, struct cr_buf *blob,
                     struct cr_id *ret_name);

/* --- reading ---------------------------------------------------------------------------------- */

struct cr_record_entry {
    const char *name; /* terminated; borrowed from the record */
    const uint8_t *data;
    size_t len;
};

struct cr_record {
    uint8_t *plain; /* owned */
    size_t plain_len;
    struct cr_record_entry *entries; /* owned */
    uint32_t count;
};

void cr_record_done(struct cr_record *record);

/*
 * Parse a blob that must have the name `name` (NULL: any). Returns 0, -ENOMEM, or -EBADMSG with a
 * clause that says what is wrong.
 */
int cr_record_parse(const void *blob, size_t len, const struct cr_id *name,
                    struct cr_record *ret_record, struct cr_error *err);

/* The entry of that name or NULL. Borrowed. */
const struct cr_record_entry *cr_record_find(const struct cr_record *record, const char *name);
