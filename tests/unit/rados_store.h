/* SPDX-License-Identifier: MIT */
/* Stores in the Ceph that CARREL_TEST_RADOS names ("POOL?SETTINGS", see tests/harness/ceph.sh). */
#pragma once

#include "lib/rados/rados.h"
#include "lib/store/store.h"

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

/* A new store, for a test of every backend. */
static inline int rados_store_open(struct cr_store **ret_store)
{
    static unsigned serial;
    char name[16], uri[RADOS_URI_BYTES];
    struct cr_error err = {0};
    snprintf(name, sizeof(name), "every%u", serial++);
    rados_uri(name, "", uri);
    int r = cr_store_init(uri, &err);
    if (r == 0)
        r = cr_store_open(uri, ret_store, &err);
    if (r < 0)
        printf("%s\n", err.text);
    return r;
}

#define RADOS_BACKEND " [rados]"

/*
 * For tests of every backend: return how many of the tests are to be run; they come first. Those
 * on Ceph are left out where there is none; under the thread sanitizer, which does not know what
 * librados does; and under the address sanitizer but in the long suite.
 */
#define RADOS_TESTS(tests)                                                                         \
    ({                                                                                             \
        size_t kept_ = 0;                                                                          \
        bool wanted_ = rados_is_wanted();                                                          \
        for (size_t i_ = 0; i_ < sizeof(tests) / sizeof((tests)[0]); i_++)                         \
            if (wanted_ || strstr((tests)[i_].name, RADOS_BACKEND) == NULL)                        \
                (tests)[kept_++] = (tests)[i_];                                                    \
        kept_;                                                                                     \
    })

static inline bool rados_is_wanted(void)
{
#ifdef __SANITIZE_THREAD__
    return false;
#endif
#ifdef __SANITIZE_ADDRESS__
    if (getenv("CHECK_LONG") == NULL)
        return false;
#endif
    cr_rados_register();
    return rados_is_there();
}
