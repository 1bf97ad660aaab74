/* SPDX-License-Identifier: MIT */
/* A changed root: drafted, signed with --key when it is given, published when that is enough. */
#pragma once

#include "image-tools/cli.h"
#include "lib/store/store.h"
#include "lib/trust/role.h"

/* Change the copy `root` as the command line says. */
typedef int trust_root_changer(const struct cli *cli, struct cr_root *root, struct cr_error *err);

/*
 * The next root of `store`, made from the newest one or from its draft, which --force throws away.
 * `signer` (NULL: what the command line names) publishes it. Tells what was done.
 */
int trust_root_change(struct cli *cli, struct cr_store *store, trust_root_changer *change,
                      const char *signer, struct cr_error *err);
