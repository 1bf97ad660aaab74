/* SPDX-License-Identifier: MIT */
/*
 * The four roles of The Update Framework 1.0 (https://theupdateframework.github.io/specification/,
 * section 4) as values: bytes in, fields out, and back. No file, no clock, no network.
 *
 *   root        who may sign what               offline keys, by hand
 *   targets     versions and channels           offline keys, at each publish
 *   snapshot    the number of the targets       the server's signer
 *   timestamp   the number of the snapshot      the server's signer, often
 *
 * Reading:  cr_envelope_parse -> cr_trust_verify -> cr_root_parse ... (of envelope.signed_json)
 * Writing:  set fields -> cr_root_format ... -> cr_envelope_new -> cr_envelope_sign -> _format
 *
 * A field that the specification does not know is kept where it was and written again, so that a
 * file that another tool extended can be signed anew.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/trust/json.h"
#include "lib/trust/key.h"
#include "lib/trust/signer.h"

enum cr_role {
    CR_ROLE_ROOT,
    CR_ROLE_TARGETS,
    CR_ROLE_SNAPSHOT,
    CR_ROLE_TIMESTAMP,
    CR_ROLE_COUNT,
};

struct cr_role_info {
    const char *name; /* "root": in "_type", in file names, in messages */
    size_t bytes_max; /* of its file */
};
extern const struct cr_role_info cr_roles[CR_ROLE_COUNT];

/* The specification that we write. */
#define CR_TRUST_SPEC_VERSION "1.0.31"

/* --- what every role has --------------------------------------------------------------------- */

struct cr_role_common {
    uint64_t version;  /* from 1 */
    int64_t expires_s; /* seconds since 1970, UTC: from then on it is expired */
    json_t *json;      /* owned: "signed" as it was read, NULL when it is new */
};

/* "2026-11-20T19:30:00Z", no other form. Returns 0 or -EINVAL. */
int cr_expires_parse(const char *text, int64_t *ret_s);
#define CR_EXPIRES_TEXT 24
/* 1970 to 9999. Returns `out`. */
const char *cr_expires_format(int64_t expires_s, char out[static CR_EXPIRES_TEXT]);

/* --- root ------------------------------------------------------------------------------------ */

struct cr_role_keys {
    char (*keyids)[CR_KEYID_TEXT]; /* owned, distinct */
    uint32_t count;
    uint32_t threshold; /* from 1 */
};

struct cr_root {
    struct cr_role_common common;
    bool consistent_snapshot;
    struct cr_trust_key *keys; /* owned, distinct ids */
    uint32_t key_count;
    struct cr_role_keys roles[CR_ROLE_COUNT];
};

void cr_root_done(struct cr_root *root);

/* Take the fields from "signed" (a reference is kept). Returns 0, -ENOMEM, or -EBADMSG with the
 * field that is wrong. */
int cr_root_parse(json_t *signed_json, struct cr_root *ret_root, struct cr_error *err);

/* "signed" with the fields of `root` and all that was unknown; the caller owns it. 0 or -ENOMEM. */
int cr_root_format(const struct cr_root *root, json_t **ret_json);

/* The key with this id or NULL; borrowed. */
const struct cr_trust_key *cr_root_key(const struct cr_root *root, const char *keyid);

/* Let `key` sign for `role` too. Returns 0 (also when it may already), -ENOMEM or -ENOSPC. */
int cr_root_allow(struct cr_root *root, enum cr_role role, const struct cr_trust_key *key);

/* Take a key from `role`; a key that no role has any more is removed. Returns 0 or -ENOENT. */
int cr_root_disallow(struct cr_root *root, enum cr_role role, const char *keyid);

/* --- timestamp and snapshot ------------------------------------------------------------------ */

struct cr_hashes {
    bool has_sha256, has_sha512; /* neither: the file states no hash */
    uint8_t sha256[32], sha512[64];
};

/* Whether `data` has all the hashes that are stated. Returns 0 or -EBADMSG. */
int cr_hashes_check(const struct cr_hashes *hashes, const void *data, size_t len);

/* What one file says of the next. */
struct cr_meta_file {
    uint64_t version; /* from 1 */
    bool has_length;
    uint64_t length; /* bytes */
    struct cr_hashes hashes;
};

/* Version, length and SHA-256 of the bytes of a file. */
void cr_meta_file_of(uint64_t version, const void *data, size_t len, struct cr_meta_file *ret_meta);

/* Length and hashes, those that are stated. Returns 0, or -EBADMSG which says what differs. */
int cr_meta_file_check(const struct cr_meta_file *meta, const char *name, const void *data,
                       size_t len, struct cr_error *err);

/* The timestamp names the snapshot, the snapshot names the targets: "next". */
struct cr_pointer {
    struct cr_role_common common;
    struct cr_meta_file next;
};

void cr_pointer_done(struct cr_pointer *pointer);

/* What `snapshot` says of the file of a delegated role. Returns 0, -ENOENT or -EBADMSG. */
int cr_snapshot_file(const struct cr_pointer *snapshot, const char *name,
                     struct cr_meta_file *ret_file, struct cr_error *err);

/* As cr_root_parse. A snapshot may name more files (of delegations): they are kept and checked for
 * their form. */
int cr_timestamp_parse(json_t *signed_json, struct cr_pointer *ret_timestamp, struct cr_error *err);
int cr_snapshot_parse(json_t *signed_json, struct cr_pointer *ret_snapshot, struct cr_error *err);
int cr_timestamp_format(const struct cr_pointer *timestamp, json_t **ret_json);
int cr_snapshot_format(const struct cr_pointer *snapshot, json_t **ret_json);

/* Every file that `old` names is named by `new` too, with a version not lower. 0 or -ESTALE. */
int cr_snapshot_follows(const struct cr_pointer *old, const struct cr_pointer *new_,
                        struct cr_error *err);

/* targets.h has the targets, delegations.h the roles below them. */

/* --- envelope -------------------------------------------------------------------------------- */

struct cr_trust_envelope {
    json_t *json;          /* owned: {"signed": ..., "signatures": [...]} and what else is there */
    json_t *signed_json;   /* borrowed from it */
    struct cr_buf signed_; /* the canonical form of "signed": what is signed */
};

void cr_envelope_done(struct cr_trust_envelope *envelope);

/*
 * Read a file of `role`. Returns 0, -ENOMEM, -EMSGSIZE when it is too large, or -EBADMSG: no JSON,
 * no "signed" of this "_type" and a spec_version that we know, no signatures, or two with the same
 * key id. Nothing is verified.
 */
int cr_envelope_parse(const void *data, size_t len, enum cr_role role,
                      struct cr_trust_envelope *ret_envelope, struct cr_error *err);

/* Around `signed_json` (a reference is kept), with no signatures. Returns 0 or -errno. */
int cr_envelope_new(json_t *signed_json, struct cr_trust_envelope *ret_envelope);

/* Sign; replaces a signature with the same key id. Returns 0 or what the signer returned. */
int cr_envelope_sign(struct cr_trust_envelope *envelope, struct cr_trust_signer *signer,
                     struct cr_error *err);

/* Add a signature that was made elsewhere; it is not verified. Returns 0, -ENOMEM or -ENOSPC. */
int cr_envelope_add(struct cr_trust_envelope *envelope, const char *keyid, const uint8_t *signature,
                    size_t len);

/* The bytes of the file, appended. Returns 0, -ENOMEM, or -EMSGSIZE past the buffer's maximum. */
int cr_envelope_format(const struct cr_trust_envelope *envelope, struct cr_buf *out);

/*
 * How many distinct keys that `root` lets sign for `role` have signed: a key counts once, under how
 * many ids it may stand.
 */
uint32_t cr_trust_count(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                        enum cr_role role);

/* Whether the key `keyid`, which `root` lets sign for `role`, has signed: a signature that does not
 * verify is none. */
bool cr_trust_is_signed_by(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                           enum cr_role role, const char *keyid);

/* 0, or -EKEYREJECTED when fewer have signed than the role's threshold. */
int cr_trust_verify(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                    enum cr_role role, struct cr_error *err);

#define CLEANUP_ENVELOPE CLEANUP(cr_envelope_done)
