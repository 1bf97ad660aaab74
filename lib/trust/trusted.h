/* SPDX-License-Identifier: MIT */
/* For the client: what a folder of trusted metadata holds. client.c reads, refresh.c changes it. */
#pragma once

#include "lib/trust/client.h"

/* Verified; a version of 0 = it is not there. */
struct trusted {
    struct cr_root root;
    struct cr_pointer timestamp, snapshot;
    struct cr_targets targets;
    bool snapshot_fits; /* it is the one that the timestamp names */
    bool targets_fit;   /* they are those that the snapshot names */
};

struct cr_trust_client {
    char *dir;  /* owned; for messages */
    int dir_fd; /* owned */
    struct trusted now;
};

/* --- what comes from the server (arrival.c) -------------------------------------------------- */

struct trusted_source {
    cr_trust_fetch *fetch;
    void *context;
    int64_t now_s;
};

/* The file `name`, at most `max` bytes. Returns 0, -EMSGSIZE, -ENOENT or what `fetch` returned. */
int trusted_bring(const struct trusted_source *from, const char *name, size_t max,
                  struct cr_buf *out, struct cr_error *err);

/* 0 or -EKEYEXPIRED. */
int trusted_check_age(const struct trusted_source *from, const struct cr_role_common *common,
                      struct cr_error *err);

/* 0, -ESTALE for an older version than was announced, or -EBADMSG for a newer one. */
int trusted_check_version(uint64_t found, uint64_t announced, struct cr_error *err);

/* --- the folder ------------------------------------------------------------------------------ */

/* The marker of a rotation: the version of the root from which timestamp and snapshot are void. */
#define TRUSTED_RECOVER  "recover"
#define TRUSTED_LOCK     "lock"
#define TRUSTED_DELEGATE "delegate-" /* and a role: no name of it is that of another file */

/* Bytes of cr_roles[role] as "root.json". */
#define TRUSTED_NAME_TEXT 40
const char *trusted_name(enum cr_role role, char out[static TRUSTED_NAME_TEXT]);

/* Read and verify the folder, as cr_trust_client_open says it. */
int trusted_load(int dir_fd, struct trusted *ret_trusted, struct cr_error *err);
void trusted_done(struct trusted *trusted);

/* A root that at least its own keys have signed as its role asks. Returns 0, -ENOMEM, -EMSGSIZE,
 * -EBADMSG or -EKEYREJECTED. */
int trusted_root_parse(const struct cr_buf *bytes, struct cr_root *ret_root, struct cr_error *err);

/* Whether the marker voids timestamp and snapshot under this root. Returns 0, 1 or -errno. */
int trusted_recovering(int dir_fd, uint64_t root_version);
