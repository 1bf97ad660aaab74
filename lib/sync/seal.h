/* SPDX-License-Identifier: MIT */
/*
 * Sealing what belongs to one owner: AES-256-GCM (NIST SP 800-38D) under the owner's data key, with
 * a nonce made of the content by HMAC-SHA-256 (RFC 2104) under the owner's id key, as RFC 5297
 * does. The same content of one owner seals to the same bytes, so that only what is new travels;
 * two owners share nothing, and nobody without the keys can tell what content some sealed bytes
 * would have.
 *
 * FORMAT.md, "Private overlays".
 */
#pragma once

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define CR_SEAL_KEY_BYTES 32U
#define CR_SEAL_SIV_BYTES 16U
#define CR_SEAL_TAG_BYTES 16U

/* Wipe them when they are not needed any more (explicit_bzero). */
struct cr_owner_keys {
    uint8_t id[CR_SEAL_KEY_BYTES];   /* for nonces and names */
    uint8_t data[CR_SEAL_KEY_BYTES]; /* for what is encrypted */
};

/* What must be kept of each sealed piece to open it. */
struct cr_seal {
    uint8_t siv[CR_SEAL_SIV_BYTES]; /* its first 12 bytes are the nonce */
    uint8_t tag[CR_SEAL_TAG_BYTES];
};

/*
 * Encrypt `len` bytes of `plain` into `out` (may be the same). `place` is bound to it: what is
 * sealed for one place does not open at another. Returns 0 or -ENOMEM.
 */
int cr_seal(const struct cr_owner_keys *keys, const void *place, size_t place_len,
            const void *plain, size_t len, void *out, struct cr_seal *ret_seal);

/* The way back. Returns 0, or -EBADMSG when it was not sealed so by these keys; `out` is worth
 * nothing then. */
int cr_seal_open(const struct cr_owner_keys *keys, const void *place, size_t place_len,
                 const struct cr_seal *seal, const void *sealed, size_t len, void *out);

/* HMAC-SHA-256 of `what` (with its terminating zero) and then `data`. Returns 0 or -ENOMEM. */
int cr_seal_mac(const uint8_t key[static CR_SEAL_KEY_BYTES], const char *what, const void *data,
                size_t len, uint8_t out[static 32]);

/* A name without meaning: 40 hexadecimal digits of the HMAC of `text`. Returns 0 or -ENOMEM. */
#define CR_SEAL_NAME 41U
int cr_seal_name(const uint8_t key[static CR_SEAL_KEY_BYTES], const char *what, const char *text,
                 char out[static CR_SEAL_NAME]);
