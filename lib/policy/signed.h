/* SPDX-License-Identifier: MIT */
/*
 * A document that the server signs for seats (FORMAT.md, "Envelope"):
 *
 *   {"signed": {"_type": ..., "version": N, "expires": TIME, ...}, "signatures": [{"keyid",
 * "sig"}]}
 *
 * The signature is over the canonical form of "signed" (lib/trust/json.h). One right signature of
 * one of the keys that the seat was given is enough; others are not looked at, so that a key can be
 * changed while both sign.
 */
#pragma once

#include "lib/trust/json.h"
#include "lib/trust/key.h"
#include "lib/trust/signer.h"

struct cr_signed {
    json_t *json;      /* owned: all of it */
    json_t *body;      /* borrowed from it: "signed" */
    uint64_t version;  /* from 1 */
    int64_t expires_s; /* seconds since 1970, UTC: from then on it is expired */
};

void cr_signed_done(struct cr_signed *document);
#define CLEANUP_SIGNED CLEANUP(cr_signed_done)

/*
 * Read a document of `type` ("policy") that one of `count` keys has signed. Expiry is the caller's
 * question. Returns 0, -ENOMEM, -EMSGSIZE when it is too long, -EBADMSG with what is wrong with it,
 * or -EKEYREJECTED: none of the keys signed it.
 */
int cr_signed_open(const void *data, size_t len, const char *type, const struct cr_trust_key *keys,
                   size_t count, struct cr_signed *ret_document, struct cr_error *err);

/*
 * Sign `body`, an object, as version `version` of a document of `type`, valid until `expires_s`,
 * and append the file to `out`. Returns 0, -ENOMEM, -EMSGSIZE, or what the signer returned.
 */
int cr_signed_make(const json_t *body, const char *type, uint64_t version, int64_t expires_s,
                   struct cr_trust_signer *signer, struct cr_buf *out, struct cr_error *err);

/*
 * The file of public keys that a seat is given: a line of 64 hexadecimal digits for each (Ed25519,
 * RFC 8032), `#` begins a comment. Keys are owned by the caller (cr_key_done). Returns 0, -ENOMEM,
 * or -EBADMSG with the line: no key, or more than CR_POLICY_KEYS_MAX.
 */
int cr_signed_keys_parse(const void *data, size_t len,
                         struct cr_trust_key keys[static CR_POLICY_KEYS_MAX], size_t *ret_count,
                         struct cr_error *err);

/* The line of a key's public half, without its end. Returns 0, or -EINVAL: it is no Ed25519 key. */
#define CR_SIGNED_KEY_TEXT (2 * CR_ED25519_BYTES + 1)
int cr_signed_key_format(const struct cr_trust_key *key, char out[static CR_SIGNED_KEY_TEXT]);
