/* SPDX-License-Identifier: MIT */
/*
 * The client: the workflow of the specification's section 5, over a folder of trusted metadata.
 *
 *   DIR/root.json       the trusted root; the first one is put there by hand or at enrolment
 *   DIR/timestamp.json  DIR/snapshot.json  DIR/targets.json     the last ones that were verified
 *   DIR/delegate-ROLE.json     roles to which the targets delegate, those that a search needed
 *   DIR/recover         stands while timestamp and snapshot are being dropped for rotated keys
 *   DIR/lock            one refresh at a time (flock)
 *
 * A file is replaced only by one that was verified, written whole and synced before the next step,
 * so what a seat has seen never goes back, whatever is cut off when. A refresh that fails leaves
 * what is trusted as it was. What expired is refused as news and still usable as memory: the last
 * verified version boots, and cr_trust_client_state gives the warning that has to be shown.
 */
#pragma once

#include "lib/trust/targets.h"

struct cr_trust_client;

/*
 * Bring the file `name` ("timestamp.json", "3.root.json"), at most `max_bytes` of it, into `out`,
 * which is empty and has that maximum. Returns 0; -ENOENT when there is none; -EMSGSIZE as soon as
 * it is longer; or -errno with a sentence.
 */
typedef int cr_trust_fetch(void *context, const char *name, size_t max_bytes, struct cr_buf *out,
                           struct cr_error *err);

/*
 * Make `dir` (mode 0755) with the first trusted root. It must be a root with enough signatures of
 * its own keys; that it is the right one is the caller's promise. -EEXIST when a root is there.
 */
int cr_trust_client_init(const char *dir, const void *root, size_t len, struct cr_error *err);

/*
 * Open the folder: what is in it is verified against the trusted root, without asking for its age.
 * Returns 0, -ENOENT without a root, -EBADMSG or -EKEYREJECTED when the root is damaged, or -errno.
 * Another file that is damaged or whose keys were revoked counts as absent.
 */
int cr_trust_client_open(const char *dir, struct cr_trust_client **ret_client,
                         struct cr_error *err);

/* Takes NULL. */
void cr_trust_client_free(struct cr_trust_client *client);

/*
 * Sections 5.2 to 5.6 at the fixed time `now_s`. Returns 0 when targets are current, or
 *   -EKEYEXPIRED   a role expired: the server's signer is asleep, or somebody freezes us
 *   -EKEYREJECTED  too few signatures
 *   -ESTALE        a version went back
 *   -EBADMSG       a wrong field, or files that do not belong together
 *   -EMSGSIZE      a file that is too long
 *   -ENOENT        a file that is not there
 *   -EBUSY         another refresh of the folder did not end within 10 s
 * or what `fetch` returned. What is usable afterwards is told by cr_trust_client_state, whatever
 * this returned.
 */
int cr_trust_refresh(struct cr_trust_client *client, cr_trust_fetch *fetch, void *context,
                     int64_t now_s, struct cr_error *err);

enum cr_trust_health {
    CR_TRUST_EMPTY,       /* no verified targets: nothing may boot */
    CR_TRUST_INTERRUPTED, /* targets are verified, but a refresh saw newer ones and did not end */
    CR_TRUST_EXPIRED,     /* targets are verified and whole, but a role is too old */
    CR_TRUST_CURRENT,
    CR_TRUST_HEALTH_COUNT,
};

struct cr_trust_state {
    enum cr_trust_health health;
    uint64_t versions[CR_ROLE_COUNT]; /* 0 = not there */
    int64_t expires_s[CR_ROLE_COUNT];
    char warning[512]; /* a sentence for whoever sits there; "" when current */
};

/* What is trusted, as seen at `now_s`. */
void cr_trust_client_state(const struct cr_trust_client *client, int64_t now_s,
                           struct cr_trust_state *ret_state);

/* Borrowed until the next refresh. The targets are NULL when the health is CR_TRUST_EMPTY. */
const struct cr_root *cr_trust_client_root(const struct cr_trust_client *client);
const struct cr_targets *cr_trust_client_targets(const struct cr_trust_client *client);

/*
 * Section 5.6.7: the target `path` in the trusted targets, or in the roles to which they delegate
 * it, depth first and in their order. Files of delegated roles are the announced ones or are
 * refused; those that the folder lacks are fetched and kept there (DIR/delegate-ROLE.json). At most
 * CR_TRUST_VISITS_MAX of them are read. Returns 0, -ENOENT when nobody speaks of it, -ENOKEY when
 * the folder has no targets that fit its snapshot (refresh first), or as cr_trust_refresh when a
 * role on the way is refused: then the search is over.
 */
int cr_trust_find(const struct cr_trust_client *client, cr_trust_fetch *fetch, void *context,
                  int64_t now_s, const char *path, struct cr_target *ret_target,
                  struct cr_error *err);

/* cr_targets_resolve of what is trusted, whatever its age; -ENOKEY when there is nothing. */
int cr_trust_resolve(const struct cr_trust_client *client, const struct cr_ref *ref, int64_t now_s,
                     struct cr_trust_version *ret_version, struct cr_error *err);
