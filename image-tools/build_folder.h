/* SPDX-License-Identifier: MIT */
/* A private folder for the large files of a build, removed by the next build when its own is
 * killed. */
#pragma once

#include "lib/base/error.h"

#include <limits.h>

struct build_folder {
    char path[PATH_MAX]; /* "" = not made */
    int lock_fd;         /* tells others that it is in use; -1 = none */
};

#define BUILD_FOLDER_INIT                                                                          \
    {                                                                                              \
        .lock_fd = -1                                                                              \
    }

/* Where such folders are made: TMPDIR, or /var/tmp. */
const char *build_folder_parent(void);

/* Make one, after removing those whose build is gone. Remove it in any case. */
int build_folder_make(struct build_folder *folder, struct cr_error *err);
void build_folder_remove(struct build_folder *folder);
