/* SPDX-License-Identifier: MIT */
/* Keys as people name them on the command line. */
#pragma once

#include "image-tools/cli.h"
#include "lib/trust/role.h"

/* Where passphrase or PIN is found: --secret, $CARREL_KEY_SECRET, or NULL. */
const char *trust_secret(const struct cli *cli);

/* The signer's socket or folder: --signer, $CARREL_SIGNER, or NULL. */
const char *trust_signer_path(const struct cli *cli);

/* The public key of `key`: a file with a public key in PEM, or what cr_signer_open takes. */
int trust_public_read(const char *key, const char *secret, struct cr_trust_key *ret_key,
                      struct cr_error *err);

/* Write the public half as PEM to `path`, over what is there. */
int trust_public_write(const char *path, const struct cr_trust_key *key, struct cr_error *err);

/* True for a file that holds a public key: it cannot sign. */
bool trust_is_public(const char *key);

/* Call `each` for every part of "a,b,c"; its non-zero result ends the walk. */
typedef int trust_word_sink(void *context, const char *word, struct cr_error *err);
int trust_words(const char *text, trust_word_sink *each, void *context, struct cr_error *err);

/* The span of --KEY, in seconds, or the default. */
int trust_span(const struct cli *cli, enum option_key key, int64_t by_default, int64_t *ret_s,
               struct cr_error *err);
