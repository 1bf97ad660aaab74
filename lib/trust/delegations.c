/* SPDX-License-Identifier: MIT */
#include "lib/trust/delegations.h"

#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

void cr_delegations_done(struct cr_delegations *delegations)
{
    cr_keys_free(delegations->keys, delegations->key_count);
    for (uint32_t i = 0; i < delegations->count; i++)
        free(delegations->roles[i].keys.keyids);
    free(delegations->roles);
    *delegations = (struct cr_delegations){0};
}

/* --- names ----------------------------------------------------------------------------------- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

int cr_delegation_encode(const char *name, char out[static CR_TRUST_ROLE_NAME_BYTES_MAX + 1])
{
    size_t n = 0;
    for (const char *c = name; *c != '\0'; c++) {
        bool plain = is_unreserved((unsigned char)*c);
        if (n + (plain ? 1 : 3) > CR_TRUST_ROLE_NAME_BYTES_MAX)
            return -ENAMETOOLONG;
        n += (size_t)snprintf(out + n, 4, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    out[n] = '\0';
    return 0;
}

static int take_name(const json_t *object, const struct cr_delegations *before, const char **ret,
                     struct cr_error *err)
{
    char encoded[CR_TRUST_ROLE_NAME_BYTES_MAX + 1];
    const char *name = "";
    int r = cr_field_text(object, "name", &name, err);
    if (r < 0)
        return r;
    if (name[0] == '\0' || cr_delegation_encode(name, encoded) < 0)
        return cr_error_set(err, -EBADMSG, "its field 'name' is empty or too long");
    for (size_t i = 0; i < CR_ROLE_COUNT; i++)
        if (strcmp(name, cr_roles[i].name) == 0)
            return cr_error_set(err, -EBADMSG, "its name '%s' is that of a top-level role", name);
    for (uint32_t i = 0; i < before->count; i++)
        if (strcmp(name, before->roles[i].name) == 0)
            return cr_error_set(err, -EBADMSG, "its name '%.64s' stands there before", name);
    *ret = name;
    return 0;
}

/* --- paths ----------------------------------------------------------------------------------- */

static bool is_prefix(const char *text)
{
    size_t len = text == NULL ? 0 : strspn(text, "0123456789abcdef");
    return len > 0 && len <= 2 * (size_t)SHA256_DIGEST_LENGTH && text[len] == '\0';
}

static int take_paths(const json_t *object, struct cr_delegation *role, struct cr_error *err)
{
    role->paths = json_object_get(object, "paths");
    role->prefixes = json_object_get(object, "path_hash_prefixes");
    if (role->paths != NULL && role->prefixes != NULL)
        return cr_error_set(err, -EBADMSG, "it has both 'paths' and 'path_hash_prefixes'");
    if ((role->paths != NULL && !json_is_array(role->paths)) ||
        (role->prefixes != NULL && !json_is_array(role->prefixes)))
        return cr_error_set(err, -EBADMSG, "its field '%s' is no array",
                            role->paths != NULL ? "paths" : "path_hash_prefixes");
    for (size_t i = 0; i < json_array_size(role->paths); i++)
        if (!json_is_string(json_array_get(role->paths, i)))
            return cr_error_set(err, -EBADMSG, "its path %zu is no text", i + 1);
    for (size_t i = 0; i < json_array_size(role->prefixes); i++)
        if (!is_prefix(json_string_value(json_array_get(role->prefixes, i))))
            return cr_error_set(err, -EBADMSG, "its prefix %zu is not 1 to 64 lower-case digits",
                                i + 1);
    return 0;
}

/* The next character of UTF-8. */
static const char *behind(const char *text)
{
    do
        text++;
    while (((unsigned char)*text & 0xc0) == 0x80);
    return text;
}

/* A star that has to take one character more than before: to the last star only, so that the time
 * is bounded by the product of the lengths. */
static bool matches(const char *pattern, const char *path)
{
    const char *star = NULL, *taken = NULL;
    while (*path != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            taken = path;
        } else if (*pattern == '?' && *path != '/') {
            pattern++;
            path = behind(path);
        } else if (*pattern != '?' && *pattern == *path) {
            pattern++;
            path++;
        } else if (star != NULL && *taken != '/') {
            taken = path = behind(taken);
            pattern = star;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool cr_delegation_covers(const struct cr_delegation *delegation, const char *path)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    for (size_t i = 0; i < json_array_size(delegation->paths); i++)
        if (matches(json_string_value(json_array_get(delegation->paths, i)), path))
            return true;
    if (delegation->prefixes == NULL)
        return false;
    SHA256((const unsigned char *)path, strlen(path), hash);
    cr_hex_format(hash, sizeof(hash), hex);
    for (size_t i = 0; i < json_array_size(delegation->prefixes); i++) {
        const char *prefix = json_string_value(json_array_get(delegation->prefixes, i));
        if (strncmp(hex, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int take_role(const json_t *object, struct cr_delegations *all, struct cr_error *err)
{
    struct cr_delegation role = {0};
    const json_t *terminating = json_object_get(object, "terminating");
    int r = take_name(object, all, &role.name, err);
    if (r == 0)
        r = take_paths(object, &role, err);
    if (r == 0 && !json_is_boolean(terminating))
        r = cr_error_set(err, -EBADMSG, "its field 'terminating' is not true or false");
    if (r == 0)
        r = cr_role_keys_parse(object, all->keys, all->key_count, &role.keys, err);
    if (r < 0)
        return r;
    role.terminating = json_is_true(terminating);
    all->roles[all->count++] = role;
    return 0;
}

static int take_all(const json_t *object, struct cr_delegations *all, struct cr_error *err)
{
    const json_t *roles = json_object_get(object, "roles");
    int r = cr_keys_parse(object, &all->keys, &all->key_count, err);
    if (r < 0)
        return r;
    if (!json_is_array(roles))
        return cr_error_set(err, -EBADMSG, "its field 'roles' is missing or no array");
    if (json_array_size(roles) > CR_TRUST_DELEGATIONS_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %u roles", CR_TRUST_DELEGATIONS_MAX);
    all->roles = cr_calloc(json_array_size(roles), sizeof(*all->roles));
    if (all->roles == NULL)
        return cr_error_errno(err, -ENOMEM, "its roles");
    for (size_t i = 0; i < json_array_size(roles); i++) {
        r = take_role(json_array_get(roles, i), all, err);
        if (r < 0)
            return cr_error_prefix(err, r, "role %zu", i + 1);
    }
    return 0;
}

int cr_delegations_parse(const json_t *signed_json, struct cr_delegations *ret_delegations,
                         struct cr_error *err)
{
    struct cr_delegations all = {0};
    json_t *object = NULL;
    int r = 0;
    if (json_object_get(signed_json, "delegations") != NULL) {
        r = cr_field_object(signed_json, "delegations", &object, err);
        if (r < 0)
            return r;
        r = take_all(object, &all, err);
    }
    if (r < 0) {
        cr_delegations_done(&all);
        return cr_error_prefix(err, r, "its field 'delegations'");
    }
    *ret_delegations = all;
    return 0;
}

int cr_delegation_verify(const struct cr_delegations *delegations,
                         const struct cr_delegation *delegation,
                         const struct cr_trust_envelope *envelope, struct cr_error *err)
{
    uint32_t count =
        cr_keys_signed(envelope, delegations->keys, delegations->key_count, &delegation->keys);
    if (count < delegation->keys.threshold)
        return cr_error_set(err, -EKEYREJECTED,
                            "it has %u of the %u signatures that who delegates to it asks for",
                            count, delegation->keys.threshold);
    return 0;
}
