/* SPDX-License-Identifier: MIT */
/*
 * The recipe of an image: settings, then steps in order, as lines of `key = value`.
 *
 *      image = physics                          steps:  packages = NAME ...
 *      base = debian:stable                             remove = NAME ...
 *      network = no                                     file = LOCAL -> /PATH [mode=0644]
 * [owner=0:0] script = LOCAL run = COMMAND LINE hostname = NAME
 *
 * Bytes in, a plain structure out: no file is opened here. carrel-recipe(5) describes the keys for
 * people. Every local file that a recipe names lies in the recipe's own folder or below it.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/image/head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cr_step_kind {
    CR_STEP_PACKAGES,
    CR_STEP_REMOVE,
    CR_STEP_FILE,
    CR_STEP_SCRIPT,
    CR_STEP_RUN,
    CR_STEP_HOSTNAME,
    CR_STEP_KIND_COUNT,
};

struct cr_step {
    enum cr_step_kind kind;
    unsigned line;      /* of the recipe, from 1 */
    const char *value;  /* what the line says behind its '='; borrowed from the recipe */
    const char *local;  /* FILE, SCRIPT: path below the recipe's folder; NULL otherwise */
    const char *remote; /* FILE: absolute path in the image; NULL otherwise */
    unsigned mode;      /* FILE: permission bits */
    uint32_t uid, gid;  /* FILE */
};

struct cr_recipe {
    char image[CR_NAME_MAX + 1];
    struct cr_ref base;
    char message[CR_MESSAGE_BYTES_MAX + 1];
    bool network;               /* may the steps reach the network? */
    uint64_t memory_bytes;      /* of the build machine; 0 = its default */
    unsigned timeout_minutes;   /* for one step */
    const char *package_folder; /* path below the recipe's folder; NULL = none */
    struct cr_step *steps;      /* owned */
    unsigned count;
    char *text; /* owned; what the strings above are borrowed from */
};

/* Takes a zeroed structure. */
void cr_recipe_done(struct cr_recipe *recipe);

/*
 * Parse `len` bytes of a recipe. `name` is what messages call it. *ret_recipe is set only on
 * success and released with cr_recipe_done. Returns 0, -ENOMEM, -EMSGSIZE when something is too
 * long or too much, or -EINVAL; the sentence names the line.
 */
int cr_recipe_parse(const char *name, const void *data, size_t len, struct cr_recipe *ret_recipe,
                    struct cr_error *err);

/* The key of a step's line: "packages", ... */
const char *cr_step_key_word(enum cr_step_kind kind);

/* Key number `index` of the table ("image", ...) and what it takes; NULL past the last. */
const char *cr_recipe_key(size_t index, const char **ret_takes);

/* The image that keeps the results of the steps of `image`: "physics.steps". */
#define CR_STEPS_SUFFIX ".steps"

/* Whether `name` is that of such an image: nobody is to see, sign or start it. */
bool cr_steps_is_name(const char *name);

/*
 * The key of a step's result: it changes when anything changes that the result depends on, and so
 * does the key of every step behind it. `before` is the key of the step before, or for the first
 * one the root of the base; `content` is a hash over the local files that the step uses, or NULL.
 */
void cr_recipe_step_key(const struct cr_recipe *recipe, const struct cr_step *step,
                        const struct cr_id *before, const struct cr_id *content,
                        struct cr_id *ret_key);
