/* SPDX-License-Identifier: MIT */
/* The root role: keys, and who of them may sign what. */
#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <string.h>

void cr_root_done(struct cr_root *root)
{
    cr_keys_free(root->keys, root->key_count);
    for (size_t role = 0; role < CR_ROLE_COUNT; role++)
        free(root->roles[role].keyids);
    cr_common_done(&root->common);
    *root = (struct cr_root){0};
}

const struct cr_trust_key *cr_root_key(const struct cr_root *root, const char *keyid)
{
    return cr_keys_find(root->keys, root->key_count, keyid);
}

static bool role_has(const struct cr_role_keys *keys, const char *keyid)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keyids[i], keyid) == 0)
            return true;
    return false;
}

/* --- reading --------------------------------------------------------------------------------- */

static int take_role(const json_t *roles, enum cr_role role, struct cr_root *root,
                     struct cr_error *err)
{
    json_t *object;
    int r = cr_field_object(roles, cr_roles[role].name, &object, err);
    if (r < 0)
        return r;
    r = cr_role_keys_parse(object, root->keys, root->key_count, &root->roles[role], err);
    return r < 0 ? cr_error_prefix(err, r, "role '%s'", cr_roles[role].name) : 0;
}

static int take_all(const json_t *signed_json, struct cr_root *root, struct cr_error *err)
{
    json_t *roles;
    const json_t *consistent = json_object_get(signed_json, "consistent_snapshot");
    if (consistent != NULL && !json_is_boolean(consistent))
        return cr_error_set(err, -EBADMSG, "its field 'consistent_snapshot' is not true or false");
    root->consistent_snapshot = json_is_true(consistent);
    int r = cr_keys_parse(signed_json, &root->keys, &root->key_count, err);
    if (r == 0)
        r = cr_field_object(signed_json, "roles", &roles, err);
    for (int role = 0; r == 0 && role < CR_ROLE_COUNT; role++)
        r = take_role(roles, (enum cr_role)role, root, err);
    return r;
}

int cr_root_parse(json_t *signed_json, struct cr_root *ret_root, struct cr_error *err)
{
    struct cr_root root = {0};
    int r = cr_common_parse(signed_json, CR_ROLE_ROOT, &root.common, err);
    if (r == 0)
        r = take_all(signed_json, &root, err);
    if (r < 0) {
        cr_root_done(&root);
        return r;
    }
    *ret_root = root;
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

/* The role's object as it was read, or an empty one, with the fields of `keys`. */
static json_t *role_format(const struct cr_role_keys *keys, const json_t *before)
{
    json_t *json = json_is_object(before) ? json_copy((json_t *)(uintptr_t)before) : json_object();
    json_t *ids = json_array();
    for (uint32_t i = 0; i < keys->count; i++)
        if (json_array_append_new(ids, json_string(keys->keyids[i])) != 0) {
            json_decref(ids);
            ids = NULL;
        }
    if (json_object_set_new(json, "keyids", ids) != 0 ||
        json_object_set_new(json, "threshold", json_integer(keys->threshold)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int cr_root_format(const struct cr_root *root, json_t **ret_json)
{
    CLEANUP_JSON json_t *json = cr_common_format(&root->common, CR_ROLE_ROOT);
    const json_t *before = json_object_get(root->common.json, "roles");
    CLEANUP_JSON json_t *keys = json_object();
    CLEANUP_JSON json_t *roles =
        before == NULL ? json_object() : json_copy((json_t *)(uintptr_t)before);
    for (uint32_t i = 0; i < root->key_count; i++)
        if (json_object_set(keys, root->keys[i].keyid, root->keys[i].object) != 0)
            return -ENOMEM;
    for (size_t i = 0; i < CR_ROLE_COUNT; i++) {
        json_t *role = role_format(&root->roles[i], json_object_get(before, cr_roles[i].name));
        if (json_object_set_new(roles, cr_roles[i].name, role) != 0)
            return -ENOMEM;
    }
    if (json == NULL || json_object_set(json, "keys", keys) != 0 ||
        json_object_set(json, "roles", roles) != 0 ||
        json_object_set_new(json, "consistent_snapshot", json_boolean(root->consistent_snapshot)) !=
            0)
        return -ENOMEM;
    *ret_json = TAKE_PTR(json);
    return 0;
}

/* --- changing -------------------------------------------------------------------------------- */

static int add_key(struct cr_root *root, const struct cr_trust_key *key)
{
    if (cr_root_key(root, key->keyid) != NULL)
        return 0;
    if (root->key_count >= CR_TRUST_KEYS_MAX)
        return -ENOSPC;
    struct cr_trust_key *keys = realloc(root->keys, (root->key_count + 1) * sizeof(*keys));
    if (keys == NULL)
        return -ENOMEM;
    root->keys = keys;
    int r = cr_key_copy(key, &keys[root->key_count]);
    root->key_count += r == 0;
    return r;
}

int cr_root_allow(struct cr_root *root, enum cr_role role, const struct cr_trust_key *key)
{
    struct cr_role_keys *keys = &root->roles[role];
    if (role_has(keys, key->keyid))
        return 0;
    if (keys->count >= CR_TRUST_KEYS_MAX)
        return -ENOSPC;
    char(*keyids)[CR_KEYID_TEXT] = realloc(keys->keyids, (keys->count + 1) * sizeof(*keyids));
    if (keyids == NULL)
        return -ENOMEM;
    keys->keyids = keyids;
    int r = add_key(root, key);
    if (r < 0)
        return r;
    memcpy(keyids[keys->count++], key->keyid, CR_KEYID_TEXT);
    return 0;
}

static void remove_key(struct cr_root *root, const char *keyid)
{
    for (uint32_t i = 0; i < root->key_count; i++) {
        if (strcmp(root->keys[i].keyid, keyid) != 0)
            continue;
        cr_key_done(&root->keys[i]);
        memmove(&root->keys[i], &root->keys[i + 1],
                (root->key_count - i - 1) * sizeof(root->keys[0]));
        root->key_count--;
        return;
    }
}

int cr_root_disallow(struct cr_root *root, enum cr_role role, const char *keyid)
{
    struct cr_role_keys *keys = &root->roles[role];
    char id[CR_KEYID_TEXT]; /* `keyid` may be one of those that move */
    snprintf(id, sizeof(id), "%s", keyid);
    uint32_t at = 0;
    while (at < keys->count && strcmp(keys->keyids[at], id) != 0)
        at++;
    if (at == keys->count)
        return -ENOENT;
    memmove(&keys->keyids[at], &keys->keyids[at + 1],
            (keys->count - at - 1) * sizeof(keys->keyids[0]));
    keys->count--;
    for (size_t i = 0; i < CR_ROLE_COUNT; i++)
        if (role_has(&root->roles[i], id))
            return 0;
    remove_key(root, id);
    return 0;
}
