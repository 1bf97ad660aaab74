/* SPDX-License-Identifier: MIT */
/*
 * The name of a server as a store: https://HOST[:PORT][/][?pki=DIR&patience=SECONDS&stall=SECONDS],
 * or http:// for this machine itself. HOST is a name, an IPv4 address or an IPv6 address in
 * brackets.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct cr_server_uri {
    bool tls;
    char host[CR_HOST_BYTES_MAX + 1]; /* without brackets */
    bool ipv6;                        /* host is an IPv6 address */
    uint16_t port;
    char pki[CR_URI_BYTES_MAX]; /* folder with ca.pem, client.pem, client-key.pem; "" = none */
    unsigned patience_s;        /* how long a server that does not answer is asked again */
    unsigned stall_s;           /* a transfer that brings less than 16 KiB in it is cut */
};

#define CR_PATIENCE_S_DEFAULT 30U
#define CR_PATIENCE_S_MAX     86400U
#define CR_STALL_S_DEFAULT    15U
#define CR_STALL_S_MAX        3600U

/* Enough for every cr_server_uri_format. */
#define CR_SERVER_TEXT (CR_HOST_BYTES_MAX + 24)

/* Parse `uri`. Returns 0 or -EINVAL with a sentence that says what is allowed. */
int cr_server_uri_parse(const char *uri, struct cr_server_uri *ret_uri, struct cr_error *err);

/* "https://HOST:PORT", for requests and for people. Returns `out`. */
const char *cr_server_uri_format(const struct cr_server_uri *uri, char out[static CR_SERVER_TEXT]);
