/* SPDX-License-Identifier: MIT */
/* Stores in the Ceph that CARREL_TEST_RADOS names ("POOL?SETTINGS", see tests/harness/ceph.sh). */
#pragma once

#include "lib/base/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RADOS_URI_BYTES 1024

/* There is one for tests; else the reason is printed. */
static inline bool rados_is_there(void)
{
    const char *absent = getenv("CARREL_TEST_RADOS_ABSENT");
    if (getenv("CARREL_TEST_RADOS") != NULL)
        return true;
    printf("skipped on Ceph: %s\n",
           absent != NULL ? absent : "run it with tests/harness/ceph.sh run DIR COMMAND");
    return false;
}

/* The name of a store of this process's own, with `more` settings ("&lease=2"). Returns `out`. */
static inline const char *rados_uri(const char *name, const char *more,
                                    char out[static RADOS_URI_BYTES])
{
    const char *where = getenv("CARREL_TEST_RADOS");
    int pool = (int)strcspn(where, "?");
    snprintf(out, RADOS_URI_BYTES, "rados:%.*s/unit.%d.%s%s%s", pool, where, (int)getpid(), name,
             where + pool, more);
    return out;
}
