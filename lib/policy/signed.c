/* SPDX-License-Identifier: MIT */
#include "lib/policy/signed.h"

#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <string.h>

void cr_signed_done(struct cr_signed *document)
{
    json_decref(document->json);
    *document = (struct cr_signed){0};
}

/* --- reading --------------------------------------------------------------------------------- */

static int fields_take(struct cr_signed *document, const char *type, struct cr_error *err)
{
    const char *found = "", *expires = "";
    int r = cr_field_object(document->json, "signed", &document->body, err);
    if (r == 0)
        r = cr_field_text(document->body, "_type", &found, err);
    if (r == 0 && strcmp(found, type) != 0)
        r = cr_error_set(err, -EBADMSG, "it is a '%.32s', not a '%s'", found, type);
    if (r == 0)
        r = cr_field_integer(document->body, "version", 1, &document->version, err);
    if (r == 0)
        r = cr_field_text(document->body, "expires", &expires, err);
    if (r == 0 && cr_expires_parse(expires, &document->expires_s) < 0)
        r = cr_error_set(err, -EBADMSG,
                         "its field 'expires' is no time such as 2030-01-31T12:00:00Z");
    return r;
}

static bool is_signed_by(const json_t *entry, const struct cr_buf *canonical,
                         const struct cr_trust_key *key)
{
    uint8_t signature[CR_ED25519_SIGNATURE_BYTES];
    const char *keyid = json_string_value(json_object_get(entry, "keyid"));
    const char *sig = json_string_value(json_object_get(entry, "sig"));
    return keyid != NULL && sig != NULL && strcmp(keyid, key->keyid) == 0 &&
           cr_hex_parse(sig, signature, sizeof(signature)) == 0 &&
           cr_key_verifies(key, canonical->data, canonical->len, signature, sizeof(signature));
}

static int signatures_check(const struct cr_signed *document, const struct cr_trust_key *keys,
                            size_t count, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf canonical = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    const json_t *signatures = json_object_get(document->json, "signatures");
    if (!json_is_array(signatures) || json_array_size(signatures) > CR_TRUST_SIGNATURES_MAX)
        return cr_error_set(err, -EBADMSG,
                            "its field 'signatures' is missing or no array of at most %u",
                            CR_TRUST_SIGNATURES_MAX);
    int r = cr_json_canonical(document->body, &canonical);
    if (r < 0)
        return cr_error_errno(err, r == -EINVAL ? -EBADMSG : r, "its canonical form");
    for (size_t i = 0; i < json_array_size(signatures); i++)
        for (size_t k = 0; k < count; k++)
            if (is_signed_by(json_array_get(signatures, i), &canonical, &keys[k]))
                return 0;
    return cr_error_set(err, -EKEYREJECTED,
                        "none of the server's keys that this seat knows has signed it");
}

int cr_signed_open(const void *data, size_t len, const char *type, const struct cr_trust_key *keys,
                   size_t count, struct cr_signed *ret_document, struct cr_error *err)
{
    struct cr_signed document = {0};
    int r = cr_json_parse(data, len, CR_POLICY_BYTES_MAX, &document.json, err);
    if (r == 0)
        r = fields_take(&document, type, err);
    if (r == 0)
        r = signatures_check(&document, keys, count, err);
    if (r < 0) {
        cr_signed_done(&document);
        return r;
    }
    *ret_document = document;
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

int cr_signed_make(const json_t *body, const char *type, uint64_t version, int64_t expires_s,
                   struct cr_trust_signer *signer, struct cr_buf *out, struct cr_error *err)
{
    char expires[CR_EXPIRES_TEXT], hex[2 * CR_ED25519_SIGNATURE_BYTES + 1];
    uint8_t signature[CR_ED25519_SIGNATURE_BYTES];
    CLEANUP_BUF struct cr_buf canonical = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_JSON json_t *whole = json_copy((json_t *)(uintptr_t)body); /* its members are shared */
    CLEANUP_JSON json_t *fields =
        json_pack("{s:s, s:I, s:s}", "_type", type, "version", (json_int_t)version, "expires",
                  cr_expires_format(expires_s, expires));
    if (whole == NULL || fields == NULL || json_object_update(whole, fields) != 0)
        return cr_error_errno(err, -ENOMEM, "signing a %s", type);
    int r = cr_json_canonical(whole, &canonical);
    if (r < 0)
        return cr_error_errno(err, r, "signing a %s", type);
    r = signer->ops->sign(signer, canonical.data, canonical.len, signature, err);
    if (r < 0)
        return r;
    cr_hex_format(signature, sizeof(signature), hex);
    CLEANUP_JSON json_t *file = json_pack("{s:O, s:[{s:s, s:s}]}", "signed", whole, "signatures",
                                          "keyid", signer->key.keyid, "sig", hex);
    r = file == NULL ? -ENOMEM : cr_json_file(file, out);
    return r < 0 ? cr_error_errno(err, r, "signing a %s", type) : 0;
}

/* --- keys ------------------------------------------------------------------------------------ */

static void keys_done(struct cr_trust_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_key_done(&keys[i]);
}

/* The text of a line between its blanks and its comment, in `out`; what is longer is cut. */
static void line_trim(const char *line, size_t len, char *out, size_t size)
{
    const char *comment = memchr(line, '#', len);
    if (comment != NULL)
        len = (size_t)(comment - line);
    while (len > 0 && strchr(" \t\r", line[0]) != NULL)
        line++, len--;
    while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
        len--;
    snprintf(out, size, "%.*s", (int)(len < size ? len : size), line);
}

int cr_signed_keys_parse(const void *data, size_t len,
                         struct cr_trust_key keys[static CR_POLICY_KEYS_MAX], size_t *ret_count,
                         struct cr_error *err)
{
    const char *text = data, *end = text + len;
    size_t count = 0;
    int r = 0;
    for (unsigned number = 1; r == 0 && text < end; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        uint8_t public[CR_ED25519_BYTES];
        char line[CR_SIGNED_KEY_TEXT + 1];
        size_t line_len = (size_t)((stop != NULL ? stop : end) - text);
        if (memchr(text, '\0', line_len) != NULL)
            r = cr_error_set(err, -EBADMSG, "line %u holds a zero byte", number);
        line_trim(text, line_len, line, sizeof(line));
        text = stop != NULL ? stop + 1 : end;
        if (r < 0 || line[0] == '\0')
            continue;
        if (cr_hex_parse(line, public, sizeof(public)) < 0)
            r = cr_error_set(err, -EBADMSG, "line %u is no public key of 64 hexadecimal digits",
                             number);
        else if (count == CR_POLICY_KEYS_MAX)
            r = cr_error_set(err, -EBADMSG, "line %u is one key more than the %u that are allowed",
                             number, CR_POLICY_KEYS_MAX);
        else if ((r = cr_key_ed25519(public, &keys[count])) < 0)
            r = cr_error_errno(err, r, "line %u", number);
        else
            count++;
    }
    if (r == 0 && count == 0)
        r = cr_error_set(err, -EBADMSG, "there is no key in it");
    if (r < 0)
        keys_done(keys, count);
    else
        *ret_count = count;
    return r;
}

int cr_signed_key_format(const struct cr_trust_key *key, char out[static CR_SIGNED_KEY_TEXT])
{
    uint8_t public[CR_ED25519_BYTES];
    size_t len = sizeof(public);
    if (key->scheme != CR_KEY_ED25519 || EVP_PKEY_get_raw_public_key(key->pkey, public, &len) != 1)
        return -EINVAL;
    cr_hex_format(public, sizeof(public), out);
    return 0;
}
