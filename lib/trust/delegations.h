/* SPDX-License-Identifier: MIT */
/*
 * Delegations (TUF 1.0, section 4.5): a targets role lets other roles speak of some paths. What is
 * read of them here; search.h walks along them.
 */
#pragma once

#include "lib/trust/role.h"

struct cr_delegation {
    const char *name;         /* borrowed from the JSON, like the lists */
    struct cr_role_keys keys; /* who signs for it */
    bool terminating;         /* nobody after it speaks of a path that it covers */
    const json_t *paths;      /* patterns, or NULL */
    const json_t *prefixes;   /* of the SHA-256 of a path, in hexadecimal digits, or NULL */
};

/* In the order in which they are asked. */
struct cr_delegations {
    struct cr_trust_key *keys; /* owned, distinct ids */
    uint32_t key_count;
    struct cr_delegation *roles; /* owned, distinct names */
    uint32_t count;
};

/* Leaves it empty. */
void cr_delegations_done(struct cr_delegations *delegations);

/*
 * Of "signed" of a targets role, which must outlive them; without the field there are none. Returns
 * 0, -ENOMEM, or -EBADMSG with the field that is wrong: also a role with the name of a top-level
 * one, a name twice, or both paths and hash prefixes.
 */
int cr_delegations_parse(const json_t *signed_json, struct cr_delegations *ret_delegations,
                         struct cr_error *err);

/*
 * Whether `path` is one that the role may speak of. In a pattern '*' stands for any characters and
 * '?' for one, of UTF-8 both, but for '/'; anything else stands for itself. A role with neither
 * patterns nor prefixes covers nothing.
 */
bool cr_delegation_covers(const struct cr_delegation *delegation, const char *path);

/* 0, or -EKEYREJECTED when fewer keys than its threshold have signed. */
int cr_delegation_verify(const struct cr_delegations *delegations,
                         const struct cr_delegation *delegation,
                         const struct cr_trust_envelope *envelope, struct cr_error *err);

/*
 * A role's name as it stands in file names: all but letters, digits and "-._~" percent-encoded
 * (RFC 3986). Returns 0, or -ENAMETOOLONG past CR_TRUST_ROLE_NAME_BYTES_MAX.
 */
int cr_delegation_encode(const char *name, char out[static CR_TRUST_ROLE_NAME_BYTES_MAX + 1]);
