/* SPDX-License-Identifier: MIT */
#include "image-tools/trust_key.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define SPAN_MAX_S (100ULL * 365 * 24 * 3600)

static const char *setting(const struct cli *cli, enum option_key key, const char *variable)
{
    const char *value = cli_has(cli, key) ? cli->values[key] : getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *trust_secret(const struct cli *cli)
{
    return setting(cli, OPT_SECRET, "CARREL_KEY_SECRET");
}

const char *trust_signer_path(const struct cli *cli)
{
    return setting(cli, OPT_SIGNER, "CARREL_SIGNER");
}

/* NULL when it is no such file. */
static EVP_PKEY *public_pem_read(const char *path)
{
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    if (strncmp(path, "pkcs11:", 7) == 0 || cr_file_read(AT_FDCWD, path, &pem) < 0)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return pkey;
}

bool trust_is_public(const char *key)
{
    EVP_PKEY *pkey = public_pem_read(key);
    EVP_PKEY_free(pkey);
    return pkey != NULL;
}

int trust_public_read(const char *key, const char *secret, struct cr_trust_key *ret_key,
                      struct cr_error *err)
{
    uint8_t raw[CR_ED25519_BYTES];
    size_t len = sizeof(raw);
    EVP_PKEY *pkey = public_pem_read(key);
    if (pkey != NULL) {
        bool good = EVP_PKEY_is_a(pkey, "ED25519") == 1 &&
                    EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1 && len == sizeof(raw);
        EVP_PKEY_free(pkey);
        if (!good)
            return cr_error_set(err, -EBADMSG, "the file '%s' holds no Ed25519 key", key);
        int r = cr_key_ed25519(raw, ret_key);
        return r < 0 ? cr_error_errno(err, r, "the key '%s'", key) : 0;
    }
    CLEANUP_SIGNER struct cr_trust_signer *signer = NULL;
    int r = cr_signer_open(key, secret, &signer, err);
    if (r < 0)
        return r;
    r = cr_key_copy(&signer->key, ret_key);
    return r < 0 ? cr_error_errno(err, r, "the key '%s'", key) : 0;
}

int trust_public_write(const char *path, const struct cr_trust_key *key, struct cr_error *err)
{
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int r = bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1 ? 0 : -ENOMEM;
    long len = r == 0 ? BIO_get_mem_data(bio, &data) : 0;
    if (r == 0)
        r = cr_file_replace(AT_FDCWD, path, data, (size_t)len, 0644);
    BIO_free(bio);
    return r < 0 ? cr_error_errno(err, r, "writing the public key '%s'", path) : 0;
}

int trust_words(const char *text, trust_word_sink *each, void *context, struct cr_error *err)
{
    CLEANUP_FREE char *copy = strdup(text);
    int r = copy == NULL ? cr_error_errno(err, -ENOMEM, "'%.100s'", text) : 0;
    for (char *rest = copy, *word; r == 0 && (word = strsep(&rest, ",")) != NULL;)
        r = each(context, word, err);
    return r;
}

int trust_span(const struct cli *cli, enum option_key key, int64_t by_default, int64_t *ret_s,
               struct cr_error *err)
{
    uint64_t span = 0;
    *ret_s = by_default;
    if (!cli_has(cli, key))
        return 0;
    if (cr_span_parse(cli->values[key], SPAN_MAX_S, &span) < 0 || span == 0)
        return cr_error_set(err, -EINVAL, "'%s' is no span of time: write 90d, 12h or 90s",
                            cli->values[key]);
    *ret_s = (int64_t)span;
    return 0;
}
