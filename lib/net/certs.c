/* SPDX-License-Identifier: MIT */
#include "lib/net/certs.h"

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static void x509_cleanup(X509 **cert)
{
    X509_free(*cert);
}

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void bio_cleanup(BIO **bio)
{
    BIO_free(*bio);
}

static void store_cleanup(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void context_cleanup(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

const char *cr_cert_role_name(enum cr_cert_role role)
{
    return role == CR_CERT_SERVER ? "server" : "client";
}

/* The content of a PEM file, as a BIO over `buf`. */
static int pem_open(const char *path, struct cr_buf *buf, BIO **ret_bio, struct cr_error *err)
{
    int r = cr_file_read(AT_FDCWD, path, buf);
    if (r == -ENOENT)
        return cr_error_set(err, r, "'%s' is missing; make it with 'carrel pki'", path);
    if (r < 0)
        return cr_error_errno(err, r, "read '%s'", path);
    *ret_bio = BIO_new_mem_buf(buf->data == NULL ? "" : (const void *)buf->data, (int)buf->len);
    return *ret_bio == NULL ? cr_error_errno(err, -ENOMEM, "read '%s'", path) : 0;
}

static int cert_read(const char *path, X509 **ret_cert, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP(bio_cleanup) BIO *bio = NULL;
    int r = pem_open(path, &buf, &bio, err);
    if (r < 0)
        return r;
    *ret_cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (*ret_cert == NULL)
        return cr_error_set(err, -EKEYREJECTED, "'%s' holds no certificate in PEM form", path);
    return 0;
}

/* Never ask a person for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static int key_read(const char *path, EVP_PKEY **ret_key, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP(bio_cleanup) BIO *bio = NULL;
    int r = pem_open(path, &buf, &bio, err);
    if (r < 0)
        return r;
    *ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (buf.data != NULL)
        explicit_bzero(buf.data, buf.len);
    if (*ret_key == NULL)
        return cr_error_set(err, -EKEYREJECTED,
                            "'%s' holds no private key in PEM form without a passphrase", path);
    return 0;
}

static const char *time_format(const ASN1_TIME *time, char out[static 32])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(out, 32, "an unknown time");
    return out;
}

static int dates_check(const char *path, const X509 *cert, struct cr_error *err)
{
    char when[32];
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
        return cr_error_set(err, -EKEYEXPIRED,
                            "certificate '%s' expired on %s; issue a new one with 'carrel pki'",
                            path, time_format(X509_get0_notAfter(cert), when));
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
        return cr_error_set(err, -EKEYEXPIRED,
                            "certificate '%s' is valid from %s on; check the clock of this machine",
                            path, time_format(X509_get0_notBefore(cert), when));
    return 0;
}

static int chain_check(const char *path, X509 *cert, const char *ca_path, X509 *ca,
                       enum cr_cert_role role, struct cr_error *err)
{
    CLEANUP(store_cleanup) X509_STORE *store = X509_STORE_new();
    CLEANUP(context_cleanup) X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (store == NULL || context == NULL || X509_STORE_add_cert(store, ca) != 1 ||
        X509_STORE_CTX_init(context, store, cert, NULL) != 1)
        return cr_error_errno(err, -ENOMEM, "check certificate '%s'", path);
    X509_STORE_CTX_set_purpose(context, role == CR_CERT_SERVER ? X509_PURPOSE_SSL_SERVER
                                                               : X509_PURPOSE_SSL_CLIENT);
    if (X509_verify_cert(context) == 1)
        return 0;
    int code = X509_STORE_CTX_get_error(context);
    if (code == X509_V_ERR_INVALID_PURPOSE)
        return cr_error_set(err, -EKEYREJECTED,
                            "certificate '%s' was not issued for a %s; issue one with 'carrel pki'",
                            path, cr_cert_role_name(role));
    return cr_error_set(err, -EKEYREJECTED,
                        "certificate '%s' does not come from the CA in '%s' (%s); issue one from "
                        "this CA with 'carrel pki'",
                        path, ca_path, X509_verify_cert_error_string(code));
}

int cr_certs_check(const char *dir, enum cr_cert_role role, struct cr_error *err)
{
    char ca_path[PATH_MAX], cert_path[PATH_MAX], key_path[PATH_MAX];
    const char *name = cr_cert_role_name(role);
    int n = snprintf(key_path, sizeof(key_path), "%s/%s-key.pem", dir, name);
    if (n < 0 || (size_t)n >= sizeof(key_path))
        return cr_error_set(err, -ENAMETOOLONG, "the name of the folder '%.100s...' is too long",
                            dir);
    snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", dir);
    snprintf(cert_path, sizeof(cert_path), "%s/%s.pem", dir, name);

    CLEANUP(x509_cleanup) X509 *ca = NULL;
    CLEANUP(x509_cleanup) X509 *cert = NULL;
    CLEANUP(key_cleanup) EVP_PKEY *key = NULL;
    int r = cert_read(ca_path, &ca, err);
    if (r == 0)
        r = cert_read(cert_path, &cert, err);
    if (r == 0)
        r = key_read(key_path, &key, err);
    if (r == 0 && X509_check_private_key(cert, key) != 1)
        r = cr_error_set(err, -EKEYREJECTED, "key '%s' does not belong to certificate '%s'",
                         key_path, cert_path);
    if (r == 0)
        r = dates_check(ca_path, ca, err);
    if (r == 0)
        r = dates_check(cert_path, cert, err);
    if (r == 0)
        r = chain_check(cert_path, cert, ca_path, ca, role, err);
    ERR_clear_error();
    return r;
}

int cr_certs_fingerprint(const char *dir, enum cr_cert_role role, struct cr_id *ret_fingerprint,
                         struct cr_error *err)
{
    char path[PATH_MAX];
    CLEANUP(x509_cleanup) X509 *cert = NULL;
    unsigned char *der = NULL;
    int n = snprintf(path, sizeof(path), "%s/%s.pem", dir, cr_cert_role_name(role));
    if (n < 0 || (size_t)n >= sizeof(path))
        return cr_error_set(err, -ENAMETOOLONG, "the name of the folder '%.100s...' is too long",
                            dir);
    int r = cert_read(path, &cert, err);
    int len = r < 0 ? 0 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (r == 0 && len <= 0)
        r = cr_error_set(err, -EKEYREJECTED, "the key in '%s' cannot be read", path);
    if (r == 0)
        cr_hash(der, (size_t)len, ret_fingerprint);
    OPENSSL_free(der);
    ERR_clear_error();
    return r;
}
