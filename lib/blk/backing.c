/* SPDX-License-Identifier: MIT */
#include "lib/blk/backing.h"

#include "lib/base/mem.h"

#include <ctype.h>
#include <jansson.h>

static bool ref_with_number(const char *text, struct cr_ref *ret_ref)
{
    struct cr_ref ref;
    if (cr_ref_parse(text, &ref, NULL) < 0 || ref.number == 0)
        return false;
    *ret_ref = ref;
    return true;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* "nbd+unix:///NAME@N?socket=...": the path of the URI, percent-decoded (RFC 3986). */
static bool ref_from_uri(const char *uri, struct cr_ref *ret_ref)
{
    char text[CR_REF_TEXT];
    size_t used = 0;
    const char *p = strstr(uri, "://");
    p = p == NULL ? NULL : strchr(p + 3, '/');
    if (p == NULL)
        return false;
    for (p++; *p != '\0' && *p != '?' && *p != '#'; p++) {
        char c = *p;
        if (c == '%') {
            int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            p += 2;
        }
        if (used + 1 >= sizeof(text))
            return false;
        text[used++] = c;
    }
    text[used] = '\0';
    return ref_with_number(text, ret_ref);
}

static bool ref_from_json(const char *text, struct cr_ref *ret_ref)
{
    json_t *json = json_loads(text, 0, NULL);
    const char *export = json_string_value(json_object_get(json, "export"));
    if (export == NULL)
        export = json_string_value(json_object_get(json, "file.export"));
    if (export == NULL)
        export = json_string_value(json_object_get(json_object_get(json, "file"), "export"));
    bool found = export != NULL && ref_with_number(export, ret_ref);
    json_decref(json);
    return found;
}

bool cr_backing_ref(const char *backing, struct cr_ref *ret_ref)
{
    static const char old_style[] = ":exportname=";
    const char *name = strstr(backing, old_style);
    if (strncmp(backing, "json:", 5) == 0)
        return ref_from_json(backing + 5, ret_ref);
    if (strncmp(backing, "nbd:", 4) == 0 && name != NULL)
        return ref_with_number(name + sizeof(old_style) - 1, ret_ref);
    if (strncmp(backing, "nbd", 3) == 0)
        return ref_from_uri(backing, ret_ref);
    return false;
}
