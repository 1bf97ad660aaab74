/* SPDX-License-Identifier: MIT */
/* A private key in a file: PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/signer_kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

struct file_signer {
    struct cr_trust_signer signer;
    EVP_PKEY *pkey;
};

static int file_sign(struct cr_trust_signer *signer, const void *data, size_t len,
                     uint8_t ret_signature[static CR_ED25519_SIGNATURE_BYTES], struct cr_error *err)
{
    struct file_signer *file = (struct file_signer *)signer;
    size_t signature_len = CR_ED25519_SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, file->pkey) == 1 &&
                EVP_DigestSign(context, ret_signature, &signature_len, data, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good ? 0 : cr_error_errno(err, -ENOMEM, "signing with '%s'", signer->key.keyid);
}

static void file_close(struct cr_trust_signer *signer)
{
    struct file_signer *file = (struct file_signer *)signer;
    EVP_PKEY_free(file->pkey);
    cr_key_done(&signer->key);
    free(file);
}

static const struct cr_signer_ops file_ops = {.sign = file_sign, .close = file_close};

/* --- opening --------------------------------------------------------------------------------- */

struct passphrase {
    const char *text; /* NULL = none was given */
    bool asked;
};

static int give_passphrase(char *buf, int size, int writing, void *context)
{
    (void)writing;
    struct passphrase *passphrase = context;
    passphrase->asked = true;
    if (passphrase->text == NULL || strlen(passphrase->text) > (size_t)size)
        return -1;
    size_t len = strlen(passphrase->text);
    memcpy(buf, passphrase->text, len);
    return (int)len;
}

/* Only the owner may read or write it: what others can read is nobody's signature. */
static int read_private(const char *path, struct cr_buf *pem, struct cr_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return cr_error_errno(err, -errno, "opening the key '%s'", path);
    if ((st.st_mode & 077) != 0)
        return cr_error_set(err, -EACCES,
                            "the key '%s' may be read by others (mode %03o): chmod 600 it, and "
                            "think of who has read it",
                            path, (unsigned)(st.st_mode & 0777));
    int r = cr_file_read(AT_FDCWD, path, pem);
    return r < 0 ? cr_error_errno(err, r, "reading the key '%s'", path) : 0;
}

static int read_pkey(const char *path, const char *secret, EVP_PKEY **ret_pkey,
                     struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    struct passphrase passphrase = {.text = secret};
    int r = read_private(path, &pem, err);
    if (r < 0)
        return r;
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *pkey =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &passphrase);
    BIO_free(bio);
    ERR_clear_error();
    if (pem.data != NULL)
        OPENSSL_cleanse(pem.data, pem.len);
    if (pkey == NULL && passphrase.asked)
        return cr_error_set(err, -EACCES,
                            secret == NULL ? "the key '%s' is encrypted: say where its passphrase "
                                             "is"
                                           : "the passphrase does not open the key '%s'",
                            path);
    if (pkey == NULL || EVP_PKEY_is_a(pkey, "ED25519") != 1) {
        EVP_PKEY_free(pkey);
        return cr_error_set(err, -EBADMSG, "the file '%s' holds no Ed25519 private key in PEM",
                            path);
    }
    *ret_pkey = pkey;
    return 0;
}

int cr_signer_file_open(const char *path, const char *secret, struct cr_trust_signer **ret_signer,
                        struct cr_error *err)
{
    uint8_t public[CR_ED25519_BYTES];
    size_t len = sizeof(public);
    struct file_signer *file = cr_calloc(1, sizeof(*file));
    if (file == NULL)
        return cr_error_errno(err, -ENOMEM, "opening the key '%s'", path);
    file->signer.ops = &file_ops;
    int r = read_pkey(path, secret, &file->pkey, err);
    if (r == 0 && EVP_PKEY_get_raw_public_key(file->pkey, public, &len) != 1)
        r = cr_error_errno(err, -ENOMEM, "opening the key '%s'", path);
    if (r == 0 && (r = cr_key_ed25519(public, &file->signer.key)) < 0)
        cr_error_errno(err, r, "opening the key '%s'", path);
    if (r < 0) {
        file_close(&file->signer);
        return r;
    }
    *ret_signer = &file->signer;
    return 0;
}

/* --- making ---------------------------------------------------------------------------------- */

static int pkey_to_pem(EVP_PKEY *pkey, const char *secret, struct cr_buf *out)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = secret == NULL ? NULL : EVP_aes_256_cbc();
    int len = secret == NULL ? 0 : (int)strlen(secret);
    int r = bio != NULL &&
                    PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, secret, len, NULL, NULL) == 1
                ? 0
                : -ENOMEM;
    if (r == 0) {
        long bytes = BIO_get_mem_data(bio, &text);
        r = cr_buf_append(out, text, (size_t)bytes);
    }
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

/* Made under its name at once, so that two makers cannot both have it; removed when it fails. */
static int write_new(const char *path, const struct cr_buf *pem)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = cr_write_full(fd, pem->data, pem->len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    if (r == 0)
        r = cr_dir_fsync(AT_FDCWD, folder);
    if (r < 0)
        unlink(path);
    return r;
}

int cr_signer_make(const char *path, const char *secret, struct cr_error *err)
{
    char text[CR_SECRET_TEXT];
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    int r = cr_secret_read(secret, text, err);
    if (r < 0)
        return r;
    if (secret != NULL && text[0] == '\0')
        return cr_error_set(err, -EINVAL, "the passphrase for the new key '%s' is empty", path);
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    r = pkey == NULL ? -ENOMEM : pkey_to_pem(pkey, secret == NULL ? NULL : text, &pem);
    EVP_PKEY_free(pkey);
    OPENSSL_cleanse(text, sizeof(text));
    if (r == 0)
        r = write_new(path, &pem);
    if (pem.data != NULL)
        OPENSSL_cleanse(pem.data, pem.len);
    return r < 0 ? cr_error_errno(err, r, "making the key '%s'", path) : 0;
}
