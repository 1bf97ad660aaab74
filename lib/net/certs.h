/* SPDX-License-Identifier: MIT */
/*
 * The folder with one side's certificates: ca.pem, ROLE.pem, ROLE-key.pem. Both sides look at
 * theirs before the first connection, because a person understands "expired on Monday" better than
 * a TLS alert.
 */
#pragma once

#include "lib/base/error.h"

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
