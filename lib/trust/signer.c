/* SPDX-License-Identifier: MIT */
#include "lib/trust/signer.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/signer_kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

/* --- passphrases and PINs -------------------------------------------------------------------- */

static int secret_from_file(const char *path, char out[static CR_SECRET_TEXT], struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_SECRET_TEXT - 1);
    int r = cr_file_read(AT_FDCWD, path, &buf);
    if (r < 0)
        return cr_error_errno(err, r, "reading the passphrase from '%s'", path);
    const void *end = buf.len == 0 ? NULL : memchr(buf.data, '\n', buf.len);
    size_t len = end == NULL ? buf.len : (size_t)((const uint8_t *)end - buf.data);
    if (len > 0)
        memcpy(out, buf.data, len);
    out[len] = '\0';
    if (buf.data != NULL)
        OPENSSL_cleanse(buf.data, buf.len);
    return 0;
}

int cr_secret_read(const char *secret, char out[static CR_SECRET_TEXT], struct cr_error *err)
{
    out[0] = '\0';
    if (secret == NULL)
        return 0;
    if (strncmp(secret, "file:", 5) == 0)
        return secret_from_file(secret + 5, out, err);
    if (strncmp(secret, "env:", 4) != 0)
        return cr_error_set(err, -EINVAL,
                            "'%.32s' does not say where the passphrase is: write file:PATH or "
                            "env:NAME",
                            secret);
    const char *value = getenv(secret + 4);
    if (value == NULL)
        return cr_error_set(err, -EACCES,
                            "the variable '%s', which is to hold the passphrase, is not set",
                            secret + 4);
    if (strlen(value) >= CR_SECRET_TEXT)
        return cr_error_set(err, -EINVAL, "the passphrase in the variable '%s' is too long",
                            secret + 4);
    snprintf(out, CR_SECRET_TEXT, "%s", value);
    return 0;
}

/* --- which kind ------------------------------------------------------------------------------ */

int cr_signer_open(const char *key, const char *secret, struct cr_trust_signer **ret_signer,
                   struct cr_error *err)
{
    char text[CR_SECRET_TEXT];
    int r = cr_secret_read(secret, text, err);
    if (r < 0)
        return r;
    const char *known = secret == NULL ? NULL : text;
    r = strncmp(key, "pkcs11:", 7) == 0 ? cr_signer_token_open(key, known, ret_signer, err)
                                        : cr_signer_file_open(key, known, ret_signer, err);
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

void cr_signer_close(struct cr_trust_signer *signer)
{
    if (signer != NULL)
        signer->ops->close(signer);
}
