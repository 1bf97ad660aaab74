/* SPDX-License-Identifier: MIT */
/*
 * Heads in memory, for stores that tell when one changes (cr_store_ops.watch). While the store is
 * watched a kept head is the newest one; for other stores nothing is kept. Thread-safe.
 */
#pragma once

#include "lib/store/store.h"

struct heads;

/* Starts watching `store`, which is borrowed and must be closed before heads_free. Returns 0 or
 * -ENOMEM. */
int heads_new(struct cr_store *store, struct heads **ret_heads);
void heads_free(struct heads *heads);

/* Append the head of `name` to `text` without asking the store; false when it is not kept. */
bool heads_peek(struct heads *heads, const char *name, struct cr_buf *text);

/*
 * Keep a head that was read from the store and found well. `seen` is what heads_seen returned
 * before it was read: it is not kept when any head has changed since.
 */
uint64_t heads_seen(struct heads *heads);
void heads_keep(struct heads *heads, const char *name, const struct cr_buf *text, uint64_t seen);

/* Requests answered from here. */
uint64_t heads_hits(struct heads *heads);
