/* SPDX-License-Identifier: MIT */
/* For signer.c: the two places where a private key can be. `secret` NULL = none was given. */
#pragma once

#include "lib/trust/signer.h"

#define CR_SECRET_TEXT 1025

/* The text behind "file:PATH" or "env:NAME"; "" for NULL. Returns 0 or -errno. */
int cr_secret_read(const char *secret, char out[static CR_SECRET_TEXT], struct cr_error *err);

int cr_signer_file_open(const char *path, const char *secret, struct cr_trust_signer **ret_signer,
                        struct cr_error *err);

int cr_signer_token_open(const char *uri, const char *secret, struct cr_trust_signer **ret_signer,
                         struct cr_error *err);
