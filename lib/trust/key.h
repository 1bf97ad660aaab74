/* SPDX-License-Identifier: MIT */
/*
 * Public keys of signed metadata, and what their signatures are worth (TUF 1.0, section 4.2).
 *
 * We make Ed25519 keys (RFC 8032). ECDSA over P-256 and RSA-PSS, the other types of the
 * specification, are verified too, so that a repository that other tools made can be read. A key
 * of a type that we do not know is kept and never counts.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/image/object.h"

#include <jansson.h>
#include <openssl/evp.h>

/* A key id is the SHA-256 of the canonical form of the key's object, 64 lower-case digits. */
#define CR_KEYID_TEXT              65

#define CR_ED25519_BYTES           32U
#define CR_ED25519_SIGNATURE_BYTES 64U

enum cr_key_scheme {
    CR_KEY_UNKNOWN,
    CR_KEY_ED25519,
    CR_KEY_ECDSA_P256,
    CR_KEY_RSA_PSS,
};

struct cr_trust_key {
    char keyid[CR_KEYID_TEXT];
    enum cr_key_scheme scheme;
    EVP_PKEY *pkey;      /* owned; NULL when the scheme is unknown */
    struct cr_id public; /* SHA-256 of the public key: the same key under two ids is one key */
    json_t *object; /* owned; {"keytype", "scheme", "keyval": {"public"}} and what else is there */
};

void cr_key_done(struct cr_trust_key *key);

/*
 * Take a key from its object as it stands in a root under `keyid` (NULL: any). Returns 0, -ENOMEM,
 * or -EBADMSG: a field is missing or wrong, or the object does not hash to `keyid`.
 */
int cr_key_parse(json_t *object, const char *keyid, struct cr_trust_key *ret_key,
                 struct cr_error *err);

/* The key with these 32 bytes (RFC 8032). Returns 0 or -ENOMEM. */
int cr_key_ed25519(const uint8_t public[static CR_ED25519_BYTES], struct cr_trust_key *ret_key);

/* Another reference to the same key. Returns 0 or -ENOMEM. */
int cr_key_copy(const struct cr_trust_key *key, struct cr_trust_key *ret_key);

/* Whether `signature` is one of `data` by `key`. */
bool cr_key_verifies(const struct cr_trust_key *key, const void *data, size_t len,
                     const void *signature, size_t signature_len);
