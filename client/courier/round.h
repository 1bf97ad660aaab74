/* SPDX-License-Identifier: MIT */
/*
 * One round of errands, between the server and the seat's folder:
 *
 *      GET /v1/seat/policy  ──▶ DIR/policy.json    ─┐ only when one of the keys signed it and
 *      GET /v1/seat/lease   ──▶ DIR/lease.json     ─┘ its number is higher than that of the last
 *      POST /v1/seat/report ◀── DIR/outbox/...        the oldest first, dropped once it was taken
 */
#pragma once

#include "lib/net/http.h"
#include "lib/policy/signed.h"
#include "lib/spool/spool.h"

#include <stdatomic.h>

struct errands {
    struct cr_http *http;
    struct cr_spool *outbox;
    int dir_fd;
    struct cr_trust_key keys[CR_POLICY_KEYS_MAX];
    size_t key_count;
    atomic_bool *stop;
    /* Told in a line for each document that is new and each entry that was delivered; borrowed. */
    void (*say)(const char *line);
};

/*
 * Returns 0 when the server answered all of it, -EAGAIN when it is away (the rest stays for the
 * next round), or -errno with a sentence that a person should read; what could be done was done.
 */
int errands_round(struct errands *errands, struct cr_error *err);
