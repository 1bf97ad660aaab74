/* SPDX-License-Identifier: MIT */
/*
 * The signer's folder.
 *
 *   snapshot*.pem  timestamp*.pem   private keys; after a rotation old and new ones side by side
 *   root.json                       the root that is trusted; it only rises
 *   snapshot.json  timestamp.json   what was signed last; their versions only rise
 */
#pragma once

#include "lib/trust/role.h"

#define STATE_KEYS_MAX 16

struct state {
    int dir_fd; /* flocked: one signer at a time */
    char dir[4096];
    struct cr_trust_signer *keys[STATE_KEYS_MAX]; /* owned */
    unsigned key_count;
    struct cr_root root;                   /* version 0: none is trusted yet */
    struct cr_buf root_file;               /* its bytes */
    struct cr_pointer snapshot, timestamp; /* version 0: none was signed yet */
    struct cr_buf snapshot_file;
    struct cr_trust_envelope snapshot_envelope;
};

/* Read all of it. Returns 0, -EBUSY when another signer has it, or -errno with a sentence. */
int state_open(struct state *state, const char *dir, struct cr_error *err);
void state_done(struct state *state);

/* Put new content in the place of "root.json" and so on; durable when this returns. */
int state_write(struct state *state, enum cr_role role, const struct cr_buf *bytes,
                struct cr_error *err);

/* The root that is trusted from here on; takes it over. Written before this is called. */
void state_root_set(struct state *state, struct cr_root *root, const struct cr_buf *bytes);

/*
 * -EKEYREJECTED when a key in the folder may sign root or targets: such a key has no business here.
 */
int state_keys_check(const struct state *state, const struct cr_root *root, struct cr_error *err);
