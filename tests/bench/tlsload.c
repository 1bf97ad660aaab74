/* SPDX-License-Identifier: MIT */
/*
 * A load generator for HTTPS servers that demand client certificates: N connections, each with a
 * thread of its own, ask for the paths of a list in turn until a number of bytes has come.
 *
 *   tlsload HOST PORT PKI_DIR PATHS_FILE CONNECTIONS BYTES
 *
 * Prints one JSON object: bodies' bytes, requests, seconds. Exit status 1 on any answer but 200.
 */
#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

struct load {
    const char *host;
    uint16_t port;
    SSL_CTX *tls;
    char **paths;
    size_t path_count;
    uint64_t bytes_wanted;
    atomic_uint_fast64_t bytes, requests, next;
    atomic_int failed;
};

static SSL *connection_open(struct load *load)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(load->port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(load->tls);
    if (fd < 0 || ssl == NULL || inet_pton(AF_INET, load->host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("tlsload: connect");
        SSL_free(ssl);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) != 1) {
        ERR_print_errors_fp(stderr);
        SSL_free(ssl);
        close(fd);
        return NULL;
    }
    return ssl;
}

/* Read one answer; returns the length of its body, or -1. */
static int64_t answer_read(SSL *ssl, char *buffer, size_t room)
{
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        int n = have + 1 < room ? SSL_read(ssl, buffer + have, (int)(room - have - 1)) : 0;
        if (n <= 0)
            return -1;
        have += (size_t)n;
        buffer[have] = '\0';
        end = memmem(buffer, have, "\r\n\r\n", 4);
    }
    const char *length = strcasestr(buffer, "\r\nContent-Length: ");
    uint64_t body = 0;
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0 || length == NULL || length > end)
        return -1;
    char digits[24];
    snprintf(digits, sizeof(digits), "%.*s", (int)strspn(length + 18, "0123456789"), length + 18);
    if (cr_u64_parse(digits, INT64_MAX, &body) < 0)
        return -1;
    uint64_t got = have - (size_t)(end + 4 - buffer);
    while (got < body) {
        int n = SSL_read(ssl, buffer, (int)room);
        if (n <= 0)
            return -1;
        got += (uint64_t)n;
    }
    return got == body ? (int64_t)body : -1;
}

static void *connection_run(void *argument)
{
    struct load *load = argument;
    const size_t room = 256 * 1024;
    CLEANUP_FREE char *buffer = malloc(room);
    SSL *ssl = connection_open(load);
    if (ssl == NULL || buffer == NULL) {
        atomic_store(&load->failed, 1);
        SSL_free(ssl);
        return NULL;
    }
    while (atomic_load(&load->bytes) < load->bytes_wanted && !atomic_load(&load->failed)) {
        const char *path = load->paths[atomic_fetch_add(&load->next, 1) % load->path_count];
        char request[512];
        int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
                           load->host);
        int64_t body = SSL_write(ssl, request, len) == len ? answer_read(ssl, buffer, room) : -1;
        if (body < 0) {
            fprintf(stderr, "tlsload: GET %s failed\n", path);
            atomic_store(&load->failed, 1);
            break;
        }
        atomic_fetch_add(&load->bytes, (uint64_t)body);
        atomic_fetch_add(&load->requests, 1);
    }
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static SSL_CTX *tls_make(const char *pki)
{
    char ca[4096], cert[4096], key[4096];
    snprintf(ca, sizeof(ca), "%s/ca.pem", pki);
    snprintf(cert, sizeof(cert), "%s/client.pem", pki);
    snprintf(key, sizeof(key), "%s/client-key.pem", pki);
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1 ||
        SSL_CTX_use_certificate_file(tls, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    return tls;
}

static int paths_load(struct load *load, const char *file, struct cr_buf *text)
{
    int r = cr_file_read(AT_FDCWD, file, text);
    if (r == 0)
        r = cr_buf_append(text, "", 1);
    if (r < 0)
        return r;
    load->paths = cr_calloc(text->len / 2 + 1, sizeof(*load->paths));
    if (load->paths == NULL)
        return -ENOMEM;
    char *save = NULL;
    for (char *line = strtok_r((char *)text->data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        load->paths[load->path_count++] = line;
    return load->path_count > 0 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    struct load load = {0};
    uint64_t port, connections;
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(64 << 20);
    if (argc != 7 || cr_u64_parse(argv[2], UINT16_MAX, &port) < 0 ||
        cr_u64_parse(argv[5], 64, &connections) < 0 || connections == 0 ||
        cr_bytes_parse(argv[6], INT64_MAX, &load.bytes_wanted) < 0 ||
        paths_load(&load, argv[4], &text) < 0) {
        fprintf(stderr, "usage: tlsload HOST PORT PKI_DIR PATHS_FILE CONNECTIONS BYTES\n");
        return 2;
    }
    load.host = argv[1];
    load.port = (uint16_t)port;
    load.tls = tls_make(argv[3]);
    if (load.tls == NULL)
        return 1;
    pthread_t threads[64];
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, connection_run, &load) != 0)
            return 1;
    for (uint64_t i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("{\"bytes\": %" PRIu64 ", \"requests\": %" PRIu64 ", \"seconds\": %.6f}\n",
           (uint64_t)load.bytes, (uint64_t)load.requests, seconds);
    SSL_CTX_free(load.tls);
    free(load.paths);
    return atomic_load(&load.failed);
}
