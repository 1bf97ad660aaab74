/* SPDX-License-Identifier: MIT */
/* Keys by their ids, and who of them may sign: a root has them, and so has a delegation. */
#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <string.h>

const struct cr_trust_key *cr_keys_find(const struct cr_trust_key *keys, uint32_t count,
                                        const char *keyid)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(keys[i].keyid, keyid) == 0)
            return &keys[i];
    return NULL;
}

void cr_keys_free(struct cr_trust_key *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cr_key_done(&keys[i]);
    free(keys);
}

/* --- reading --------------------------------------------------------------------------------- */

int cr_keys_parse(const json_t *object, struct cr_trust_key **ret_keys, uint32_t *ret_count,
                  struct cr_error *err)
{
    json_t *all = NULL, *key;
    uint32_t count = 0;
    int r = cr_field_object(object, "keys", &all, err);
    if (r < 0)
        return r;
    if (json_object_size(all) > CR_TRUST_KEYS_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %u keys", CR_TRUST_KEYS_MAX);
    struct cr_trust_key *keys = cr_calloc(json_object_size(all), sizeof(*keys));
    if (keys == NULL)
        return cr_error_errno(err, -ENOMEM, "its keys");
    const char *keyid;
    json_object_foreach(all, keyid, key)
    {
        r = cr_key_parse(key, keyid, &keys[count], err);
        if (r < 0) {
            cr_keys_free(keys, count);
            return cr_error_prefix(err, r, "key '%.64s'", keyid);
        }
        count++;
    }
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

static bool names(const struct cr_role_keys *role, const char *keyid)
{
    for (uint32_t i = 0; i < role->count; i++)
        if (strcmp(role->keyids[i], keyid) == 0)
            return true;
    return false;
}

static int take_keyids(const json_t *ids, const struct cr_trust_key *keys, uint32_t count,
                       struct cr_role_keys *role, struct cr_error *err)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (id == NULL || cr_keys_find(keys, count, id) == NULL)
            return cr_error_set(err, -EBADMSG, "its key id %zu names no key that is there", i + 1);
        if (names(role, id))
            return cr_error_set(err, -EBADMSG, "it names the key '%.64s' twice", id);
        snprintf(role->keyids[role->count++], CR_KEYID_TEXT, "%s", id);
    }
    return 0;
}

int cr_role_keys_parse(const json_t *object, const struct cr_trust_key *keys, uint32_t count,
                       struct cr_role_keys *ret_role, struct cr_error *err)
{
    struct cr_role_keys role = {0};
    uint64_t threshold = 0;
    const json_t *ids = json_object_get(object, "keyids");
    int r = cr_field_integer(object, "threshold", 1, &threshold, err);
    if (r < 0)
        return r;
    if (threshold > INT32_MAX)
        return cr_error_set(err, -EBADMSG, "its field 'threshold' is too large");
    if (!json_is_array(ids))
        return cr_error_set(err, -EBADMSG, "its field 'keyids' is missing or no array");
    if (json_array_size(ids) > CR_TRUST_KEYS_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %u keys", CR_TRUST_KEYS_MAX);
    role.threshold = (uint32_t)threshold;
    role.keyids = cr_calloc(json_array_size(ids), sizeof(*role.keyids));
    if (role.keyids == NULL)
        return cr_error_errno(err, -ENOMEM, "its keys");
    r = take_keyids(ids, keys, count, &role, err);
    if (r < 0) {
        free(role.keyids);
        return r;
    }
    *ret_role = role;
    return 0;
}

/* --- verifying ------------------------------------------------------------------------------- */

static bool has_signed(const struct cr_trust_envelope *envelope, const struct cr_trust_key *key,
                       const char *sig)
{
    uint8_t signature[CR_TRUST_SIGNATURE_BYTES_MAX];
    size_t len = strlen(sig) / 2;
    if (key == NULL || len == 0 || len > sizeof(signature) || cr_hex_parse(sig, signature, len) < 0)
        return false;
    return cr_key_verifies(key, envelope->signed_.data, envelope->signed_.len, signature, len);
}

bool cr_keys_signed_by(const struct cr_trust_envelope *envelope, const struct cr_trust_key *keys,
                       uint32_t count, const struct cr_role_keys *role, const char *keyid)
{
    const json_t *signatures = json_object_get(envelope->json, "signatures");
    for (size_t i = 0; names(role, keyid) && i < json_array_size(signatures); i++) {
        const json_t *entry = json_array_get(signatures, i);
        if (strcmp(json_string_value(json_object_get(entry, "keyid")), keyid) == 0 &&
            has_signed(envelope, cr_keys_find(keys, count, keyid),
                       json_string_value(json_object_get(entry, "sig"))))
            return true;
    }
    return false;
}

uint32_t cr_keys_signed(const struct cr_trust_envelope *envelope, const struct cr_trust_key *keys,
                        uint32_t count, const struct cr_role_keys *role)
{
    const struct cr_trust_key *counted[CR_TRUST_SIGNATURES_MAX];
    uint32_t signed_by = 0;
    const json_t *signatures = json_object_get(envelope->json, "signatures");
    size_t total = json_array_size(signatures);
    for (size_t i = 0; i < total && i < CR_TRUST_SIGNATURES_MAX; i++) {
        const json_t *entry = json_array_get(signatures, i);
        const char *keyid = json_string_value(json_object_get(entry, "keyid"));
        const struct cr_trust_key *key =
            names(role, keyid) ? cr_keys_find(keys, count, keyid) : NULL;
        if (!has_signed(envelope, key, json_string_value(json_object_get(entry, "sig"))))
            continue;
        bool known = false;
        for (uint32_t j = 0; j < signed_by; j++)
            known |= cr_id_equal(&counted[j]->public, &key->public);
        if (!known)
            counted[signed_by++] = key;
    }
    return signed_by;
}
