/* SPDX-License-Identifier: MIT */
/*
 * Deltas that somebody asked for and nobody has made yet (`--make-deltas`): one thread of the
 * lowest priority makes them, one at a time, each pair once however many ask. It opens the store
 * anew for each, so that what it reads pushes nothing out of the caches that clients are served
 * from.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

struct deltas;

/* Start the thread. `store` is the URI of one that can be written. Returns 0 or -errno. */
int deltas_new(const char *store, struct deltas **ret_deltas, struct cr_error *err);

/* Give up what is under way, end the thread. Takes NULL. */
void deltas_free(struct deltas *deltas);

/*
 * `name` was asked for and is not there. True: it is an index ("OLDHEX-NEWHEX") and is being made,
 * or waits for its turn. False: it is none, lately failed (a version is gone), or too many wait.
 */
bool deltas_ask(struct deltas *deltas, const char *name);
