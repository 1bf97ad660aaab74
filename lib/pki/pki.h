/* SPDX-License-Identifier: MIT */
/*
 * The certificates that a site starts with: one CA, servers, clients. ECDSA over P-256 (RFC 5480),
 * X.509 v3 (RFC 5280), because OpenSSL, GnuTLS and libcurl all speak them.
 *
 *   DIR/ca.pem  DIR/ca-key.pem                                     the CA; the key stays here
 *   DIR/server/       ca.pem server.pem server-key.pem             to be copied to the server
 *   DIR/clients/NAME/ ca.pem client.pem client-key.pem             to be copied to the client
 *
 * Beside them stand links with the names that nbdkit and libnbd look for (ca-cert.pem,
 * server-cert.pem, client-cert.pem). A folder appears whole or not at all, and nothing that exists
 * is ever replaced. Keys have the mode 0600.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_CLIENT_NAME_MAX 64U /* RFC 5280, ub-common-name */

/* The organizational unit of the certificates whose holders may publish images through a server. */
#define CR_CLIENT_CAPTURES "capture"

/* Seconds since 1970, UTC. */
struct cr_pki_validity {
    int64_t not_before_s, not_after_s;
};

/* Make the CA in `dir`, which must be empty or absent. -EEXIST when something is there. */
int cr_pki_ca_make(const char *dir, const struct cr_pki_validity *validity, struct cr_error *err);

/* Where a certificate was put and until when it is valid. */
struct cr_pki_issued {
    char folder[4096];
    int64_t not_after_s;
};

/*
 * Issue a certificate to a server that is reached by these `count` DNS names and IP addresses, 1 to
 * CR_CERT_NAMES_MAX. It never outlives the CA's. -ENOENT without a CA in `dir`, -EEXIST when the
 * folder exists, -EINVAL for a name that is none.
 */
int cr_pki_server_issue(const char *dir, const char *const *names, size_t count,
                        const struct cr_pki_validity *validity, struct cr_pki_issued *ret_issued,
                        struct cr_error *err);

/* May a client be called so? 1 to 64 letters, digits, '.', '_', '-', a letter or digit first. */
bool cr_pki_client_name_valid(const char *name);

/* The same for the client `name`; `may_capture`: its certificate says CR_CLIENT_CAPTURES. */
int cr_pki_client_issue(const char *dir, const char *name, bool may_capture,
                        const struct cr_pki_validity *validity, struct cr_pki_issued *ret_issued,
                        struct cr_error *err);
