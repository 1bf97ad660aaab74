/* SPDX-License-Identifier: MIT */
/* The names of the images of a store, sorted. */
#pragma once

#include "lib/store/store.h"

struct names {
    struct {
        char text[CR_NAME_MAX + 1];
    } * items; /* owned */
    size_t count, room;
};

void names_done(struct names *names);

/* Returns 0 or -errno; -EMSGSIZE past CR_IMAGES_MAX. */
int names_read(struct cr_store *store, struct names *ret_names, struct cr_error *err);
