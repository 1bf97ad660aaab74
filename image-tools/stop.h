/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C, SIGTERM and SIGHUP ask the program to stop. The pipelines look at the flag between two
 * pieces of work and give up in order. A second signal ends the program at once; the store is whole
 * then as well, and the temporary output that was named here is removed.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/store/store.h"

#include <stdbool.h>

/* Call before any other thread is made. Returns 0 or -errno. */
int stop_install(void);

bool stop_requested(void);

/* -ECANCELED with a sentence when a stop was asked for, else 0. */
int stop_check(struct cr_error *err);

/* The file that a second signal removes; NULL = none. Borrowed until the next call. */
void stop_set_temporary(const char *path);

/* The store whose waiting for a server a stop shall end; NULL = none. Borrowed until the next call.
 */
void stop_set_store(struct cr_store *store);
