/* SPDX-License-Identifier: MIT */
#include "lib/sync/place.h"

#include "lib/net/https.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cr_place_open(struct cr_place *place, const struct cr_private *what, struct cr_error *err)
{
    *place = (struct cr_place){.what = what};
    int n = snprintf(place->note_path, sizeof(place->note_path), "%s.sync", what->overlay);
    if (n < 0 || (size_t)n >= sizeof(place->note_path))
        return cr_error_errno(err, -ENAMETOOLONG, "overlay '%.200s'", what->overlay);
    int r = cr_https_open(what->server, &place->images, err);
    if (r == 0)
        r = cr_https_open(what->sync_server, &place->vaults, err);
    if (r == 0)
        r = cr_upstore_open(what->sync_server, CR_UPSTORE_PRIVATE, place->vaults, &place->up, err);
    if (r == 0)
        r = cr_upstore_keys(place->up, &place->keys, err);
    if (r < 0)
        return r;
    _Static_assert(CR_SEAL_NAME <= sizeof(place->name), "a name without meaning is a name");
    r = cr_seal_name(place->keys.id, "carrel overlay 1", what->name, place->name);
    return r < 0 ? cr_error_errno(err, r, "overlay '%s'", what->name) : 0;
}

void cr_place_close(struct cr_place *place)
{
    cr_store_close(place->up);
    cr_store_close(place->vaults);
    cr_store_close(place->images);
    explicit_bzero(&place->keys, sizeof(place->keys));
}
