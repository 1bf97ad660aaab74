/* SPDX-License-Identifier: MIT */
/* Changing what a head says: rm, promote, rollback, pin. */
#pragma once

#include "lib/store/store.h"

/* Changes `head` in place. Returns 0, or -errno with a sentence: then nothing is written. */
typedef int head_change(struct cr_head *head, void *context, struct cr_error *err);

/*
 * Under the image's lock: read the head of `name`, hand it to `change`, and put it in place by
 * compare-and-set, so that nobody else's change is lost. Returns 0, -EBUSY, -ENOENT ...
 */
int head_edit(struct cr_store *store, const char *name, head_change *change, void *context,
              struct cr_error *err);
