/* SPDX-License-Identifier: MIT */
/* For the client: what comes from the server, as far as it is the same for every role. */
#include "lib/trust/trusted.h"

#include <errno.h>
#include <inttypes.h>

int trusted_bring(const struct trusted_source *from, const char *name, size_t max,
                  struct cr_buf *out, struct cr_error *err)
{
    cr_buf_init(out, max);
    struct cr_error why = {0};
    int r = from->fetch(from->context, name, max, out, &why);
    if (r == -EMSGSIZE || (r == 0 && out->len > max))
        return cr_error_set(err, -EMSGSIZE, "it is longer than the %zu bytes that it may have",
                            max);
    if (r == -ENOENT)
        return cr_error_set(err, r, "the server does not have it");
    if (r < 0 && why.text[0] == '\0')
        return cr_error_errno(err, r, "fetching it");
    return r < 0 ? cr_error_set(err, r, "%s", why.text) : 0;
}

int trusted_check_age(const struct trusted_source *from, const struct cr_role_common *common,
                      struct cr_error *err)
{
    char when[CR_EXPIRES_TEXT];
    if (common->expires_s > from->now_s)
        return 0;
    return cr_error_set(err, -EKEYEXPIRED, "it expired at %s",
                        cr_expires_format(common->expires_s, when));
}

int trusted_check_version(uint64_t found, uint64_t announced, struct cr_error *err)
{
    if (found == announced)
        return 0;
    return cr_error_set(err, found < announced ? -ESTALE : -EBADMSG,
                        "it is version %" PRIu64 ", and version %" PRIu64 " was announced", found,
                        announced);
}
