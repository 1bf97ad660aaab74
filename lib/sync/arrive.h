/* SPDX-License-Identifier: MIT */
/* What a seat sends, verified before a store keeps it. Repeating is harmless: names are content. */
#pragma once

#include "lib/store/store.h"

/*
 * Store the pack `name` whose bytes are `body`; every frame in it is opened and compared with its
 * id first. Takes the bytes out of `body`. Returns 0, -EBADMSG with the reason, or as
 * cr_store_ops.pack_put.
 */
int cr_arrive_pack(struct cr_store *store, const struct cr_id *name, struct cr_buf *body,
                   struct cr_error *err);

/*
 * Store the frame `body` of the segment or manifest `id`, after it was opened; everything sent
 * before is durable then. Returns as above.
 */
int cr_arrive_object(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                     const struct cr_buf *body, struct cr_error *err);
