/* SPDX-License-Identifier: MIT */
/* What import and commit have in common at their beginning and end. */
#pragma once

#include "image-tools/output.h"
#include "lib/store/publish.h"
#include "lib/trim/trim.h"

/* The first operand: the name of an image, without a version. Returns 0 or -EINVAL. */
int published_name(const struct cli *cli, struct cr_ref *ret_name, struct cr_error *err);

/*
 * Print the new version: "NAME@N ROOT" and lines of figures, or an object. `report` tells of free
 * space that was left out; NULL = it was not looked for.
 */
int published_print(const struct cli *cli, const char *name, const struct cr_version_info *info,
                    const struct cr_publish_stat *stat, const struct cr_trim_report *report,
                    struct cr_error *err);
