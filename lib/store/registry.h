/* SPDX-License-Identifier: MIT */
/* The table of backends by the scheme of their URI. */
#pragma once

#include "lib/store/store.h"

struct cr_store_scheme {
    const char *scheme; /* "dir" */
    const char *form;   /* "dir:PATH", for messages */
    /* `rest` is what follows "scheme:" in the URI. */
    int (*open)(const char *rest, struct cr_store **ret_store, struct cr_error *err);
    int (*init)(const char *rest, struct cr_error *err); /* NULL: cannot be made from here */
};

/*
 * Add a backend that lives above this folder (https). Call at program start, before threads; the
 * table is kept, not copied. At most CR_STORE_SCHEMES_MAX.
 */
#define CR_STORE_SCHEMES_MAX 8
void cr_store_register(const struct cr_store_scheme *scheme);
