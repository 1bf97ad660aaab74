/* SPDX-License-Identifier: MIT */
#include "lib/pki/cert.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <time.h>

#define SERIAL_BYTES 16

void cr_cert_done(struct cr_cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->x509);
    *cert = (struct cr_cert){0};
}

static int openssl_failed(const char *what, struct cr_error *err)
{
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    return cr_error_set(err, -EIO, "cannot %s: %s", what, reason);
}

/* Random, positive, so that no two certificates of a CA share a serial number (RFC 5280, 4.1.2.2).
 */
static bool serial_set(X509 *x509)
{
    uint8_t bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;
    BN_free(number);
    return ok;
}

static bool extension_add(X509 *x509, X509V3_CTX *context, int nid, const char *text)
{
    if (text == NULL)
        return true;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, text);
    bool ok = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool extensions_add(X509 *x509, X509 *issuer, const struct cr_cert_spec *spec)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    return extension_add(x509, &context, NID_basic_constraints, spec->basic_constraints) &&
           extension_add(x509, &context, NID_key_usage, spec->key_usage) &&
           extension_add(x509, &context, NID_ext_key_usage, spec->extended_key_usage) &&
           extension_add(x509, &context, NID_subject_key_identifier, "hash") &&
           extension_add(x509, &context, NID_authority_key_identifier, "keyid:always") &&
           extension_add(x509, &context, NID_subject_alt_name, spec->alternative_names);
}

static bool name_add(X509_NAME *name, const char *field, const char *text)
{
    return text == NULL || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                      (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool x509_fill(const struct cr_cert_spec *spec, const struct cr_cert *issuer,
                      const struct cr_cert *cert)
{
    X509 *x509 = cert->x509, *by = issuer != NULL ? issuer->x509 : x509;
    X509_NAME *name = X509_get_subject_name(x509);
    return X509_set_version(x509, X509_VERSION_3) == 1 && serial_set(x509) &&
           name_add(name, "OU", spec->organizational_unit) &&
           name_add(name, "CN", spec->common_name) &&
           X509_set_issuer_name(x509, X509_get_subject_name(by)) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)spec->validity.not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)spec->validity.not_after_s) != NULL &&
           X509_set_pubkey(x509, cert->key) == 1 && extensions_add(x509, by, spec) &&
           X509_sign(x509, issuer != NULL ? issuer->key : cert->key, EVP_sha256()) > 0;
}

int cr_cert_make(const struct cr_cert_spec *spec, const struct cr_cert *issuer,
                 struct cr_cert *ret_cert, struct cr_error *err)
{
    CLEANUP(cr_cert_done)
    struct cr_cert cert = {.key = EVP_EC_gen("P-256"), .x509 = X509_new()};
    if (cert.key == NULL || cert.x509 == NULL)
        return openssl_failed("make a key", err);
    if (!x509_fill(spec, issuer, &cert))
        return openssl_failed("make a certificate", err);
    *ret_cert = cert;
    cert = (struct cr_cert){0};
    return 0;
}

/* What a memory BIO holds goes to `out`; the BIO is wiped and freed. */
static int bio_take(BIO *bio, bool written, struct cr_buf *out)
{
    char *data = NULL;
    long len = bio == NULL ? 0 : BIO_get_mem_data(bio, &data);
    int r = !written || len <= 0 ? -ENOMEM : cr_buf_append(out, data, (size_t)len);
    if (len > 0)
        OPENSSL_cleanse(data, (size_t)len);
    BIO_free(bio);
    return r;
}

int cr_cert_write(const struct cr_cert *cert, struct cr_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return bio_take(bio, bio != NULL && PEM_write_bio_X509(bio, cert->x509) == 1, out);
}

int cr_cert_key_write(const struct cr_cert *cert, struct cr_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio != NULL &&
                   PEM_write_bio_PKCS8PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL) == 1;
    return bio_take(bio, written, out);
}

/* Never ask a person for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

int cr_cert_read(const struct cr_buf *cert_pem, const struct cr_buf *key_pem,
                 struct cr_cert *ret_cert, struct cr_error *err)
{
    BIO *cert_bio = BIO_new_mem_buf(cert_pem->data, (int)cert_pem->len);
    BIO *key_bio = BIO_new_mem_buf(key_pem->data, (int)key_pem->len);
    CLEANUP(cr_cert_done) struct cr_cert cert = {0};
    if (cert_bio != NULL && key_bio != NULL) {
        cert.x509 = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
        cert.key = PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    ERR_clear_error();
    if (cert.x509 == NULL)
        return cr_error_set(err, -EBADMSG, "the certificate is not in PEM form");
    if (cert.key == NULL)
        return cr_error_set(err, -EBADMSG, "the key is not in PEM form without a passphrase");
    if (X509_check_private_key(cert.x509, cert.key) != 1) {
        ERR_clear_error();
        return cr_error_set(err, -EBADMSG, "the key does not belong to the certificate");
    }
    *ret_cert = cert;
    cert = (struct cr_cert){0};
    return 0;
}

int64_t cr_cert_not_after_s(const struct cr_cert *cert)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert->x509), &tm) != 1)
        return 0;
    return timegm(&tm);
}
