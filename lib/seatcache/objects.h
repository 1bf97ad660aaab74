/* SPDX-License-Identifier: MIT */
/*
 * A store in front of another one that keeps segments and manifests in a folder: a version that was
 * opened before is opened again without asking for them. What the folder holds is not trusted but
 * verified, and asked for again when it is damaged. Heads, chunks and
 * side objects are passed through.
 */
#pragma once

#include "lib/store/store.h"

/*
 * Put a folder of objects in front of `inner`, which stays the caller's and must outlive this
 * store. `dir_fd` is borrowed likewise; objects are files in it, named KIND-ID. Returns 0 or
 * -ENOMEM.
 */
int cr_seatobjects_new(struct cr_store *inner, int dir_fd, struct cr_store **ret_store,
                       struct cr_error *err);

/*
 * The plain bytes of a segment or manifest that the folder keeps, verified and appended to `plain`;
 * no store is asked. Returns 0, -ENOENT, -EBADMSG or another -errno.
 */
int cr_seatobjects_kept(int dir_fd, enum cr_kind kind, const struct cr_id *id,
                        struct cr_buf *plain);
