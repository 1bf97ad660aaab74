/* SPDX-License-Identifier: MIT */
/*
 * The owners of private overlays: for each a store and a pair of keys of its own.
 *
 *      DIR/server-key-check   which key of the server all this goes with
 *      DIR/SPACE/key      the owner's keys, wrapped by the server's key (lib/sync/wrap.h)
 *      DIR/SPACE/store/   an ordinary store; what is in it was sealed by the owner
 *
 * SPACE is made of the owner's name by the server's key and has no meaning without it.
 */
#pragma once

#include "lib/store/store.h"
#include "lib/sync/wrap.h"

struct owners;

struct owner {
    char space[CR_SEAL_NAME];
    struct cr_owner_keys keys;
    struct cr_store *store;
    unsigned users; /* the rest is owners.c's */
    uint64_t last_use;
};

/*
 * Use `dir`, and the server's key in the file `key_file`; when that is absent, and nobody has
 * stored anything in `dir`, it is made. Returns 0, -ENOKEY (the key is gone and data is there),
 * -EBADMSG, or another -errno.
 */
int owners_new(const char *dir, const char *key_file, struct owners **ret_owners,
               struct cr_error *err);
void owners_free(struct owners *owners);

/*
 * The owner of this name; made at the first time. Give it back. Returns 0, -EBUSY (too many at
 * once), or another -errno. Thread-safe.
 */
int owners_take(struct owners *owners, const char *name, struct owner **ret_owner,
                struct cr_error *err);
void owners_give(struct owners *owners, struct owner *owner);
