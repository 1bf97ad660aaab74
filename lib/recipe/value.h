/* SPDX-License-Identifier: MIT */
/* What the values of a recipe may look like. */
#pragma once

#include "lib/recipe/recipe.h"

/* Where a message is about. */
struct place {
    const char *name; /* of the recipe */
    unsigned line;
    const char *key;
};

/* -EINVAL with "reading recipe 'NAME', line N: " in front of the sentence. */
int value_refuse(const struct place *at, struct cr_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Cut blanks off both ends of `text`, in place. */
char *value_trim(char *text);

/* A relative path that does not leave its folder. */
int value_local_check(const struct place *at, const char *value, struct cr_error *err);

/* Names of packages, separated by blanks. */
int value_packages_check(const struct place *at, const char *value, struct cr_error *err);

/* A host name as RFC 1123 has it, with or without a domain. */
int value_hostname_check(const struct place *at, const char *value, struct cr_error *err);

/*
 * Cut "LOCAL -> /PATH [mode=MODE] [owner=UID:GID]" into pieces, in place; the step's local and
 * remote are borrowed from it, mode and owner are filled in.
 */
int value_file_parse(const struct place *at, char *value, struct cr_step *step,
                     struct cr_error *err);

/* Well-formed UTF-8 (RFC 3629). */
bool value_is_utf8(const char *text, size_t len);
