/* SPDX-License-Identifier: MIT */
#include "lib/rados/api.h"

#include "lib/base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define FUNCTION(name) {"rados_" #name, offsetof(struct cr_rados_api, name)},
    CR_RADOS_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct cr_rados_api loaded;
static const struct cr_rados_api *replaced;
static bool is_loaded;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int load(struct cr_error *err)
{
    void *library = dlopen("librados.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return cr_error_set(err, -ENOTSUP,
                            "Ceph's library is not installed (%s): install the package librados2",
                            dlerror());
    for (size_t i = 0; i < CR_ARRAY_LEN(functions); i++) {
        void *function = dlsym(library, functions[i].name);
        if (function == NULL)
            return cr_error_set(err, -ENOTSUP,
                                "Ceph's library lacks '%s': install the package librados2 of "
                                "Ceph 16 or newer",
                                functions[i].name);
        memcpy((char *)&loaded + functions[i].offset, &function, sizeof(function));
    }
    return 0;
}

int cr_rados_api_load(const struct cr_rados_api **ret_api, struct cr_error *err)
{
    int r = 0;
    pthread_mutex_lock(&mutex);
    if (!is_loaded)
        r = load(err);
    if (r == 0) {
        is_loaded = true;
        *ret_api = replaced != NULL ? replaced : &loaded;
    }
    pthread_mutex_unlock(&mutex);
    return r;
}

void cr_rados_api_replace(const struct cr_rados_api *api)
{
    pthread_mutex_lock(&mutex);
    replaced = api;
    pthread_mutex_unlock(&mutex);
}
