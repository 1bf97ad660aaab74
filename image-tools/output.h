/* SPDX-License-Identifier: MIT */
/* Results as JSON (--json) and as columns for people. */
#pragma once

#include "image-tools/cli.h"

#include <jansson.h>

void json_cleanup(json_t **json);

/* Print `json` on standard output and drop the reference. NULL (no memory) is -ENOMEM. */
int output_json(json_t *json, struct cr_error *err);

/*
 * A version as an object: ref, image, version, root, disk_bytes, data_bytes, stored_bytes,
 * created_s, parent (null = nothing), message. NULL without memory.
 */
json_t *output_version(const char *name, const struct cr_version_info *info);

/* The same for people, several lines. */
void output_version_text(const char *name, const struct cr_version_info *info);
