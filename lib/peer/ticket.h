/* SPDX-License-Identifier: MIT */
/*
 * A ticket: the server's word that one seat may ask another one for chunks of one version, for ten
 * minutes (PROTOCOL.md, "Peers"). Signed with Ed25519 by a key that a server makes at its start and
 * tells to every seat that announces itself, so nobody has to keep or hand out a secret.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/image/object.h"

#define CR_TICKET_KEY_BYTES 32U
#define CR_TICKET_VALID_S   600U
#define CR_TICKET_HEADER    "Carrel-Ticket"
#define CR_TICKET_TEXT      (2 * CR_PEER_TICKET_BYTES + 1)

/* What a ticket says. Seats are named by their fingerprint (lib/net/certs.h). */
struct cr_ticket {
    struct cr_id asker, peer; /* who may ask whom */
    struct cr_id root;        /* of the version */
    uint64_t expires_s;       /* since 1970, by the server's clock */
};

struct cr_ticket_signer;

/* Make a key. Returns 0 or -ENOMEM. */
int cr_ticket_signer_new(struct cr_ticket_signer **ret_signer);
/* Takes NULL. */
void cr_ticket_signer_free(struct cr_ticket_signer *signer);

/* The public half. */
const uint8_t *cr_ticket_signer_key(const struct cr_ticket_signer *signer);

/* Write and sign a ticket. Thread-safe. Returns 0 or -ENOMEM. */
int cr_ticket_sign(const struct cr_ticket_signer *signer, const struct cr_ticket *ticket,
                   uint8_t out[static CR_PEER_TICKET_BYTES]);

/*
 * Is this a ticket that one of `key_count` public keys has signed, for exactly `wanted`'s asker,
 * peer and root, and still good at `now_s`? `wanted->expires_s` is not looked at. Returns 0,
 * -EBADMSG (no ticket, or a foreign signature), -EACCES (somebody else's, or of another version) or
 * -EKEYEXPIRED, each with its reason.
 */
int cr_ticket_check(const void *data, size_t len, const uint8_t (*keys)[CR_TICKET_KEY_BYTES],
                    size_t key_count, const struct cr_ticket *wanted, uint64_t now_s,
                    struct cr_error *err);
