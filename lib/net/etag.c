/* SPDX-License-Identifier: MIT */
#include "lib/net/etag.h"

#include <string.h>

bool cr_etag_matches(const char *header, const char *tag)
{
    const char *p = header + strspn(header, " \t");
    size_t tag_len = strlen(tag);
    if (*p == '*')
        return p[1 + strspn(p + 1, " \t")] == '\0';
    for (;;) {
        p += strspn(p, " \t,");
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        if (*p != '"')
            return false;
        const char *end = strchr(++p, '"');
        if (end == NULL)
            return false;
        if ((size_t)(end - p) == tag_len && memcmp(p, tag, tag_len) == 0)
            return true;
        p = end + 1;
    }
}
