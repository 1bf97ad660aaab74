/* SPDX-License-Identifier: MIT */
/* Does the way to a host go over a wireless network? Then this seat serves no peers: the air is one
 * medium for all, and what it would send is sent twice. */
#pragma once

#include "lib/net/uri.h"

/* The folder of the kernel that has one for each interface. */
#define CR_SYS_NET "/sys/class/net"

/* Whether the interface that packets to the server leave by has `sys_net`/IF/wireless or
 * .../phy80211; false when that cannot be found out. May wait for DNS. */
bool cr_route_is_wireless(const struct cr_server_uri *server, const char *sys_net);
