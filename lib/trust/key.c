/* SPDX-License-Identifier: MIT */
#include "lib/trust/key.h"

#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

void cr_key_done(struct cr_trust_key *key)
{
    EVP_PKEY_free(key->pkey);
    json_decref(key->object);
    *key = (struct cr_trust_key){0};
}

int cr_key_copy(const struct cr_trust_key *key, struct cr_trust_key *ret_key)
{
    if (key->pkey != NULL && EVP_PKEY_up_ref(key->pkey) != 1)
        return -ENOMEM;
    *ret_key = *key;
    json_incref(ret_key->object);
    return 0;
}

/* --- key ids --------------------------------------------------------------------------------- */

static int keyid_of(const json_t *object, char out[static CR_KEYID_TEXT])
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_TRUST_ROOT_BYTES_MAX);
    int r = cr_json_canonical(object, &text);
    if (r < 0)
        return r;
    struct cr_id id;
    cr_hash(text.data, text.len, &id);
    cr_id_format(&id, out);
    return 0;
}

/*
 * The id is the hash of the object; other tools leave out of it what they added to the object
 * later, so the hash of the three fields that make the key will do as well.
 */
static int keyid_fits(const json_t *object, const char *keyid)
{
    char found[CR_KEYID_TEXT];
    int r = keyid_of(object, found);
    if (r < 0 || strcmp(found, keyid) == 0)
        return r;
    CLEANUP_JSON json_t *bare =
        json_pack("{s:O, s:O, s:{s:O}}", "keytype", json_object_get(object, "keytype"), "scheme",
                  json_object_get(object, "scheme"), "keyval", "public",
                  json_object_get(json_object_get(object, "keyval"), "public"));
    if (bare == NULL)
        return -ENOMEM;
    r = keyid_of(bare, found);
    return r < 0 ? r : strcmp(found, keyid) == 0 ? 0 : -EBADMSG;
}

/* --- public keys ----------------------------------------------------------------------------- */

static EVP_PKEY *ed25519_from_hex(const char *hex)
{
    uint8_t public[CR_ED25519_BYTES];
    if (cr_hex_parse(hex, public, sizeof(public)) < 0)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, sizeof(public));
}

/* OpenSSL would ask on the terminal for the passphrase of an encrypted "public key". */
static int no_passphrase(char *buf, int size, int writing, void *context)
{
    (void)buf, (void)size, (void)writing, (void)context;
    return -1;
}

static EVP_PKEY *from_pem(const char *pem, const char *type)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (pkey != NULL && EVP_PKEY_is_a(pkey, type) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static EVP_PKEY *ecdsa_from_pem(const char *pem)
{
    char group[32] = "";
    EVP_PKEY *pkey = from_pem(pem, "EC");
    if (pkey != NULL && (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 ||
                         strcmp(group, "prime256v1") != 0)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static EVP_PKEY *rsa_from_pem(const char *pem)
{
    EVP_PKEY *pkey = from_pem(pem, "RSA");
    if (pkey != NULL && EVP_PKEY_get_bits(pkey) < 2048) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static const struct scheme {
    const char *keytype, *scheme;
    enum cr_key_scheme value;
    EVP_PKEY *(*read)(const char *public);
} schemes[] = {
    {"ed25519", "ed25519", CR_KEY_ED25519, ed25519_from_hex},
    {"ecdsa", "ecdsa-sha2-nistp256", CR_KEY_ECDSA_P256, ecdsa_from_pem},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", CR_KEY_ECDSA_P256, ecdsa_from_pem},
    {"rsa", "rsassa-pss-sha256", CR_KEY_RSA_PSS, rsa_from_pem},
};

static int hash_public(EVP_PKEY *pkey, struct cr_id *ret_id)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);
    if (len <= 0)
        return -ENOMEM;
    cr_hash(der, (size_t)len, ret_id);
    OPENSSL_free(der);
    return 0;
}

int cr_key_parse(json_t *object, const char *keyid, struct cr_trust_key *ret_key,
                 struct cr_error *err)
{
    const char *keytype, *scheme, *public;
    if (json_unpack(object, "{s:s, s:s, s:{s:s}}", "keytype", &keytype, "scheme", &scheme, "keyval",
                    "public", &public) != 0)
        return cr_error_set(err, -EBADMSG, "its keytype, scheme or public key is missing or wrong");
    if (strlen(public) > CR_TRUST_KEY_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "its public key has more than %u bytes",
                            CR_TRUST_KEY_BYTES_MAX);
    struct cr_trust_key key = {0};
    int r = keyid == NULL ? keyid_of(object, key.keyid) : keyid_fits(object, keyid);
    if (r < 0)
        return cr_error_set(err, r, "its id is not the SHA-256 of its canonical form");
    if (keyid != NULL)
        snprintf(key.keyid, sizeof(key.keyid), "%s", keyid);
    for (size_t i = 0; i < CR_ARRAY_LEN(schemes); i++) {
        if (strcmp(schemes[i].keytype, keytype) != 0 || strcmp(schemes[i].scheme, scheme) != 0)
            continue;
        key.scheme = schemes[i].value;
        key.pkey = schemes[i].read(public);
        ERR_clear_error();
        if (key.pkey == NULL)
            return cr_error_set(err, -EBADMSG, "its public key is not one of %s", keytype);
        r = hash_public(key.pkey, &key.public);
        if (r < 0) {
            cr_key_done(&key);
            return cr_error_errno(err, r, "a key");
        }
        break;
    }
    key.object = json_incref(object);
    *ret_key = key;
    return 0;
}

int cr_key_ed25519(const uint8_t public[static CR_ED25519_BYTES], struct cr_trust_key *ret_key)
{
    struct cr_id bytes;
    char hex[CR_ID_HEX];
    memcpy(bytes.bytes, public, sizeof(bytes.bytes));
    CLEANUP_JSON json_t *object =
        json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval",
                  "public", cr_id_format(&bytes, hex));
    return object == NULL ? -ENOMEM : cr_key_parse(object, NULL, ret_key, NULL);
}

/* --- verifying ------------------------------------------------------------------------------- */

bool cr_key_verifies(const struct cr_trust_key *key, const void *data, size_t len,
                     const void *signature, size_t signature_len)
{
    if (key->pkey == NULL || key->scheme == CR_KEY_UNKNOWN)
        return false;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *params = NULL;
    const EVP_MD *digest = key->scheme == CR_KEY_ED25519 ? NULL : EVP_sha256();
    bool good =
        context != NULL && EVP_DigestVerifyInit(context, &params, digest, NULL, key->pkey) == 1;
    if (good && key->scheme == CR_KEY_RSA_PSS)
        good = EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_AUTO) == 1;
    good = good && EVP_DigestVerify(context, signature, signature_len, data, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}
