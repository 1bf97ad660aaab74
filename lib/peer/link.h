/* SPDX-License-Identifier: MIT */
/* A peer over mutual TLS 1.3, known by its key (PROTOCOL.md, "Peers"). */
#pragma once

#include "lib/peer/roster.h"

/* For cr_roster_new; its `context` is the folder with our certificates, a borrowed text. */
extern const struct cr_peer_ops cr_peerlink_ops;
