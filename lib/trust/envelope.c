/* SPDX-License-Identifier: MIT */
/* The envelope: "signed", and who signed it. */
#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <string.h>

void cr_envelope_done(struct cr_trust_envelope *envelope)
{
    json_decref(envelope->json);
    cr_buf_done(&envelope->signed_);
    *envelope = (struct cr_trust_envelope){0};
}

/* --- reading --------------------------------------------------------------------------------- */

static bool twice(const json_t *signatures, size_t at, const char *keyid)
{
    for (size_t i = 0; i < at; i++) {
        const json_t *other = json_object_get(json_array_get(signatures, i), "keyid");
        if (strcmp(json_string_value(other), keyid) == 0)
            return true;
    }
    return false;
}

static int look_at_signatures(const json_t *signatures, struct cr_error *err)
{
    const char *keyid, *sig;
    if (!json_is_array(signatures))
        return cr_error_set(err, -EBADMSG, "its field 'signatures' is missing or no array");
    if (json_array_size(signatures) > CR_TRUST_SIGNATURES_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %u signatures",
                            CR_TRUST_SIGNATURES_MAX);
    for (size_t i = 0; i < json_array_size(signatures); i++) {
        const json_t *entry = json_array_get(signatures, i);
        int r = cr_field_text(entry, "keyid", &keyid, err);
        if (r == 0)
            r = cr_field_text(entry, "sig", &sig, err);
        if (r == 0 && (strlen(keyid) > 2 * CR_KEYID_TEXT ||
                       strlen(sig) > 2 * (size_t)CR_TRUST_SIGNATURE_BYTES_MAX))
            r = cr_error_set(err, -EBADMSG, "its field 'keyid' or 'sig' is too long");
        if (r == 0 && twice(signatures, i, keyid))
            r = cr_error_set(err, -EBADMSG, "the key '%.64s' signed before", keyid);
        if (r < 0)
            return cr_error_prefix(err, r, "signature %zu", i + 1);
    }
    return 0;
}

static int look_at_all(struct cr_trust_envelope *envelope, enum cr_role role, struct cr_error *err)
{
    if (!json_is_object(envelope->json))
        return cr_error_set(err, -EBADMSG, "it is no JSON object");
    int r = cr_field_object(envelope->json, "signed", &envelope->signed_json, err);
    if (r == 0)
        r = look_at_signatures(json_object_get(envelope->json, "signatures"), err);
    if (r == 0)
        r = cr_type_check(envelope->signed_json, role, err);
    if (r < 0)
        return r;
    cr_buf_init(&envelope->signed_, cr_roles[role].bytes_max);
    r = cr_json_canonical(envelope->signed_json, &envelope->signed_);
    return r < 0 ? cr_error_errno(err, r, "its canonical form") : 0;
}

int cr_envelope_parse(const void *data, size_t len, enum cr_role role,
                      struct cr_trust_envelope *ret_envelope, struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    int r = cr_json_parse(data, len, cr_roles[role].bytes_max, &envelope.json, err);
    if (r == 0)
        r = look_at_all(&envelope, role, err);
    if (r < 0) {
        cr_envelope_done(&envelope);
        return r;
    }
    *ret_envelope = envelope;
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

int cr_envelope_new(json_t *signed_json, struct cr_trust_envelope *ret_envelope)
{
    struct cr_trust_envelope envelope = {0};
    envelope.json = json_pack("{s:O, s:[]}", "signed", signed_json, "signatures");
    if (envelope.json == NULL)
        return -ENOMEM;
    envelope.signed_json = signed_json;
    cr_buf_init(&envelope.signed_, CR_TRUST_TARGETS_BYTES_MAX);
    int r = cr_json_canonical(signed_json, &envelope.signed_);
    if (r < 0) {
        cr_envelope_done(&envelope);
        return r;
    }
    *ret_envelope = envelope;
    return 0;
}

int cr_envelope_add(struct cr_trust_envelope *envelope, const char *keyid, const uint8_t *signature,
                    size_t len)
{
    if (len > CR_TRUST_SIGNATURE_BYTES_MAX)
        return -ENOSPC;
    char hex[2 * CR_TRUST_SIGNATURE_BYTES_MAX + 1];
    cr_hex_format(signature, len, hex);
    CLEANUP_JSON json_t *entry = json_pack("{s:s, s:s}", "keyid", keyid, "sig", hex);
    json_t *signatures = json_object_get(envelope->json, "signatures");
    if (entry == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(signatures); i++) {
        const json_t *other = json_object_get(json_array_get(signatures, i), "keyid");
        if (strcmp(json_string_value(other), keyid) == 0)
            return json_array_set(signatures, i, entry) == 0 ? 0 : -ENOMEM;
    }
    if (json_array_size(signatures) >= CR_TRUST_SIGNATURES_MAX)
        return -ENOSPC;
    return json_array_append(signatures, entry) == 0 ? 0 : -ENOMEM;
}

int cr_envelope_sign(struct cr_trust_envelope *envelope, struct cr_trust_signer *signer,
                     struct cr_error *err)
{
    uint8_t signature[CR_ED25519_SIGNATURE_BYTES];
    int r =
        signer->ops->sign(signer, envelope->signed_.data, envelope->signed_.len, signature, err);
    if (r < 0)
        return r;
    r = cr_envelope_add(envelope, signer->key.keyid, signature, sizeof(signature));
    return r < 0 ? cr_error_errno(err, r, "adding a signature") : 0;
}

int cr_envelope_format(const struct cr_trust_envelope *envelope, struct cr_buf *out)
{
    return cr_json_file(envelope->json, out);
}

/* --- verifying ------------------------------------------------------------------------------- */

bool cr_trust_is_signed_by(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                           enum cr_role role, const char *keyid)
{
    return cr_keys_signed_by(envelope, root->keys, root->key_count, &root->roles[role], keyid);
}

uint32_t cr_trust_count(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                        enum cr_role role)
{
    return cr_keys_signed(envelope, root->keys, root->key_count, &root->roles[role]);
}

int cr_trust_verify(const struct cr_trust_envelope *envelope, const struct cr_root *root,
                    enum cr_role role, struct cr_error *err)
{
    uint32_t count = cr_trust_count(envelope, root, role);
    uint32_t needed = root->roles[role].threshold;
    if (needed == 0 || count < needed)
        return cr_error_set(err, -EKEYREJECTED,
                            "it has %u of the %u signatures that version %llu of the root asks for",
                            count, needed, (unsigned long long)root->common.version);
    return 0;
}
