/* SPDX-License-Identifier: MIT */
/* The recipe and the log that are kept with a version, for people. */
#pragma once

#include "image-tools/cli.h"

/* Print the entry of the version's record that `show --recipe` or `show --log` asks for. */
int record_show(const struct cli *cli, struct cr_store *store, const char *name,
                const struct cr_version_info *info, struct cr_error *err);
