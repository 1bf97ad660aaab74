/* SPDX-License-Identifier: MIT */
#include "lib/net/http_failure.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

/* --- certificates ----------------------------------------------------------------------------- */

/* The server's certificate, by OpenSSL's verdict. */
static const struct {
    long verdict;
    int code;
    const char *found, *way_out;
} verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, -EKEYEXPIRED, "has expired",
     "issue a new one with 'carrel pki' on the server and restart carrel-chunkd"},
    {X509_V_ERR_CERT_NOT_YET_VALID, -EKEYEXPIRED, "is not valid yet",
     "check the clocks of both machines"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, -EKEYREJECTED, "signs itself",
     "give the server a certificate of the site's CA"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, -EKEYREJECTED, "comes from a foreign CA",
     "check that 'ca.pem' is the CA of this server and that the address is right"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, -EKEYREJECTED, "comes from a foreign CA",
     "check that 'ca.pem' is the CA of this server and that the address is right"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, -EKEYREJECTED, "comes from a foreign CA",
     "check that 'ca.pem' is the CA of this server and that the address is right"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, -EKEYREJECTED, "is forged, or from another CA of this name",
     "check that 'ca.pem' is the CA of this server and that the address is right"},
    {X509_V_ERR_INVALID_PURPOSE, -EKEYREJECTED, "was not issued for a server",
     "issue one for a server with 'carrel pki'"},
    {X509_V_OK, -EKEYREJECTED, "does not name this host",
     "use a name or address that stands in it, or issue one that names this host"},
};

/* Has OpenSSL objected? curl's own objections (the host's name) leave 1 behind, which is no
 * verdict. */
static bool verdict_is_bad(const struct cr_http_failure *failure)
{
    return failure->verify_result != X509_V_OK && failure->verify_result != X509_V_ERR_UNSPECIFIED;
}

static int server_cert_refused(const struct cr_http_failure *failure, struct cr_error *err)
{
    long verdict = verdict_is_bad(failure) ? failure->verify_result : X509_V_OK;
    for (size_t i = 0; i < CR_ARRAY_LEN(verdicts); i++)
        if (verdicts[i].verdict == verdict)
            return cr_error_set(err, verdicts[i].code, "the certificate of server '%s' %s; %s",
                                failure->server, verdicts[i].found, verdicts[i].way_out);
    return cr_error_set(err, -EKEYREJECTED,
                        "the certificate of server '%s' cannot be trusted (%s); check 'ca.pem' and "
                        "the server's certificate",
                        failure->server, X509_verify_cert_error_string(failure->verify_result));
}

/* Our certificate, by the alert that the server sent; the words are OpenSSL's. */
static const struct {
    const char *words;
    int code;
    const char *meaning;
} alerts[] = {
    {"alert certificate expired", -EKEYEXPIRED, "expired"},
    {"alert certificate revoked", -EKEYREJECTED, "revoked"},
    {"alert certificate required", -EKEYREJECTED, "there is none"},
    {"alert unknown ca", -EKEYREJECTED, "from a foreign CA"},
    {"alert certificate unknown", -EKEYREJECTED, "not accepted"},
    {"alert bad certificate", -EKEYREJECTED, "not accepted"},
    {"alert unsupported certificate", -EKEYREJECTED, "not accepted"},
    {"alert access denied", -EKEYREJECTED, "not accepted"},
    {"alert handshake failure", -EKEYREJECTED, "not accepted"},
};

static int our_cert_refused(const struct cr_http_failure *failure, int code, const char *meaning,
                            struct cr_error *err)
{
    if (failure->cert[0] == '\0')
        return cr_error_set(err, code,
                            "server '%s' demands a client certificate; name the folder that holds "
                            "one with '?pki=DIR'",
                            failure->server);
    return cr_error_set(err, code,
                        "server '%s' refuses our certificate '%s' (%s); issue a new one with "
                        "'carrel pki' from the server's CA",
                        failure->server, failure->cert, meaning);
}

/* --- transfers -------------------------------------------------------------------------------- */

static const char *words(const struct cr_http_failure *failure)
{
    return failure->curl_error[0] != '\0' ? failure->curl_error
                                          : curl_easy_strerror(failure->curl_code);
}

int cr_http_failure_transfer(const struct cr_http_failure *failure, struct cr_error *err)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(alerts); i++)
        if (strstr(failure->curl_error, alerts[i].words) != NULL)
            return our_cert_refused(failure, alerts[i].code, alerts[i].meaning, err);
    if (!failure->was_reached && (strstr(failure->curl_error, "alert protocol version") != NULL ||
                                  strstr(failure->curl_error, "unsupported protocol") != NULL))
        return cr_error_set(err, -EPROTO, "server '%s' speaks no TLS 1.2 or later",
                            failure->server);

    switch ((int)failure->curl_code) {
    case CURLE_SSL_CLIENTCERT:
        return our_cert_refused(failure, -EKEYREJECTED, "not accepted", err);
    case CURLE_PEER_FAILED_VERIFICATION:
        /* curl gives this code, and only these words, to the alert "certificate expired" too. */
        if (!verdict_is_bad(failure) &&
            strcmp(failure->curl_error, "SSL certificate verification failed") == 0)
            return our_cert_refused(failure, -EKEYEXPIRED, "expired", err);
        return server_cert_refused(failure, err);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return cr_error_set(err, -EKEYREJECTED,
                            "server '%s': the certificates beside '%s' cannot be used: %.300s",
                            failure->server, failure->cert, words(failure));
    case CURLE_OUT_OF_MEMORY:
        return cr_error_errno(err, -ENOMEM, "server '%s'", failure->server);
    case CURLE_COULDNT_RESOLVE_HOST:
        if (!failure->was_reached)
            return cr_error_set(err, -EHOSTUNREACH,
                                "server '%s': no such host is known; check the name and the DNS",
                                failure->server);
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
        if (failure->was_reached) /* it did before: something on the way spoils the bytes */
            break;
        return cr_error_set(err, -EPROTO,
                            "server '%s' does not speak HTTP 1.1 here; check the address (%.300s)",
                            failure->server, words(failure));
    default:
        break;
    }
    /* No connection, a cut connection, a stalled one: the server may come back. */
    return cr_error_set(err, -EAGAIN,
                        "server '%s' does not answer (%.300s); check the address and that "
                        "carrel-chunkd runs there",
                        failure->server, words(failure));
}

/* The first line of what the server said, printable characters only. */
static void sentence_clean(const char *text, char *out, size_t out_size)
{
    size_t n = 0;
    for (; *text != '\0' && *text != '\n' && n + 1 < out_size; text++)
        out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    out[n] = '\0';
}

int cr_http_failure_status(const struct cr_http_failure *failure, struct cr_error *err)
{
    char said[CR_HTTP_SENTENCE_MAX];
    sentence_clean(failure->sentence, said, sizeof(said));
    int code;
    switch (failure->status) {
    case 404:
        code = -ENOENT;
        break;
    case 500:
        code = -EBADMSG;
        break;
    case 401:
    case 403:
        code = -EACCES;
        break;
    case 409:
        code = -ESTALE;
        break;
    case 507:
        code = -ENOSPC;
        break;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
        code = -EAGAIN;
        break;
    default:
        code = -EPROTO;
        break;
    }
    return cr_error_set(err, code, "server '%s' answers %ld: %s", failure->server, failure->status,
                        said);
}
