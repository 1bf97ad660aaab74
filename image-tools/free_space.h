/* SPDX-License-Identifier: MIT */
/* Free space of the file systems on a disk to import: found, left out, reported. */
#pragma once

#include "image-tools/cli.h"
#include "lib/ingest/ingest.h"
#include "lib/trim/trim.h"

#include <jansson.h>

/*
 * Take the free space out of what `ingest` reads. `path` is the file that its source shows. That
 * free space cannot be found is only a remark on standard error. Returns 0 or -errno.
 */
int free_space_leave_out(const struct cli *cli, struct cr_ingest *ingest, const char *path,
                         struct cr_trim_report *ret_report, struct cr_error *err);

/* The report as an array of objects, or as a line for each partition on standard output. */
json_t *free_space_json(const struct cr_trim_report *report);
void free_space_print(const struct cr_trim_report *report);
