/* SPDX-License-Identifier: MIT */
#include "lib/serve/visitor.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

/* --- files ------------------------------------------------------------------------------------ */

static int pem_read(const char *dir, const char *name, struct cr_buf *buf, struct cr_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    cr_buf_init(buf, CR_PEM_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, path, buf);
    if (r == 0)
        r = cr_buf_append(buf, "", 1);
    return r < 0 ? cr_error_errno(err, r, "read '%s'", path) : 0;
}

int cr_tls_files_read(const char *dir, enum cr_cert_role role, struct cr_tls_files *ret_files,
                      struct cr_error *err)
{
    struct cr_tls_files files = {0};
    char cert[32], key[32];
    snprintf(cert, sizeof(cert), "%s.pem", cr_cert_role_name(role));
    snprintf(key, sizeof(key), "%s-key.pem", cr_cert_role_name(role));
    int r = cr_certs_check(dir, role, err);
    if (r == 0)
        r = pem_read(dir, "ca.pem", &files.ca, err);
    if (r == 0)
        r = pem_read(dir, cert, &files.cert, err);
    if (r == 0)
        r = pem_read(dir, key, &files.key, err);
    if (r < 0) {
        cr_tls_files_done(&files);
        return r;
    }
    *ret_files = files;
    return 0;
}

void cr_tls_files_done(struct cr_tls_files *files)
{
    if (files->key.data != NULL)
        explicit_bzero(files->key.data, files->key.len);
    cr_buf_done(&files->ca);
    cr_buf_done(&files->cert);
    cr_buf_done(&files->key);
}

/* --- the handshake ---------------------------------------------------------------------------- */

const char *cr_visitor_refusal(gnutls_session_t session, gnutls_alert_description_t *ret_alert)
{
    static const struct {
        unsigned status;
        gnutls_alert_description_t alert;
        const char *why;
    } refusals[] = {
        {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
         "its certificate comes from a foreign CA"},
        {GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "its certificate has expired"},
        {GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_UNKNOWN,
         "its certificate is not valid yet"},
        {GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "its certificate was revoked"},
        {GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
         "its certificate was not issued for a client"},
        {~0U, GNUTLS_A_BAD_CERTIFICATE, "its certificate is not valid"},
    };
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
    };
    unsigned count = 0, status = 0;
    *ret_alert = GNUTLS_A_CERTIFICATE_REQUIRED;
    if (gnutls_certificate_get_peers(session, &count) == NULL || count == 0)
        return "it showed no certificate";
    *ret_alert = GNUTLS_A_BAD_CERTIFICATE;
    int r = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
    if (r < 0)
        return gnutls_strerror(r);
    for (size_t i = 0; i < CR_ARRAY_LEN(refusals); i++)
        if ((status & refusals[i].status) != 0) {
            *ret_alert = refusals[i].alert;
            return refusals[i].why;
        }
    return NULL;
}

/* --- what the certificate says ---------------------------------------------------------------- */

static int subject_read(gnutls_x509_crt_t cert, struct cr_visitor *visitor)
{
    size_t size = sizeof(visitor->name);
    if (gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, visitor->name,
                                      &size) < 0 ||
        strlen(visitor->name) != size || !cr_pki_client_name_valid(visitor->name))
        return -EBADMSG;
    for (unsigned i = 0; !visitor->may_capture; i++) {
        char unit[sizeof(CR_CLIENT_CAPTURES) + 64];
        size = sizeof(unit);
        int r = gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME,
                                              (int)i, 0, unit, &size);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        visitor->may_capture = r == 0 && strcmp(unit, CR_CLIENT_CAPTURES) == 0;
    }
    return 0;
}

int cr_visitor_read(gnutls_session_t session, struct cr_visitor *ret_visitor)
{
    struct cr_visitor visitor = {0};
    gnutls_x509_crt_t cert;
    unsigned count = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &count);
    if (list == NULL || count == 0 || gnutls_x509_crt_init(&cert) < 0)
        return -EBADMSG;
    int r = gnutls_x509_crt_import(cert, &list[0], GNUTLS_X509_FMT_DER) < 0
                ? -EBADMSG
                : subject_read(cert, &visitor);
    gnutls_x509_crt_deinit(cert);
    if (r == 0)
        *ret_visitor = visitor;
    return r;
}

/* GnuTLS calls it the key id: the SHA-256 of the public key as it stands in a certificate. */
bool cr_visitor_fingerprint(gnutls_session_t session, struct cr_id *ret_fingerprint)
{
    gnutls_x509_crt_t cert;
    unsigned count = 0;
    size_t len = sizeof(*ret_fingerprint);
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &count);
    if (list == NULL || count == 0 || gnutls_x509_crt_init(&cert) < 0)
        return false;
    bool known = gnutls_x509_crt_import(cert, &list[0], GNUTLS_X509_FMT_DER) == 0 &&
                 gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA256, ret_fingerprint->bytes,
                                            &len) == 0;
    gnutls_x509_crt_deinit(cert);
    return known && len == sizeof(*ret_fingerprint);
}

bool cr_visitor_address(const struct sockaddr *address, uint8_t out[static 16])
{
    if (address->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return true;
}
