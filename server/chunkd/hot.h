/* SPDX-License-Identifier: MIT */
/*
 * The hot lists of the versions: handed out to seats, a moment from memory because a room starts at
 * once, and with `--boots` made of the boots that seats have recorded (lib/hotlist).
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/store/store.h"

struct hot;

/* `store` is borrowed; with `take_boots` it must be writable. Returns 0 or -ENOMEM. */
int hot_new(struct cr_store *store, bool take_boots, struct hot **ret_hot);
/* Takes NULL. */
void hot_free(struct hot *hot);

/* Append the list of the version to `text` if it is in memory. */
bool hot_peek(struct hot *hot, const struct cr_id *root, struct cr_buf *text);

/*
 * Append the version's list, or the one that it inherits, which is kept as its own from here on
 * where boots are taken. Returns as cr_hot_find.
 */
int hot_get(struct hot *hot, const struct cr_id *root, struct cr_buf *text, struct cr_error *err);

/* Take in a boot of `client`. Returns as cr_hot_boot_take; -ENOENT also where none are taken. */
int hot_take(struct hot *hot, const struct cr_id *root, const struct cr_id *client,
             const struct cr_buf *boot, struct cr_error *err);
