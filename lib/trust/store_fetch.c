/* SPDX-License-Identifier: MIT */
#include "lib/trust/store_fetch.h"

#include "lib/store/side.h"

#include <errno.h>

int cr_trust_store_fetch(void *store, const char *name, size_t max_bytes, struct cr_buf *out,
                         struct cr_error *err)
{
    int r = cr_store_side_read(store, CR_SPACE_TRUST, name, out, err);
    if (r == 0 && out->len > max_bytes)
        return cr_error_set(err, -EMSGSIZE, "'%s' is longer than %zu bytes", name, max_bytes);
    return r;
}
