/* SPDX-License-Identifier: MIT */
/*
 * The results of steps: versions of the image NAME.steps, each with the step's key at the beginning
 * of its message, "step KEY LINE", and with the step's log as its record.
 */
#pragma once

#include "image-tools/cli.h"
#include "lib/recipe/recipe.h"
#include "lib/recipe/record.h"
#include "lib/store/version.h"

/*
 * How many of the steps, from the first on, need not run: the last one whose result is there and
 * can be opened. *ret_version is that result (NULL when there is none). Returns 0 or -errno.
 */
int build_cache_find(struct cr_store *store, const struct cr_recipe *recipe,
                     const struct cr_id *keys, unsigned *ret_count, struct cr_version **ret_version,
                     struct cr_error *err);

/* Append the log of the result with this key, or a line that says that it is not known any more. */
int build_cache_log(struct cr_store *store, const struct cr_recipe *recipe, const struct cr_id *key,
                    struct cr_buf *log, struct cr_error *err);

struct build_cache_result {
    const struct cr_step *step;
    const struct cr_id *key;
    const char *layer;         /* qcow2 file with what the step wrote */
    struct cr_version *before; /* below it */
    const struct cr_ref *base; /* of the build, for the head */
    const struct cr_buf *log;
};

/* Make a version of a step's result; *ret_version is open then. */
int build_cache_put(struct cli *cli, struct cr_store *store, const struct cr_recipe *recipe,
                    const struct build_cache_result *result, struct cr_version **ret_version,
                    struct cr_error *err);

/*
 * Take the oldest results out of the list until CR_STEPS_KEPT_MAX are left, those of `keys`
 * excepted. Failing is harmless: the next build tries again.
 */
int build_cache_prune(struct cr_store *store, const struct cr_recipe *recipe,
                      const struct cr_id *keys, struct cr_error *err);

/* Forget all results of an image's steps but the pinned ones; *ret_count is how many there were. */
int build_cache_drop(struct cr_store *store, const char *image, unsigned *ret_count,
                     struct cr_error *err);

/* Does the store keep results of this image's steps? */
bool build_cache_has(struct cr_store *store, const char *image);
