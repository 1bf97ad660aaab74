/* SPDX-License-Identifier: MIT */
/*
 * The name of a store in Ceph, behind "rados:":
 * POOL[/NAMESPACE][?conf=FILE&id=NAME&meta=POOL&timeout=SECONDS&lease=SECONDS]. A value may hold
 * %XX.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <limits.h>

struct cr_rados_uri {
    char pool[CR_RADOS_NAME_MAX + 1];
    char meta[CR_RADOS_NAME_MAX + 1];       /* of all but packs; the same as `pool` by default */
    char name_space[CR_RADOS_NAME_MAX + 1]; /* CR_RADOS_NAMESPACE by default */
    char conf[PATH_MAX];                    /* "" = where librados looks for itself */
    char id[CR_RADOS_NAME_MAX + 1];         /* client.ID; "" = admin, or what CEPH_ARGS says */
    unsigned timeout_s;                     /* an operation that takes longer has failed */
    unsigned lease_s; /* a writer that was silent for longer has lost its image */
};

#define CR_RADOS_NAMESPACE         "carrel"
#define CR_RADOS_TIMEOUT_S_DEFAULT 30U
#define CR_RADOS_TIMEOUT_S_MAX     3600U
#define CR_RADOS_LEASE_S_DEFAULT   60U
#define CR_RADOS_LEASE_S_MIN       2U
#define CR_RADOS_LEASE_S_MAX       86400U

/* Parse what follows "rados:". Returns 0, or -EINVAL with a sentence that says what is allowed. */
int cr_rados_uri_parse(const char *rest, struct cr_rados_uri *ret_uri, struct cr_error *err);
