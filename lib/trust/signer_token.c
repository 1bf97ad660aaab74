/* SPDX-License-Identifier: MIT */
/*
 * A private key on a token: PKCS #11 (OASIS, 3.0 for EdDSA) through p11-kit, which knows the
 * modules that are installed. The URI (RFC 7512) names the key; `module-path` in it names a module
 * that is not installed, `pin-value` is refused, because a command line is no place for a PIN.
 */
#include "lib/base/mem.h"
#include "lib/trust/signer_kinds.h"

#include <errno.h>
#include <string.h>

#ifdef CR_WITH_TOKENS

#include <openssl/x509.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

struct token_signer {
    struct cr_trust_signer signer;
    CK_FUNCTION_LIST **modules; /* owned, ends with NULL */
    CK_FUNCTION_LIST *one[2];   /* modules, when the URI named one */
    CK_FUNCTION_LIST *module;   /* that has the key */
    CK_SESSION_HANDLE session;
    bool open;
    CK_OBJECT_HANDLE private;
};

bool cr_signer_has_tokens(void)
{
    return true;
}

static int token_error(struct cr_error *err, CK_RV rv, const char *what)
{
    int r =
        rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ? -EACCES : -EIO;
    return cr_error_set(err, r, "%s: the token says '%s'", what, p11_kit_strerror(rv));
}

static int token_sign(struct cr_trust_signer *signer, const void *data, size_t len,
                      uint8_t ret_signature[static CR_ED25519_SIGNATURE_BYTES],
                      struct cr_error *err)
{
    struct token_signer *token = (struct token_signer *)signer;
    CK_MECHANISM mechanism = {.mechanism = CKM_EDDSA};
    CK_ULONG signature_len = CR_ED25519_SIGNATURE_BYTES;
    CK_RV rv = token->module->C_SignInit(token->session, &mechanism, token->private);
    if (rv == CKR_OK)
        rv = token->module->C_Sign(token->session, (CK_BYTE *)(uintptr_t)data, len, ret_signature,
                                   &signature_len);
    if (rv != CKR_OK)
        return token_error(err, rv, "signing");
    if (signature_len != CR_ED25519_SIGNATURE_BYTES ||
        !cr_key_verifies(&signer->key, data, len, ret_signature, signature_len))
        return cr_error_set(err, -EIO,
                            "signing: what the token gave is no signature by the key '%s'",
                            signer->key.keyid);
    return 0;
}

static void token_close(struct cr_trust_signer *signer)
{
    struct token_signer *token = (struct token_signer *)signer;
    if (token->open)
        token->module->C_CloseSession(token->session);
    if (token->one[0] != NULL) {
        p11_kit_module_finalize(token->one[0]);
        p11_kit_module_release(token->one[0]);
    } else if (token->modules != NULL) {
        p11_kit_modules_finalize_and_release(token->modules);
    }
    cr_key_done(&signer->key);
    free(token);
}

static const struct cr_signer_ops token_ops = {.sign = token_sign, .close = token_close};

/* --- finding it ------------------------------------------------------------------------------ */

static int load_modules(struct token_signer *token, P11KitUri *uri, struct cr_error *err)
{
    const char *path = p11_kit_uri_get_module_path(uri);
    if (path == NULL) {
        token->modules = p11_kit_modules_load_and_initialize(0);
        return token->modules != NULL
                   ? 0
                   : cr_error_set(err, -EIO, "no PKCS #11 module could be loaded: %s",
                                  p11_kit_message());
    }
    token->one[0] = p11_kit_module_load(path, 0);
    if (token->one[0] == NULL)
        return cr_error_set(err, -ENOENT, "the PKCS #11 module '%s' could not be loaded: %s", path,
                            p11_kit_message());
    CK_RV rv = p11_kit_module_initialize(token->one[0]);
    if (rv != CKR_OK) {
        p11_kit_module_release(token->one[0]);
        token->one[0] = NULL;
        return token_error(err, rv, "starting the PKCS #11 module");
    }
    token->modules = token->one;
    return 0;
}

/* The first object of `class` that the URI describes. */
static CK_RV find_object(struct token_signer *token, P11KitUri *uri, CK_OBJECT_CLASS class,
                         CK_OBJECT_HANDLE *ret_object, CK_ULONG *ret_count)
{
    CK_ATTRIBUTE match[3] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_ULONG count = 1;
    static const CK_ATTRIBUTE_TYPE named[] = {CKA_ID, CKA_LABEL};
    for (size_t i = 0; i < CR_ARRAY_LEN(named); i++) {
        CK_ATTRIBUTE *attribute = p11_kit_uri_get_attribute(uri, named[i]);
        if (attribute != NULL)
            match[count++] = *attribute;
    }
    *ret_count = 0;
    CK_RV rv = token->module->C_FindObjectsInit(token->session, match, count);
    if (rv != CKR_OK)
        return rv;
    CK_OBJECT_HANDLE found[2];
    rv = token->module->C_FindObjects(token->session, found, 2, ret_count);
    token->module->C_FindObjectsFinal(token->session);
    if (rv == CKR_OK && *ret_count > 0)
        *ret_object = found[0];
    return rv;
}

/* CKA_EC_POINT is the 32 bytes, with or (as PKCS #11 says) without an OCTET STRING around them. */
static int take_public(struct token_signer *token, CK_OBJECT_HANDLE object, struct cr_error *err)
{
    uint8_t point[64];
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, point, sizeof(point)};
    CK_RV rv = token->module->C_GetAttributeValue(token->session, object, &attribute, 1);
    if (rv != CKR_OK)
        return token_error(err, rv, "reading the public key");
    const uint8_t *bytes = point;
    if (attribute.ulValueLen == CR_ED25519_BYTES + 2 && point[0] == 0x04 && point[1] == 0x20)
        bytes = point + 2;
    else if (attribute.ulValueLen != CR_ED25519_BYTES)
        return cr_error_set(err, -EBADMSG, "the key on the token is no Ed25519 key");
    int r = cr_key_ed25519(bytes, &token->signer.key);
    return r < 0 ? cr_error_errno(err, r, "reading the public key") : 0;
}

static int log_in(struct token_signer *token, const char *pin, struct cr_error *err)
{
    CK_RV rv = CKR_OK;
    if (pin != NULL)
        rv = token->module->C_Login(token->session, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin,
                                    strlen(pin));
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0
                                                            : token_error(err, rv, "logging in");
}

/* The keys that the URI describes on this token. -ENOENT: it has none. */
static int try_token(struct token_signer *token, P11KitUri *uri, const char *pin,
                     struct cr_error *err)
{
    CK_OBJECT_HANDLE public = 0;
    CK_ULONG publics = 0, privates = 0;
    int r = log_in(token, pin, err);
    if (r < 0)
        return r;
    CK_RV rv = find_object(token, uri, CKO_PRIVATE_KEY, &token->private, &privates);
    if (rv == CKR_OK)
        rv = find_object(token, uri, CKO_PUBLIC_KEY, &public, &publics);
    if (rv != CKR_OK)
        return token_error(err, rv, "looking for the key");
    if (privates == 0)
        return cr_error_set(err, -ENOENT,
                            pin == NULL ? "the token shows no such private key: give its PIN"
                                        : "the token has no such private key");
    if (privates > 1)
        return cr_error_set(err, -EINVAL,
                            "more than one private key is meant: add id= or object= to the URI");
    if (publics == 0)
        return cr_error_set(err, -ENOENT, "the token has no public key beside the private one");
    return take_public(token, public, err);
}

static bool token_matches(CK_FUNCTION_LIST *module, CK_SLOT_ID slot, P11KitUri *uri)
{
    CK_TOKEN_INFO info;
    return module->C_GetTokenInfo(slot, &info) == CKR_OK &&
           (info.flags & CKF_TOKEN_INITIALIZED) != 0 && p11_kit_uri_match_token_info(uri, &info);
}

static int search_module(struct token_signer *token, P11KitUri *uri, const char *pin,
                         struct cr_error *err)
{
    CK_SLOT_ID slots[64];
    CK_ULONG count = CR_ARRAY_LEN(slots);
    CK_INFO info;
    int r = -ENOENT;
    if (token->module->C_GetInfo(&info) != CKR_OK || !p11_kit_uri_match_module_info(uri, &info) ||
        token->module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
        return r;
    for (CK_ULONG i = 0; r == -ENOENT && i < count; i++) {
        if (!token_matches(token->module, slots[i], uri) ||
            token->module->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL,
                                         &token->session) != CKR_OK)
            continue;
        token->open = true;
        r = try_token(token, uri, pin, err);
        if (r < 0) {
            token->module->C_CloseSession(token->session);
            token->open = false;
        }
    }
    return r;
}

static int open_uri(struct token_signer *token, P11KitUri *uri, const char *pin,
                    struct cr_error *err)
{
    if (p11_kit_uri_any_unrecognized(uri))
        return cr_error_set(err, -EINVAL, "it has a part that is not known here");
    if (p11_kit_uri_get_pin_value(uri) != NULL)
        return cr_error_set(err, -EINVAL,
                            "a PIN does not belong into it: say where the PIN is found instead");
    int r = load_modules(token, uri, err);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (size_t i = 0; r == -ENOENT && token->modules[i] != NULL; i++) {
        token->module = token->modules[i];
        r = search_module(token, uri, pin, err);
    }
    if (r == -ENOENT && (err == NULL || err->text[0] == '\0'))
        cr_error_set(err, r, "no token that is plugged in fits it");
    return r;
}

int cr_signer_token_open(const char *uri, const char *secret, struct cr_trust_signer **ret_signer,
                         struct cr_error *err)
{
    struct token_signer *token = cr_calloc(1, sizeof(*token));
    P11KitUri *parsed = p11_kit_uri_new();
    if (token == NULL || parsed == NULL) {
        free(token);
        p11_kit_uri_free(parsed);
        return cr_error_errno(err, -ENOMEM, "opening the key '%s'", uri);
    }
    token->signer.ops = &token_ops;
    struct cr_error why = {0};
    int r = p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, parsed) == P11_KIT_URI_OK
                ? open_uri(token, parsed, secret, &why)
                : cr_error_set(&why, -EINVAL, "it is no URI of a token (RFC 7512)");
    p11_kit_uri_free(parsed);
    if (r < 0) {
        token_close(&token->signer);
        return cr_error_set(err, r, "opening the key '%.200s': %.400s", uri, why.text);
    }
    *ret_signer = &token->signer;
    return 0;
}

#else

bool cr_signer_has_tokens(void)
{
    return false;
}

int cr_signer_token_open(const char *uri, const char *secret, struct cr_trust_signer **ret_signer,
                         struct cr_error *err)
{
    (void)secret, (void)ret_signer;
    return cr_error_set(err, -ENOTSUP,
                        "opening the key '%.200s': this build has no tokens, install "
                        "libp11-kit-dev and build again",
                        uri);
}

#endif
