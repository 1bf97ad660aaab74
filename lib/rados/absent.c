/* SPDX-License-Identifier: MIT */
/* Stands for the rest of this folder where librados' headers were absent when Carrel was built. */
#include "lib/rados/rados.h"
#include "lib/store/registry.h"

#include <errno.h>

static int say_so(struct cr_error *err)
{
    return cr_error_set(err, -ENOTSUP,
                        "this Carrel was built without Ceph: install the package librados-dev and "
                        "build it again");
}

static int store_open(const char *rest, struct cr_store **ret_store, struct cr_error *err)
{
    (void)rest;
    (void)ret_store;
    return say_so(err);
}

static int store_init(const char *rest, struct cr_error *err)
{
    (void)rest;
    return say_so(err);
}

static const struct cr_store_scheme scheme = {"rados", "rados:POOL (not built in)", store_open,
                                              store_init};

void cr_rados_register(void)
{
    cr_store_register(&scheme);
}
