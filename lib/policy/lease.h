/* SPDX-License-Identifier: MIT */
/*
 * A lease: the permission of one seat to start one version until a day, without asking a server.
 * The body of a signed document of type "lease". The server gives a new one whenever it is asked by
 * a seat whose policy has `lease_days`; a seat that was taken away, or a version that was
 * withdrawn, is out of use when its last lease ends.
 *
 * A seat's clock can be set by whoever sits there, so the latest time that the seat has seen (of
 * its own clock, of signed documents, of the server) is kept, and time never goes back behind it.
 */
#pragma once

#include "lib/image/head.h"
#include "lib/policy/signed.h"

struct cr_lease {
    uint64_t version;
    int64_t given_s, expires_s; /* seconds since 1970, UTC */
    struct cr_id seat;          /* SHA-256 of the seat's certificate (DER) */
    struct cr_ref image;        /* NAME@N */
};

/*
 * The seat of the first certificate in PEM: what a TLS server sees of its client. Returns 0 or
 * -EBADMSG.
 */
int cr_lease_seat(const void *pem, size_t len, struct cr_id *ret_seat);

/* As cr_policy_open. */
int cr_lease_open(const void *data, size_t len, const struct cr_trust_key *keys, size_t key_count,
                  struct cr_lease *ret_lease, struct cr_error *err);

/* The signed file, appended to `out`. As cr_signed_make. */
int cr_lease_make(const struct cr_lease *lease, struct cr_trust_signer *signer, struct cr_buf *out,
                  struct cr_error *err);

/*
 * Whether `seat` may start `image` (NAME@N) at `now_s`, which cr_lease_clock gave. Returns 0,
 * -EACCES (another seat or version), or -EKEYEXPIRED; the sentence says until when and what helps.
 */
int cr_lease_check(const struct cr_lease *lease, const struct cr_id *seat,
                   const struct cr_ref *image, int64_t now_s, struct cr_error *err);

/*
 * The time that counts: the clock's, or the latest one that was seen when that is later. With more
 * than CR_LEASE_CLOCK_SLACK_S between them *ret_set_back is true: the clock was set back.
 */
int64_t cr_lease_clock(int64_t clock_s, int64_t seen_s, bool *ret_set_back);
