/* SPDX-License-Identifier: MIT */
/* The folder of a recipe, and the local files that its steps use. */
#pragma once

#include "lib/recipe/recipe.h"
#include "lib/recipe/record.h"

#include <limits.h>

#include <limits.h>

struct build_files {
    char folder[PATH_MAX]; /* absolute */
    int fd;                /* of the folder; -1 = none */
};

#define BUILD_FILES_INIT                                                                           \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

int build_files_open(struct build_files *files, const char *folder, struct cr_error *err);
void build_files_close(struct build_files *files);

/* The path of the file `local` of the folder, for others to open. */
int build_files_path(const struct build_files *files, const char *local, char out[static PATH_MAX],
                     struct cr_error *err);

/*
 * A hash over the content of the local files that a step uses. *ret_any is false when it uses none.
 * -ENOENT with a sentence that names the line when one is missing.
 */
int build_files_hash(const struct build_files *files, const struct cr_recipe *recipe,
                     const struct cr_step *step, struct cr_id *ret_hash, bool *ret_any,
                     struct cr_error *err);

/* The names of the recipe's package folder, sorted. */
struct build_packages {
    char **names; /* owned */
    size_t count, room;
};
void build_packages_done(struct build_packages *packages);
int build_packages_list(const struct build_files *files, const char *folder,
                        struct build_packages *ret_packages, struct cr_error *err);

/* Add every local file of the recipe to a record. -EMSGSIZE when they are too much for one. */
int build_files_keep(const struct build_files *files, const struct cr_recipe *recipe,
                     struct cr_record_writer *writer, struct cr_error *err);

/*
 * Write the local files of the recipe that a record holds below `folder`, which exists. *ret_whole
 * is false when the record lacks one.
 */
int build_files_unpack(const struct cr_record *record, const struct cr_recipe *recipe,
                       const char *folder, bool *ret_whole, struct cr_error *err);
