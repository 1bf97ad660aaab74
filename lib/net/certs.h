/* SPDX-License-Identifier: MIT */
/*
 * The folder with one side's certificates: ca.pem, ROLE.pem, ROLE-key.pem. Both sides look at
 * theirs before the first connection, because a person understands "expired on Monday" better than
 * a TLS alert.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"

enum cr_cert_role { CR_CERT_SERVER, CR_CERT_CLIENT };

/* "server" or "client": the file names without "-key" and ".pem". */
const char *cr_cert_role_name(enum cr_cert_role role);

/*
 * Check that the folder's files are there and fit together: the key belongs to the certificate, the
 * certificate was issued by the CA for this role and is valid now. Returns 0, -ENOENT (a file is
 * missing), -EKEYEXPIRED (expired, or not valid yet) or -EKEYREJECTED (anything else), each with
 * its sentence.
 */
int cr_certs_check(const char *dir, enum cr_cert_role role, struct cr_error *err);

/*
 * The fingerprint of a side: the SHA-256 of its public key as it stands in its certificate (a
 * SubjectPublicKeyInfo, RFC 5280), so it stays when the certificate is renewed for the same key.
 * Returns 0, or as cr_certs_check for a file that is missing or none.
 */
int cr_certs_fingerprint(const char *dir, enum cr_cert_role role, struct cr_id *ret_fingerprint,
                         struct cr_error *err);
