/* SPDX-License-Identifier: MIT */
/* The files inside a version: served read-only by nbdkit, listed by carrel-guest-files. */
#pragma once

#include "lib/guest/filelist.h"
#include "lib/store/version.h"

/*
 * List the files of every file system of `version`. Returns 0 or -errno with a sentence: -ENOENT
 * when nbdkit, its plugin or carrel-guest-files is not installed.
 */
int guest_files(const struct cr_store *store, const struct cr_version *version,
                struct cr_filelist *ret_list, struct cr_error *err);
