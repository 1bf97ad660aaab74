/* SPDX-License-Identifier: MIT */
#include "lib/serve/listener.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 1024 /* a room of PCs that is switched on at once */

static void addrinfo_cleanup(struct addrinfo **info)
{
    if (*info != NULL)
        freeaddrinfo(*info);
}

/* "ADDR:PORT" -> its halves. */
static int split(const char *text, char *host, size_t host_size, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0')
        return -EINVAL;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= host_size)
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static void describe(struct cr_listener *listener)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "?";
    getsockname(listener->fd, (struct sockaddr *)&bound, &len);
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&bound;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(listener->address, sizeof(listener->address), "[%s]:%u", host,
                 ntohs(v6->sin6_port));
        listener->loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&bound;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(listener->address, sizeof(listener->address), "%s:%u", host, ntohs(v4->sin_port));
        listener->loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
}

static int bind_one(const struct addrinfo *info, int *ret_fd)
{
    CLEANUP_CLOSE int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int cr_listener_open(const char *text, struct cr_listener *ret_listener, struct cr_error *err)
{
    char host[CR_HOST_BYTES_MAX + 1];
    const char *port;
    CLEANUP(addrinfo_cleanup) struct addrinfo *info = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    if (split(text, host, sizeof(host), &port) < 0)
        return cr_error_set(err, -EINVAL,
                            "listen on '%.100s': not ADDR:PORT, such as 127.0.0.1:8443, [::1]:8443 "
                            "or *:8443",
                            text);
    bool all = host[0] == '\0' || strcmp(host, "*") == 0;
    if (all)
        snprintf(host, sizeof(host), "::"); /* IPv4 comes in through the same socket */
    int r = getaddrinfo(host, port, &hints, &info);
    if (r != 0)
        return cr_error_set(err, -EINVAL, "listen on '%.100s': %s", text, gai_strerror(r));
    struct cr_listener listener = {.fd = -1};
    r = bind_one(info, &listener.fd);
    if (all && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) { /* a machine without IPv6 */
        freeaddrinfo(TAKE_PTR(info));
        if (getaddrinfo("0.0.0.0", port, &hints, &info) == 0)
            r = bind_one(info, &listener.fd);
    }
    if (r == -EADDRINUSE)
        return cr_error_set(err, r,
                            "listen on '%.100s': the port is in use; stop the other program or "
                            "choose another port with '--listen'",
                            text);
    if (r == -EACCES)
        return cr_error_set(err, r,
                            "listen on '%.100s': not allowed; choose a port from 1024 on with "
                            "'--listen'",
                            text);
    if (r < 0)
        return cr_error_errno(err, r, "listen on '%.100s'", text);
    describe(&listener);
    *ret_listener = listener;
    return 0;
}

void cr_listener_close(struct cr_listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}
