/* SPDX-License-Identifier: MIT */
/* One certificate: made, signed, written as PEM. Owns no file. */
#pragma once

#include "lib/base/buf.h"
#include "lib/pki/pki.h"

#include <openssl/x509.h>

struct cr_cert {
    EVP_PKEY *key;
    X509 *x509;
};

void cr_cert_done(struct cr_cert *cert);

/*
 * What the certificate says. Texts are in OpenSSL's extension syntax and hold nothing that was not
 * checked before.
 */
struct cr_cert_spec {
    const char *common_name;         /* at most 64 bytes */
    const char *organizational_unit; /* NULL = without */
    const char *basic_constraints, *key_usage;
    const char *extended_key_usage, *alternative_names; /* NULL = without */
    struct cr_pki_validity validity;
};

/* Make a key and its certificate, signed by `issuer` (NULL = by itself). Returns 0 or -errno. */
int cr_cert_make(const struct cr_cert_spec *spec, const struct cr_cert *issuer,
                 struct cr_cert *ret_cert, struct cr_error *err);

/* Append them as PEM. Returns 0 or -errno. */
int cr_cert_write(const struct cr_cert *cert, struct cr_buf *out);
int cr_cert_key_write(const struct cr_cert *cert, struct cr_buf *out);

/* From PEM. -EBADMSG with a sentence when it is none, or when they do not belong together. */
int cr_cert_read(const struct cr_buf *cert_pem, const struct cr_buf *key_pem,
                 struct cr_cert *ret_cert, struct cr_error *err);

int64_t cr_cert_not_after_s(const struct cr_cert *cert);
