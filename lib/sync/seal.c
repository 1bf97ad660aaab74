/* SPDX-License-Identifier: MIT */
#include "lib/sync/seal.h"

#include "lib/base/le.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <string.h>

#define NONCE_BYTES 12U
#define MAC_BYTES   32U

struct part {
    const void *data;
    size_t len;
};

static int mac(const uint8_t key[static CR_SEAL_KEY_BYTES], const struct part *parts, size_t count,
               uint8_t out[static MAC_BYTES])
{
    char sha256[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", sha256, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    size_t len = 0;
    bool ok = context != NULL && EVP_MAC_init(context, key, CR_SEAL_KEY_BYTES, params) == 1;
    for (size_t i = 0; i < count && ok; i++)
        ok = EVP_MAC_update(context, parts[i].data, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(context, out, &len, MAC_BYTES) == 1 && len == MAC_BYTES;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(hmac);
    return ok ? 0 : -ENOMEM;
}

int cr_seal_mac(const uint8_t key[static CR_SEAL_KEY_BYTES], const char *what, const void *data,
                size_t len, uint8_t out[static 32])
{
    const struct part parts[] = {{what, strlen(what) + 1}, {data, len}};
    return mac(key, parts, 2, out);
}

int cr_seal_name(const uint8_t key[static CR_SEAL_KEY_BYTES], const char *what, const char *text,
                 char out[static CR_SEAL_NAME])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[MAC_BYTES];
    int r = cr_seal_mac(key, what, text, strlen(text), bytes);
    if (r < 0)
        return r;
    for (size_t i = 0; i < (CR_SEAL_NAME - 1) / 2; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[CR_SEAL_NAME - 1] = '\0';
    return 0;
}

/* The nonce depends on all that is encrypted and bound, so that none serves two contents. */
static int siv_make(const struct cr_owner_keys *keys, const void *place, size_t place_len,
                    const void *plain, size_t len, uint8_t out[static CR_SEAL_SIV_BYTES])
{
    static const char what[] = "carrel seal 1";
    uint8_t whole[MAC_BYTES], lengths[16];
    cr_put_le64(lengths, place_len);
    cr_put_le64(lengths + 8, len);
    const struct part parts[] = {
        {what, sizeof(what)}, {lengths, sizeof(lengths)}, {place, place_len}, {plain, len}};
    int r = mac(keys->id, parts, 4, whole);
    memcpy(out, whole, CR_SEAL_SIV_BYTES);
    return r;
}

int cr_seal(const struct cr_owner_keys *keys, const void *place, size_t place_len,
            const void *plain, size_t len, void *out, struct cr_seal *ret_seal)
{
    int n = 0, end = 0;
    if (len > INT_MAX || place_len > INT_MAX ||
        siv_make(keys, place, place_len, plain, len, ret_seal->siv) < 0)
        return -ENOMEM;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok =
        context != NULL &&
        EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, keys->data, ret_seal->siv) == 1 &&
        EVP_EncryptUpdate(context, NULL, &n, place, (int)place_len) == 1 &&
        EVP_EncryptUpdate(context, out, &n, plain, (int)len) == 1 && n == (int)len &&
        EVP_EncryptFinal_ex(context, (uint8_t *)out + n, &end) == 1 && end == 0 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, CR_SEAL_TAG_BYTES, ret_seal->tag) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok ? 0 : -ENOMEM;
}

int cr_seal_open(const struct cr_owner_keys *keys, const void *place, size_t place_len,
                 const struct cr_seal *seal, const void *sealed, size_t len, void *out)
{
    uint8_t tag[CR_SEAL_TAG_BYTES], siv[CR_SEAL_SIV_BYTES];
    int n = 0, end = 0;
    if (len > INT_MAX || place_len > INT_MAX)
        return -EBADMSG;
    memcpy(tag, seal->tag, sizeof(tag));
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context != NULL &&
              EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, keys->data, seal->siv) == 1 &&
              EVP_DecryptUpdate(context, NULL, &n, place, (int)place_len) == 1 &&
              EVP_DecryptUpdate(context, out, &n, sealed, (int)len) == 1 && n == (int)len &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, CR_SEAL_TAG_BYTES, tag) == 1 &&
              EVP_DecryptFinal_ex(context, (uint8_t *)out + n, &end) == 1 && end == 0;
    EVP_CIPHER_CTX_free(context);
    /* All 16 bytes of the SIV, of which the cipher has seen 12. */
    if (!ok || siv_make(keys, place, place_len, out, len, siv) < 0 ||
        CRYPTO_memcmp(siv, seal->siv, sizeof(siv)) != 0)
        return -EBADMSG;
    return 0;
}
