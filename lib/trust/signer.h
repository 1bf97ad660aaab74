/* SPDX-License-Identifier: MIT */
/*
 * Who signs: a private key in a file, or one that never leaves its token. Made for one thread.
 *
 *   KEY is a file        PEM (PKCS #8) of an Ed25519 key, mode 0600, encrypted or not
 *   KEY is "pkcs11:..."  a token by its URI (RFC 7512), through p11-kit; the mechanism is EdDSA
 *
 * SECRET is where the passphrase of the file or the PIN of the token is found: "file:PATH" (its
 * first line), "env:NAME", or NULL for none.
 */
#pragma once

#include "lib/trust/key.h"

struct cr_trust_signer {
    struct cr_trust_key key; /* the public half */
    const struct cr_signer_ops *ops;
};

struct cr_signer_ops {
    /* Returns 0 or -errno with a sentence. */
    int (*sign)(struct cr_trust_signer *signer, const void *data, size_t len,
                uint8_t ret_signature[static CR_ED25519_SIGNATURE_BYTES], struct cr_error *err);
    void (*close)(struct cr_trust_signer *signer);
};

/*
 * Open KEY. Returns 0, -ENOENT, -EACCES (a passphrase or PIN is missing or wrong, or a key file
 * that others may read), -EBADMSG (no Ed25519 key), -ENOTSUP (built without p11-kit), or -errno.
 */
int cr_signer_open(const char *key, const char *secret, struct cr_trust_signer **ret_signer,
                   struct cr_error *err);

/* Takes NULL. */
void cr_signer_close(struct cr_trust_signer *signer);

/*
 * Make a new key in the file `path`, mode 0600, encrypted when `secret` is not NULL, and durable
 * when this returns. Never over an existing file: -EEXIST.
 */
int cr_signer_make(const char *path, const char *secret, struct cr_error *err);

/* Whether the build has tokens. */
bool cr_signer_has_tokens(void);

static inline void cr_signer_cleanup(struct cr_trust_signer **signer)
{
    cr_signer_close(*signer);
}
#define CLEANUP_SIGNER CLEANUP(cr_signer_cleanup)
