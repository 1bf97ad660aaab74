/* SPDX-License-Identifier: MIT */
/*
 * An owner's keys as the server keeps them: wrapped by the server's own key, which lies elsewhere
 * (FORMAT.md, "Private overlays"). A stolen disk of private stores is worth nothing without it.
 */
#pragma once

#include "lib/sync/seal.h"

#define CR_WRAP_BYTES 104U /* of a wrapped pair of keys */

/* New keys for an owner. Returns 0 or -EIO. */
int cr_owner_keys_make(struct cr_owner_keys *ret_keys);

/* Wrap them for the owner that the server calls `space`. Returns 0 or -ENOMEM. */
int cr_owner_keys_wrap(const uint8_t server_key[static CR_SEAL_KEY_BYTES], const char *space,
                       const struct cr_owner_keys *keys, uint8_t out[static CR_WRAP_BYTES]);

/* The way back. Returns 0, or -EBADMSG with the reason: another server key, another owner, damaged.
 */
int cr_owner_keys_unwrap(const uint8_t server_key[static CR_SEAL_KEY_BYTES], const char *space,
                         const void *data, size_t len, struct cr_owner_keys *ret_keys,
                         struct cr_error *err);
