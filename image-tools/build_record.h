/* SPDX-License-Identifier: MIT */
/* The records of builds in a store. */
#pragma once

#include "image-tools/build_files.h"
#include "lib/store/store.h"

/* Store a record; its name. */
int build_record_put(struct cr_store *store, const struct cr_record_writer *writer,
                     struct cr_id *ret_name, struct cr_error *err);

/* Read and verify the record of a version. -ENOENT when it has none or it is not there. */
int build_record_read(struct cr_store *store, const struct cr_version_info *info,
                      struct cr_record *ret_record, struct cr_error *err);

/* What the record of a finished build says. */
struct build_record_parts {
    const struct cr_recipe *recipe;
    const struct cr_buf *text; /* of the recipe */
    const struct build_files *files;
    const char *origin; /* the folder that a person named */
    const struct cr_ref *base;
    const struct cr_id *base_root;
    const struct cr_buf *log;
};

/*
 * Store the record of a build, with the recipe's local files if they fit. *ret_with_files tells
 * whether they did.
 */
int build_record_make(struct cr_store *store, const struct build_record_parts *parts,
                      struct cr_id *ret_name, bool *ret_with_files, struct cr_error *err);

/* The text of an entry, terminated and owned by the caller; -ENOENT, -EBADMSG for a zero byte. */
int build_record_text(const struct cr_record *record, const char *name, char **ret_text,
                      struct cr_error *err);
