/* SPDX-License-Identifier: MIT */
/*
 * Publishing asks for the targets signature: every command that adds or removes a version or points
 * a channel at one calls publish_sign as its last step.
 */
#pragma once

#include "image-tools/cli.h"

/* The options of such a command: put both lines into its list in commands.c. */
#define PUBLISH_SIGN_OPTIONS                                                                       \
    {OPT_SIGN_KEY, "sign-key", "KEY",                                                              \
     "sign it: a key's file or pkcs11: URI (default: $CARREL_TARGETS_KEY)"},                       \
    {                                                                                              \
        OPT_SIGNER, "signer", "PATH", "socket or folder of the signer (default: $CARREL_SIGNER)"   \
    }

/*
 * Call when the head of an image has changed and the result has been printed; no image lock is
 * needed. A store without signed metadata: nothing happens. With a key it is signed at once, and
 * handed to the signer when there are enough signatures; without one it is told, on standard error,
 * that the change waits for a signature and which command gives it. Returns 0, or -errno with a
 * sentence which says that the change stands and was not signed.
 */
int publish_sign(const struct cli *cli, struct cr_store *store, struct cr_error *err);
