/* SPDX-License-Identifier: MIT */
/*
 * What a seat and the server's tracker say to each other (PROTOCOL.md, "Peers"): an announcement
 * and its answer, and the report of a peer that sends wrong bytes. Bytes in, structures out.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/peer/ticket.h"

/* "I am here, and hold so much of this version." */
struct cr_announcement {
    struct cr_id root;
    uint16_t port;            /* where it serves peers; 0 = it serves none */
    uint64_t present, chunks; /* chunks of data that it holds, and that the version has */
    unsigned avoid_count;     /* peers that it does not want (again) */
    struct cr_id avoid[CR_PEERS_MAX];
};

static inline bool cr_announcement_complete(const struct cr_announcement *announcement)
{
    return announcement->chunks > 0 && announcement->present >= announcement->chunks;
}

/* Somebody to ask. */
struct cr_peer_place {
    uint8_t address[16]; /* IPv6; an IPv4 address is mapped (RFC 4291, 2.5.5.2) */
    uint16_t port;
    uint64_t present;
    struct cr_id fingerprint;
    uint8_t ticket[CR_PEER_TICKET_BYTES];
};

struct cr_peer_answer {
    uint32_t next_ms; /* announce yourself again after so long */
    uint64_t now_s;   /* the server's clock, by which tickets expire */
    uint8_t key[CR_TICKET_KEY_BYTES];
    unsigned count;
    struct cr_peer_place peers[CR_PEERS_MAX];
};

enum cr_peer_fault { CR_PEER_WRONG_BYTES = 1 };

struct cr_peer_report {
    enum cr_peer_fault fault;
    struct cr_id root, fingerprint;
};

/* Each appends its bytes to `out`; returns 0 or as cr_buf_append. */
int cr_announcement_format(const struct cr_announcement *announcement, struct cr_buf *out);
int cr_peer_answer_format(const struct cr_peer_answer *answer, struct cr_buf *out);
int cr_peer_report_format(const struct cr_peer_report *report, struct cr_buf *out);

/* Each takes the whole body. Returns 0 or -EBADMSG with the reason. */
int cr_announcement_parse(const void *data, size_t len, struct cr_announcement *ret_announcement,
                          struct cr_error *err);
int cr_peer_answer_parse(const void *data, size_t len, struct cr_peer_answer *ret_answer,
                         struct cr_error *err);
int cr_peer_report_parse(const void *data, size_t len, struct cr_peer_report *ret_report,
                         struct cr_error *err);
