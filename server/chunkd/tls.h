/* SPDX-License-Identifier: MIT */
/* Who may connect: only holders of a certificate for clients that the site's CA has issued. */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "server/chunkd/server.h"

#include <microhttpd.h>

/*
 * GnuTLS priorities: TLS 1.2 and 1.3 with forward secrecy and AEAD. Chunks are many and their
 * encryption is most of what serving costs, so the server chooses, and AES-128 comes first.
 */
#define TLS_PRIORITIES                                                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"       \
    "+CHACHA20-POLY1305:%SERVER_PRECEDENCE"

/* The PEM texts that libmicrohttpd wants; zero-terminated. */
struct tls_files {
    struct cr_buf ca, cert, key;
};

/* Check and read the folder. Returns as cr_certs_check. */
int tls_files_read(const char *dir, struct tls_files *ret_files, struct cr_error *err);
void tls_files_done(struct tls_files *files);

/* Callback of libmicrohttpd for MHD_OPTION_NOTIFY_CONNECTION; `context` is a struct tls_door. */
struct tls_door {
    struct server *server;
    bool tls;
    atomic_uint connections;
};
void tls_connection_changed(void *context, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode code);

/*
 * The answer that is about to be sent on this connection makes `records` TLS records, its headers
 * included. The kernel is told to wait for more after each but the last, so that a chunk goes out
 * in one piece and wakes its reader once. tls_answer_ended sends what a wrong number has held back.
 */
void tls_records_announce(struct MHD_Connection *connection, unsigned records);
void tls_answer_ended(struct MHD_Connection *connection);

/* True when the client of this connection has proven who it is, or need not. */
bool tls_is_trusted(struct MHD_Connection *connection);
