/* SPDX-License-Identifier: MIT */
/* What QEMU says about an image file, asked before it is served. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct cr_image_info {
    char *format;        /* owned; "raw", "qcow2", ... */
    char *backing;       /* owned; as written in the image; NULL = none */
    char *spec;          /* owned; how QEMU is told to open it */
    uint64_t size_bytes; /* of the disk */
};

/*
 * Find out about the image at the absolute path `path`, or at what cr_rbd_spec made (`name` is what
 * the person calls it), and
 * refuse it when it is no disk image, damaged, truncated, too large, in use, or not complete. The
 * errors are those of cr_source_open. Release the result with cr_image_info_done.
 */
int cr_image_inspect(const char *path, const char *name, const char *format, bool top_layer_only,
                     struct cr_image_info *ret_info, struct cr_error *err);

void cr_image_info_done(struct cr_image_info *info);
