/* SPDX-License-Identifier: MIT */
/*
 * Who connects to a server of ours: only holders of a certificate for clients that the site's CA
 * has issued, and what the certificate says of them. For GnuTLS, which libmicrohttpd brings; only
 * programs that link it use this header.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/net/certs.h"
#include "lib/pki/pki.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/socket.h>

/*
 * GnuTLS priorities: TLS 1.2 and 1.3 with forward secrecy and AEAD. Chunks are many and their
 * encryption is most of what serving costs, so the server chooses, and AES-128 comes first.
 */
#define CR_TLS_PRIORITIES                                                                          \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"       \
    "+CHACHA20-POLY1305:%SERVER_PRECEDENCE"

/* The PEM texts that libmicrohttpd wants; zero-terminated. */
struct cr_tls_files {
    struct cr_buf ca, cert, key;
};

/* The same for TLS 1.3 alone. */
#define CR_TLS_PRIORITIES_13                                                                       \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"      \
    "%SERVER_PRECEDENCE"

/* Check and read a folder. Returns as cr_certs_check. */
int cr_tls_files_read(const char *dir, enum cr_cert_role role, struct cr_tls_files *ret_files,
                      struct cr_error *err);
void cr_tls_files_done(struct cr_tls_files *files);

/*
 * In the handshake: is the peer's certificate one for clients, of this CA and valid now? NULL when
 * it is, else why not, and the alert that says so. The server must have asked for a certificate.
 */
const char *cr_visitor_refusal(gnutls_session_t session, gnutls_alert_description_t *ret_alert);

/* What the certificate of a peer that was not refused says. */
struct cr_visitor {
    char name[CR_CLIENT_NAME_MAX + 1]; /* its common name */
    bool may_capture;                  /* it may publish images (CR_CLIENT_CAPTURES) */
};

/* Returns 0, or -EBADMSG when the name is none that `carrel pki` gives. */
int cr_visitor_read(gnutls_session_t session, struct cr_visitor *ret_visitor);

/* The fingerprint of its key (lib/net/certs.h); false when it has shown none. */
bool cr_visitor_fingerprint(gnutls_session_t session, struct cr_id *ret_fingerprint);

/* An address as 16 bytes: IPv6, or mapped IPv4 (RFC 4291, 2.5.5.2); false when it is neither. */
bool cr_visitor_address(const struct sockaddr *address, uint8_t out[static 16]);
