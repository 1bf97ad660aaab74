/* SPDX-License-Identifier: MIT */
#include "lib/store/side.h"

#include "lib/store/blobs.h"

#include <errno.h>
#include <string.h>

#define ALPHABET                                                                                   \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"                                         \
    "0123456789._-"

bool cr_side_name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= CR_BLOB_NAME_MAX && name[0] != '.' && strspn(name, ALPHABET) == len;
}

bool cr_side_space_public(enum cr_space space)
{
    return space == CR_SPACE_DELTAS || space == CR_SPACE_RECORDS || space == CR_SPACE_TRUST ||
           space == CR_SPACE_HOT;
}

bool cr_side_immutable(enum cr_space space, const char *name)
{
    if (space == CR_SPACE_HOT)
        return false;
    if (space != CR_SPACE_TRUST)
        return cr_side_space_public(space);
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && name[digits] == '.';
}

int cr_store_side_read(struct cr_store *store, enum cr_space space, const char *name,
                       struct cr_buf *out, struct cr_error *err)
{
    if (!cr_side_space_public(space) || !cr_side_name_valid(name))
        return cr_error_set(err, -EINVAL,
                            "'%.80s' is no name of a side object: letters, digits, '.', '_' and "
                            "'-', not beginning with '.'",
                            name);
    if (store->ops->side_get == NULL)
        return cr_error_set(err, -ENOENT, "store '%.200s' holds no '%s'", store->uri, name);
    return store->ops->side_get(store, space, name, out, err);
}
