/* SPDX-License-Identifier: MIT */
#include "image-tools/commands.h"

#include <errno.h>

#define PENDING(name)                                                                              \
    int name(struct cli *cli, struct cr_error *err)                                                \
    {                                                                                              \
        (void)cli;                                                                                 \
        return cr_error_set(err, -ENOSYS, "this command comes later");                             \
    }
PENDING(cmd_pki_init)
PENDING(cmd_pki_issue)
