/* SPDX-License-Identifier: MIT */
#include "lib/net/uri.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define FORM "write https://HOST:PORT?pki=DIR"

static int refuse(const char *uri, const char *why, struct cr_error *err)
{
    return cr_error_set(err, -EINVAL, "server '%.200s': %s; " FORM, uri, why);
}

/* --- host and port ---------------------------------------------------------------------------- */

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr(".-_", c) != NULL;
}

static bool host_is_valid(const struct cr_server_uri *uri)
{
    struct in6_addr address;
    if (uri->ipv6)
        return inet_pton(AF_INET6, uri->host, &address) == 1;
    for (const char *c = uri->host; *c != '\0'; c++)
        if (!host_char(*c))
            return false;
    return uri->host[0] != '\0' && uri->host[0] != '-';
}

/* This machine, seen from itself. */
static bool host_is_loopback(const struct cr_server_uri *uri)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (uri->ipv6)
        return inet_pton(AF_INET6, uri->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    if (inet_pton(AF_INET, uri->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(uri->host, "localhost") == 0;
}

/* "HOST:PORT" of `len` characters. Returns NULL, or what is wrong with it. */
static const char *authority_parse(const char *text, size_t len, struct cr_server_uri *uri)
{
    const char *end = text + len, *host = text, *host_end, *port;
    if (len > 0 && text[0] == '[') {
        host = text + 1;
        host_end = memchr(host, ']', len - 1);
        if (host_end == NULL)
            return "its '[' is never closed";
        uri->ipv6 = true;
        port = host_end + 1;
    } else {
        host_end = memchr(text, ':', len);
        if (host_end == NULL)
            host_end = end;
        port = host_end;
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len > CR_HOST_BYTES_MAX)
        return "the host's name is too long";
    memcpy(uri->host, host, host_len);
    uri->host[host_len] = '\0';
    if (!host_is_valid(uri))
        return uri->ipv6 ? "not an IPv6 address between '[' and ']'" : "no host's name in it";

    uri->port = uri->tls ? 443 : 80;
    if (port == end)
        return NULL;
    char digits[8];
    uint64_t number;
    size_t port_len = (size_t)(end - port) - 1;
    if (*port != ':' || port_len >= sizeof(digits))
        return "the port is not a number from 1 to 65535";
    memcpy(digits, port + 1, port_len);
    digits[port_len] = '\0';
    if (cr_u64_parse(digits, 65535, &number) < 0 || number == 0)
        return "the port is not a number from 1 to 65535";
    uri->port = (uint16_t)number;
    return NULL;
}

/* --- settings after the question mark --------------------------------------------------------- */

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
            int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(text[i + 2]) : -1;
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

static const char *seconds_parse(const char *text, unsigned min, unsigned max, unsigned *ret_s)
{
    uint64_t number;
    if (cr_u64_parse(text, max, &number) < 0 || number < min)
        return "'patience' and 'stall' are seconds, at most a day and an hour";
    *ret_s = (unsigned)number;
    return NULL;
}

static const char *setting_parse(const char *text, size_t len, struct cr_server_uri *uri)
{
    const char *equals = memchr(text, '=', len);
    if (equals == NULL)
        return "a setting after '?' without '='";
    size_t key_len = (size_t)(equals - text);
    char value[CR_URI_BYTES_MAX];
    const char *wrong = value_decode(equals + 1, len - key_len - 1, value, sizeof(value));
    if (wrong != NULL)
        return wrong;
    if (key_len == 3 && memcmp(text, "pki", 3) == 0) {
        if (value[0] == '\0')
            return "'pki' names no folder";
        memcpy(uri->pki, value, strlen(value) + 1);
        return NULL;
    }
    if (key_len == 8 && memcmp(text, "patience", 8) == 0)
        return seconds_parse(value, 0, CR_PATIENCE_S_MAX, &uri->patience_s);
    if (key_len == 5 && memcmp(text, "stall", 5) == 0)
        return seconds_parse(value, 1, CR_STALL_S_MAX, &uri->stall_s);
    return "only the settings 'pki', 'patience' and 'stall' are known";
}

/* --- the whole -------------------------------------------------------------------------------- */

int cr_server_uri_parse(const char *text, struct cr_server_uri *ret_uri, struct cr_error *err)
{
    struct cr_server_uri uri = {
        .patience_s = CR_PATIENCE_S_DEFAULT,
        .stall_s = CR_STALL_S_DEFAULT,
    };
    if (strlen(text) >= CR_URI_BYTES_MAX)
        return refuse(text, "it is too long", err);
    const char *rest;
    if (strncmp(text, "https://", 8) == 0) {
        uri.tls = true;
        rest = text + 8;
    } else if (strncmp(text, "http://", 7) == 0) {
        rest = text + 7;
    } else {
        return refuse(text, "it begins with neither https:// nor http://", err);
    }

    size_t len = strcspn(rest, "/?");
    const char *wrong = authority_parse(rest, len, &uri);
    if (wrong != NULL)
        return refuse(text, wrong, err);
    rest += len;
    if (*rest == '/')
        rest++;
    if (*rest != '\0' && *rest != '?')
        return refuse(text, "a path after the host has no meaning here", err);
    while (*rest != '\0') {
        rest++; /* '?' or '&' */
        len = strcspn(rest, "&");
        wrong = setting_parse(rest, len, &uri);
        if (wrong != NULL)
            return refuse(text, wrong, err);
        rest += len;
    }
    if (!uri.tls && !host_is_loopback(&uri))
        return refuse(text, "plain http is for this machine itself only", err);
    if (!uri.tls && uri.pki[0] != '\0')
        return refuse(text, "plain http uses no certificates, so 'pki' has no meaning", err);
    *ret_uri = uri;
    return 0;
}

const char *cr_server_uri_format(const struct cr_server_uri *uri, char out[static CR_SERVER_TEXT])
{
    snprintf(out, CR_SERVER_TEXT, uri->ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
             uri->tls ? "https" : "http", uri->host, uri->port);
    return out;
}
