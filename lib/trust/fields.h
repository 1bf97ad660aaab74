/* SPDX-License-Identifier: MIT */
/* For the parsers of this folder: one field of an object, looked at or refused by its name. */
#pragma once

#include "lib/base/hex.h"
#include "lib/trust/role.h"

/* An integer of at least `min`. Returns 0 or -EBADMSG. */
int cr_field_integer(const json_t *object, const char *name, int64_t min, uint64_t *ret_value,
                     struct cr_error *err);

/* An object, borrowed. Returns 0 or -EBADMSG. */
int cr_field_object(const json_t *object, const char *name, json_t **ret_value,
                    struct cr_error *err);

/* A text, borrowed. Returns 0 or -EBADMSG. */
int cr_field_text(const json_t *object, const char *name, const char **ret_value,
                  struct cr_error *err);

/* "hashes" of `object`: at least one; of those that we know the right number of digits. */
int cr_field_hashes(const json_t *object, struct cr_hashes *ret_hashes, struct cr_error *err);
json_t *cr_hashes_format(const struct cr_hashes *hashes);

/* --- keys, of a root or of delegations (keyring.c) ------------------------------------------- */

/* "keys" of `object`, at most CR_TRUST_KEYS_MAX; the caller calls cr_keys_free. 0, -ENOMEM or
 * -EBADMSG. */
int cr_keys_parse(const json_t *object, struct cr_trust_key **ret_keys, uint32_t *ret_count,
                  struct cr_error *err);
void cr_keys_free(struct cr_trust_key *keys, uint32_t count);

/* Borrowed, or NULL. */
const struct cr_trust_key *cr_keys_find(const struct cr_trust_key *keys, uint32_t count,
                                        const char *keyid);

/* "keyids" and "threshold" of `object`; the caller frees the key ids. 0, -ENOMEM or -EBADMSG. */
int cr_role_keys_parse(const json_t *object, const struct cr_trust_key *keys, uint32_t count,
                       struct cr_role_keys *ret_role, struct cr_error *err);

/* cr_trust_count and cr_trust_is_signed_by, of any role. */
uint32_t cr_keys_signed(const struct cr_trust_envelope *envelope, const struct cr_trust_key *keys,
                        uint32_t count, const struct cr_role_keys *role);
bool cr_keys_signed_by(const struct cr_trust_envelope *envelope, const struct cr_trust_key *keys,
                       uint32_t count, const struct cr_role_keys *role, const char *keyid);

/* --- the role -------------------------------------------------------------------------------- */

/* "_type", "spec_version", "version" and "expires"; keeps a reference of `signed_json`. */
int cr_common_parse(json_t *signed_json, enum cr_role role, struct cr_role_common *ret_common,
                    struct cr_error *err);
void cr_common_done(struct cr_role_common *common);

/* A copy of what was read, or an empty object, with these four fields; NULL without memory. */
json_t *cr_common_format(const struct cr_role_common *common, enum cr_role role);

/* Whether "_type" and "spec_version" are of this role. Returns 0 or -EBADMSG. */
int cr_type_check(const json_t *signed_json, enum cr_role role, struct cr_error *err);
