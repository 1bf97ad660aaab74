/* SPDX-License-Identifier: MIT */
#include "lib/store/registry.h"

#include "lib/store/dir.h"
#include "lib/store/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const struct cr_store_scheme dir_scheme = {"dir", "dir:PATH", cr_dir_store_open,
                                                  cr_dir_store_init};
static const struct cr_store_scheme mem_scheme = {"mem", "mem:", cr_mem_store_open, NULL};

static const struct cr_store_scheme *schemes[CR_STORE_SCHEMES_MAX] = {&dir_scheme, &mem_scheme};

void cr_store_register(const struct cr_store_scheme *scheme)
{
    for (size_t i = 0; i < CR_STORE_SCHEMES_MAX; i++) {
        if (schemes[i] == scheme)
            return;
        if (schemes[i] == NULL) {
            schemes[i] = scheme;
            return;
        }
    }
    assert(!"the table of store schemes is full");
}

/* The scheme in front of `uri`, and what follows it; a plain path is a folder. */
static const struct cr_store_scheme *scheme_of(const char *uri, const char **ret_rest)
{
    size_t len = strspn(uri, "abcdefghijklmnopqrstuvwxyz");
    *ret_rest = uri;
    if (len == 0 || uri[len] != ':')
        return &dir_scheme;
    for (size_t i = 0; i < CR_STORE_SCHEMES_MAX && schemes[i] != NULL; i++) {
        if (strlen(schemes[i]->scheme) == len && strncmp(schemes[i]->scheme, uri, len) == 0) {
            *ret_rest = uri + len + 1;
            return schemes[i];
        }
    }
    return NULL;
}

static int unknown_scheme(const char *uri, struct cr_error *err)
{
    char known[256] = "";
    for (size_t i = 0, used = 0; i < CR_STORE_SCHEMES_MAX && schemes[i] != NULL; i++) {
        int n =
            snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", schemes[i]->form);
        if (n > 0 && used + (size_t)n < sizeof(known))
            used += (size_t)n;
    }
    return cr_error_set(err, -ENOTSUP,
                        "store '%.200s': unknown kind; a store is a path or one of %s", uri, known);
}

int cr_store_open(const char *uri, struct cr_store **ret_store, struct cr_error *err)
{
    const char *rest;
    if (uri[0] == '\0' || strlen(uri) >= CR_URI_BYTES_MAX)
        return cr_error_set(err, -EINVAL, "the store's name is empty or too long");
    const struct cr_store_scheme *scheme = scheme_of(uri, &rest);
    if (scheme == NULL)
        return unknown_scheme(uri, err);
    struct cr_store *store;
    int r = scheme->open(rest, &store, err);
    if (r < 0)
        return r;
    snprintf(store->uri, sizeof(store->uri), "%s", uri);
    *ret_store = store;
    return 0;
}

int cr_store_init(const char *uri, struct cr_error *err)
{
    const char *rest;
    const struct cr_store_scheme *scheme = scheme_of(uri, &rest);
    if (scheme == NULL)
        return unknown_scheme(uri, err);
    if (scheme->init == NULL)
        return cr_error_set(err, -ENOTSUP, "a store of the kind '%s' cannot be made from here",
                            scheme->form);
    return scheme->init(rest, err);
}
