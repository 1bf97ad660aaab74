/* SPDX-License-Identifier: MIT */
#include "lib/rados/uri.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define FORM "write rados:POOL[/NAMESPACE][?conf=FILE&id=NAME&meta=POOL]"

static int refuse(const char *rest, const char *why, struct cr_error *err)
{
    return cr_error_set(err, -EINVAL, "store 'rados:%.200s': %s; " FORM, rest, why);
}

/* Ceph takes almost anything as a name; what is written in commands and messages is this. */
static const char *name_copy(const char *text, size_t len, char out[static CR_RADOS_NAME_MAX + 1])
{
    if (len == 0)
        return "a name in it is empty";
    if (len > CR_RADOS_NAME_MAX)
        return "a name in it is too long";
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr("._-", c) == NULL))
            return "names of pools, namespaces and clients consist of letters, digits, '.', '_' "
                   "and '-'";
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo %XX. Returns NULL or what is wrong. */
static const char *value_decode(const char *text, size_t len, char *out, size_t out_size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = len - i > 2 ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return "a '%' without two hexadecimal digits";
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (n + 1 >= out_size)
            return "a value in it is too long";
        out[n++] = c;
    }
    out[n] = '\0';
    return NULL;
}

/* The settings behind '?'. */
static const struct {
    const char *key;
    enum { NAME, PATH, SECONDS } kind;
    size_t offset;
    unsigned min, max; /* of seconds */
} settings[] = {
    {"conf", PATH, offsetof(struct cr_rados_uri, conf), 0, 0},
    {"id", NAME, offsetof(struct cr_rados_uri, id), 0, 0},
    {"meta", NAME, offsetof(struct cr_rados_uri, meta), 0, 0},
    {"timeout", SECONDS, offsetof(struct cr_rados_uri, timeout_s), 1, CR_RADOS_TIMEOUT_S_MAX},
    {"lease", SECONDS, offsetof(struct cr_rados_uri, lease_s), CR_RADOS_LEASE_S_MIN,
     CR_RADOS_LEASE_S_MAX},
};

static const char *seconds_parse(const char *value, unsigned min, unsigned max, unsigned *ret_s)
{
    uint64_t number;
    if (cr_u64_parse(value, max, &number) < 0 || number < min)
        return "'timeout' is 1 to 3600 seconds, 'lease' 2 to 86400";
    *ret_s = (unsigned)number;
    return NULL;
}

static const char *setting_parse(const char *text, size_t len, struct cr_rados_uri *uri)
{
    const char *equals = memchr(text, '=', len);
    if (equals == NULL)
        return "a setting after '?' without '='";
    size_t key_len = (size_t)(equals - text);
    char value[PATH_MAX];
    const char *wrong = value_decode(equals + 1, len - key_len - 1, value, sizeof(value));
    if (wrong != NULL)
        return wrong;
    for (size_t i = 0; i < CR_ARRAY_LEN(settings); i++) {
        if (strlen(settings[i].key) != key_len || memcmp(settings[i].key, text, key_len) != 0)
            continue;
        void *field = (char *)uri + settings[i].offset;
        switch (settings[i].kind) {
        case NAME:
            return name_copy(value, strlen(value), field);
        case SECONDS:
            return seconds_parse(value, settings[i].min, settings[i].max, field);
        case PATH:
            memcpy(field, value, strlen(value) + 1);
            return value[0] == '\0' ? "'conf' names no file" : NULL;
        }
    }
    return "only the settings 'conf', 'id', 'meta', 'timeout' and 'lease' are known";
}

int cr_rados_uri_parse(const char *rest, struct cr_rados_uri *ret_uri, struct cr_error *err)
{
    struct cr_rados_uri uri = {
        .name_space = CR_RADOS_NAMESPACE,
        .timeout_s = CR_RADOS_TIMEOUT_S_DEFAULT,
        .lease_s = CR_RADOS_LEASE_S_DEFAULT,
    };
    if (strlen(rest) >= CR_URI_BYTES_MAX)
        return refuse(rest, "it is too long", err);
    const char *at = rest;
    size_t len = strcspn(at, "/?");
    const char *wrong = name_copy(at, len, uri.pool);
    if (wrong != NULL)
        return refuse(rest, wrong, err);
    at += len;
    if (*at == '/') {
        at++;
        len = strcspn(at, "?");
        if ((wrong = name_copy(at, len, uri.name_space)) != NULL)
            return refuse(rest, wrong, err);
        at += len;
    }
    while (*at != '\0') {
        at++; /* '?' or '&' */
        len = strcspn(at, "&");
        if ((wrong = setting_parse(at, len, &uri)) != NULL)
            return refuse(rest, wrong, err);
        at += len;
    }
    if (uri.meta[0] == '\0')
        memcpy(uri.meta, uri.pool, sizeof(uri.meta));
    *ret_uri = uri;
    return 0;
}
