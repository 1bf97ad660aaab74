/* SPDX-License-Identifier: MIT */
#include "lib/net/uri_add.h"

#include <stdbool.h>
#include <string.h>

/* RFC 3986, section 2.3, and the slash that paths are full of. */
static const char unreserved[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

int cr_server_uri_add(struct cr_buf *uri, const char *key, const char *value)
{
    bool more = uri->len > 0 && memchr(uri->data, '?', uri->len) != NULL;
    int r = cr_buf_printf(uri, "%c%s=", more ? '&' : '?', key);
    for (const char *p = value; r == 0 && *p != '\0'; p++) {
        if (strchr(unreserved, *p) != NULL)
            r = cr_buf_append(uri, p, 1);
        else
            r = cr_buf_printf(uri, "%%%02X", (unsigned)(unsigned char)*p);
    }
    return r;
}
