/* SPDX-License-Identifier: MIT */
/* Who may connect: only holders of a certificate for clients that the site's CA has issued. */
#pragma once

#include "lib/serve/visitor.h"
#include "server/chunkd/server.h"

#include <microhttpd.h>

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

/*
 * Who the client is: the hash of its certificate, or where there is no TLS of its address. Returns
 * 0 or -EACCES. To be called by the thread of the connection.
 */
int tls_client_id(struct MHD_Connection *connection, struct cr_id *ret_id);

/*
 * The key and the address of a seat, which the tracker of peers knows it by; false when it has
 * shown no certificate. The same thread.
 */
bool tls_seat(struct MHD_Connection *connection, struct cr_id *ret_fingerprint,
              uint8_t ret_address[static 16]);

/* The client's address as text. Returns `out`. */
#define TLS_ADDRESS_TEXT 64
const char *tls_address_format(struct MHD_Connection *connection,
                               char out[static TLS_ADDRESS_TEXT]);

/* True when the client of this connection has proven who it is, or need not. */
bool tls_is_trusted(struct MHD_Connection *connection);
