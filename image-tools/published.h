/* SPDX-License-Identifier: MIT */
/* What import and commit have in common at their beginning and end. */
#pragma once

#include "image-tools/output.h"
#include "lib/store/publish.h"

/* The first operand: the name of an image, without a version. Returns 0 or -EINVAL. */
int published_name(const struct cli *cli, struct cr_ref *ret_name, struct cr_error *err);

/*
 * Print the new version: "NAME@N ROOT" and a line of figures, or an object. `more` (may be NULL) is
 * added to the object as "trim"; the reference is borrowed.
 */
int published_print(const struct cli *cli, const char *name, const struct cr_version_info *info,
                    const struct cr_publish_stat *stat, json_t *more, struct cr_error *err);
