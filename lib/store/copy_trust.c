/* SPDX-License-Identifier: MIT */
/* Which signed metadata a store has that cannot list it: what the newest timestamp leads to. */
#include "lib/store/copy_content.h"
#include "lib/store/side.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#define ROOTS_MAX 1024U /* a client would not follow more of them either */

struct fetch {
    struct cr_store *from;
    cr_name_sink *sink;
    void *context;
};

/*
 * The version of the file `meta` that the metadata `name` tells of: signed.meta[meta].version. Also
 * hands `name` on. Returns 0 and the version, 0 in it when there is none.
 */
static int next_version(const struct fetch *fetch, const char *name, const char *meta,
                        uint64_t *ret_version, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    *ret_version = 0;
    int r = cr_store_side_read(fetch->from, CR_SPACE_TRUST, name, &data, err);
    if (r < 0)
        return r;
    json_t *json = json_loadb((const char *)data.data, data.len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t version = json_integer_value(json_object_get(
        json_object_get(json_object_get(json_object_get(json, "signed"), "meta"), meta),
        "version"));
    json_decref(json);
    *ret_version = version > 0 ? (uint64_t)version : 0;
    return fetch->sink(fetch->context, name);
}

static int roots_find(const struct fetch *fetch, struct cr_error *err)
{
    int r = 0;
    for (unsigned n = 1; n <= ROOTS_MAX && r == 0; n++) {
        CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
        char name[32];
        snprintf(name, sizeof(name), "%u.root.json", n);
        r = cr_store_side_read(fetch->from, CR_SPACE_TRUST, name, &data, err);
        if (r == -ENOENT)
            return 0;
        if (r == 0)
            r = fetch->sink(fetch->context, name);
    }
    return r;
}

int cr_copy_trust_names(struct cr_store *from, cr_name_sink *sink, void *context,
                        struct cr_error *err)
{
    const struct fetch fetch = {.from = from, .sink = sink, .context = context};
    uint64_t version = 0;
    char name[64];
    int r = roots_find(&fetch, err);
    if (r == 0)
        r = next_version(&fetch, "timestamp.json", "snapshot.json", &version, err);
    if (r == -ENOENT)
        return 0; /* nothing is signed there */
    if (r != 0 || version == 0)
        return r;
    snprintf(name, sizeof(name), "%" PRIu64 ".snapshot.json", version);
    r = next_version(&fetch, name, "targets.json", &version, err);
    if (r != 0 || version == 0)
        return r;
    snprintf(name, sizeof(name), "%" PRIu64 ".targets.json", version);
    return next_version(&fetch, name, "", &version, err);
}
