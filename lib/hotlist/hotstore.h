/* SPDX-License-Identifier: MIT */
/*
 * Hot lists in a store: side objects of CR_SPACE_HOT, "ROOT" what is merged, "ROOT.boots" what it
 * was merged from. A version that was never booted has the list of the version it was made from.
 */
#pragma once

#include "lib/hotlist/boots.h"
#include "lib/store/store.h"

/* How soon the same client may bring another boot of the same version. */
#define CR_HOT_AGAIN_S 60

/*
 * The hot list that is stored of the version, verified to be one of it. Of a server it may also be
 * inherited. Returns 0, -ENOENT, or -EBADMSG with a sentence.
 */
int cr_hot_read(struct cr_store *store, const struct cr_id *root, struct cr_hotlist *ret_list,
                struct cr_error *err);

/*
 * The same, else that of the nearest version that it was made from and that has one: *ret_from
 * tells whose it is, `root` itself when its own. Returns as cr_hot_read.
 */
int cr_hot_find(struct cr_store *store, const struct cr_id *root, struct cr_hotlist *ret_list,
                struct cr_id *ret_from, struct cr_error *err);

/* How many boots are recorded of the version. Returns 0, -ENOENT (none, or a server does not tell),
 * or -EBADMSG. */
int cr_hot_boots(struct cr_store *store, const struct cr_id *root, uint32_t *ret_count,
                 struct cr_error *err);

/* Keep the list in place of what is stored of its version. -EROFS where the store only reads. */
int cr_hot_write(struct cr_store *store, const struct cr_hotlist *list, struct cr_error *err);

/*
 * Take in a boot that a client has recorded: `data` must be a list of the version `root`, which the
 * store must have. Merges it with the boots before and keeps the result. Returns 0, -EBADMSG (no
 * such list), -ENOENT (no such version), -EBUSY (this client brought one CR_HOT_AGAIN_S ago), or as
 * the store. One call at a time is quickest; several over several processes are safe.
 */
int cr_hot_boot_take(struct cr_store *store, const struct cr_id *root, const struct cr_id *client,
                     int64_t now_s, const void *data, size_t len, struct cr_error *err);
