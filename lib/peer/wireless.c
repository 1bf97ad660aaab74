/* SPDX-License-Identifier: MIT */
#include "lib/peer/wireless.h"

#include "lib/base/mem.h"

#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Our own address on the way there: a datagram socket is bound by connecting it; nothing is sent.
 */
static bool own_address(const struct addrinfo *there, struct sockaddr_storage *ret_address)
{
    CLEANUP_CLOSE int fd = socket(there->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*ret_address);
    return fd >= 0 && connect(fd, there->ai_addr, there->ai_addrlen) == 0 &&
           getsockname(fd, (struct sockaddr *)ret_address, &len) == 0;
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    if (a == NULL || a->sa_family != b->ss_family)
        return false;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)b)->sin_addr, sizeof(struct in_addr)) == 0;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool interface_is_wireless(const char *sys_net, const char *name)
{
    static const char *const marks[] = {"wireless", "phy80211"};
    char path[PATH_MAX];
    for (size_t i = 0; i < CR_ARRAY_LEN(marks); i++) {
        int n = snprintf(path, sizeof(path), "%s/%s/%s", sys_net, name, marks[i]);
        if (n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

bool cr_route_is_wireless(const struct cr_server_uri *server, const char *sys_net)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *there = NULL;
    struct sockaddr_storage own = {0};
    struct ifaddrs *interfaces = NULL;
    char port[8];
    bool wireless = false;
    snprintf(port, sizeof(port), "%u", server->port);
    if (getaddrinfo(server->host, port, &hints, &there) != 0)
        return false;
    bool known = own_address(there, &own) && getifaddrs(&interfaces) == 0;
    freeaddrinfo(there);
    for (const struct ifaddrs *at = interfaces; known && at != NULL && !wireless; at = at->ifa_next)
        if (is_same_address(at->ifa_addr, &own))
            wireless = interface_is_wireless(sys_net, at->ifa_name);
    freeifaddrs(interfaces);
    return wireless;
}
