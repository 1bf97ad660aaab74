/* SPDX-License-Identifier: MIT */
/*
 * The last step of publishing: a version gets its line in the head of its image. Also for content
 * that somebody else has stored: then what the root leads to is looked for first.
 */
#pragma once

#include "lib/store/store.h"

/*
 * Append `info`, whose content is stored and durable, to the head of `name`, and give it its
 * number. The caller holds the image's lock. Returns 0, -ENOSPC (too many versions), -EINVAL (a
 * text that is not UTF-8), -EAGAIN (somebody else set the head) ...
 */
int cr_store_head_append(struct cr_store *store, const char *name, struct cr_version_info *info,
                         struct cr_error *err);

/*
 * Is everything there that the manifest `info->root` leads to, and will it stay? What a collector
 * has condemned of it is revived. The caller holds the lock of the image that shall get the
 * version, and keeps it until the head is set. Fills in info->disk_bytes and info->data_bytes.
 * Returns 0, -ESTALE with a sentence when something is missing, -EBADMSG when the manifest or a
 * segment is none.
 */
int cr_store_adopt(struct cr_store *store, struct cr_version_info *info, struct cr_error *err);
