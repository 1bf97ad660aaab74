/* SPDX-License-Identifier: MIT */
/* carrel image diff --files: what changed inside the file systems of two versions. */
#pragma once

#include "image-tools/cli.h"
#include "image-tools/output.h"
#include "lib/store/version.h"

/*
 * Compare the files of two versions; print them, or with --json put them into `json` as "files".
 * Returns 0 or -errno with a sentence.
 */
int diff_files(const struct cli *cli, struct cr_store *store, struct cr_version *a,
               struct cr_version *b, json_t *json, struct cr_error *err);
