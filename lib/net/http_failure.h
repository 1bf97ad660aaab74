/* SPDX-License-Identifier: MIT */
/* What the end of a transfer means: may it be repeated, and what is said to a person. */
#pragma once

#include "lib/base/error.h"

#include <curl/curl.h>
#include <stdbool.h>

struct cr_http_failure {
    const char *server; /* "https://HOST:PORT" */
    const char *cert;   /* our certificate's file; "" = none */
    CURLcode curl_code;
    const char *curl_error; /* curl's own words, may be "" */
    long verify_result;     /* X509_V_..., of the server's certificate */
    long status;            /* HTTP */
    const char *sentence;   /* the body of an answer that is a refusal */
    bool was_reached;       /* the server has answered before */
};

/* The transfer did not end well. Returns what cr_http_do returns. */
int cr_http_failure_transfer(const struct cr_http_failure *failure, struct cr_error *err);

/* The server answered with a status other than 200. Returns what cr_http_do returns. */
int cr_http_failure_status(const struct cr_http_failure *failure, struct cr_error *err);
