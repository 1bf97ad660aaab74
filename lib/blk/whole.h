/* SPDX-License-Identifier: MIT */
/* Is an image file whole? QEMU opens many truncated ones happily and reads zeros for what is gone.
 */
#pragma once

#include "lib/base/error.h"

#include <jansson.h>

/*
 * Check one image file by its own tables: qemu-img check where the format has one, and the length
 * of the file. `info` is what qemu-img info said of it, `path` the file, `spec` how to tell QEMU to
 * open it, `name` what the person calls it. Returns 0, -EUCLEAN when it is damaged or truncated, or
 * -errno.
 */
int cr_image_check_whole(const json_t *info, const char *path, const char *spec, const char *name,
                         struct cr_error *err);
