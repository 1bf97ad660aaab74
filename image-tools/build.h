/* SPDX-License-Identifier: MIT */
/*
 * From a recipe to a version:
 *
 *   recipe, files, base ── keys ── cache: how many steps need not run?
 *      all but the last ones ── machine: each remaining step on a layer of its own, each layer a
 *      version of NAME.steps ── the last one, with base and record, is the next version of NAME
 */
#pragma once

#include "image-tools/build_cache.h"
#include "image-tools/build_files.h"

struct build {
    struct cli *cli;
    struct cr_store *store;
    const char *message; /* NULL = the recipe's, or one that names the base */
    const char *before; /* of an update: the base of the version before, NAME@N; NULL = no update */
    const char *origin; /* the folder to be recorded */
    bool no_cache, force;

    /* Owned; the caller fills the first three in. */
    struct cr_buf text; /* of the recipe */
    struct cr_recipe recipe;
    struct build_files files;
    struct cr_version *base;
    struct cr_version *current; /* the result of the last step that is done; NULL = none yet */
    struct cr_id *keys;         /* of the steps' results */
    struct cr_buf log;

    /* The result. */
    unsigned cached;       /* steps that did not run */
    uint64_t stored_bytes; /* by those that ran */
    bool made;             /* false: the newest version is what the recipe makes */
    bool with_files;       /* the record holds the local files */
    struct cr_version_info info;
};

#define BUILD_INIT                                                                                 \
    {                                                                                              \
        .text = CR_BUF_INIT(CR_RECIPE_BYTES_MAX), .files = BUILD_FILES_INIT,                       \
        .log = CR_BUF_INIT(CR_RECORD_PLAIN_BYTES_MAX / 4)                                          \
    }

void build_done(struct build *build);

/*
 * Run what must run, and publish. Returns 0 or -errno; a step that fails is -EIO with a sentence
 * that names it, and the steps before it stay in the cache.
 */
int build_run(struct build *build, struct cr_error *err);
