/* SPDX-License-Identifier: MIT */
/*
 * The seat around a session: what the server wants it to be, whether it may start without a server,
 * and what is reported.
 *
 *      carrel-courier ──▶ DIR/policy.json, DIR/lease.json ──▶ here: verified, compared, told
 *      carrel-courier ◀── DIR/outbox ◀── here: states, heartbeats
 *
 * Without a folder (options NULL) nothing is asked and nothing is kept: every function does
 * nothing.
 */
#pragma once

#include "client/agent/lines.h"
#include "lib/policy/lease.h"
#include "lib/policy/policy.h"
#include "lib/spool/spool.h"

#include <jansson.h>
#include <sys/types.h>

struct seat_options {
    const char *dir;     /* the seat's folder */
    const char *keys;    /* the server's keys, a file */
    const char *server;  /* URL */
    const char *pki;     /* NULL: none; then no lease can be this seat's */
    const char *courier; /* the program */
};

struct seat {
    const struct seat_options *options; /* NULL: there is no seat folder */
    int dir_fd;
    struct cr_trust_key keys[CR_POLICY_KEYS_MAX];
    size_t key_count;
    struct cr_spool *outbox;
    bool has_policy;
    struct cr_policy policy; /* the one in force */
    pid_t pid;               /* of the courier; -1 = none runs */
    int pidfd;
    struct lines out;
    bool answered;    /* the server did, at the last round */
    uint64_t reports; /* of this session */
};

/*
 * Open the folder, start the courier and wait a few seconds for the server's first answer, so that
 * a session starts by the newest policy. An error is the folder's or the keys'; a server that is
 * away is none. `seat` wants seat_close in any case. The folder's policy may be what a session was
 * told long ago: one that expired counts, with a warning.
 */
int seat_open(struct seat *seat, const struct seat_options *options, struct cr_error *err);
void seat_close(struct seat *seat);

/*
 * Take in what the courier said; start it again when it ended. True when another policy is in force
 * now, with the one before in `before`, which then wants cr_policy_done.
 */
bool seat_heard(struct seat *seat, struct cr_policy *before);

/*
 * Whether `image`, NAME@N, may be started now. Returns 0 where the server answers or the seat never
 * had a policy; else as cr_lease_check, -ENOENT without a lease, -EACCES when the policy gives
 * none.
 */
int seat_may_start(struct seat *seat, const char *image, struct cr_error *err);

/*
 * Put a report into the outbox; takes the reference to `report`, an object, and adds "seat_boot"
 * and "number", by which whoever receives it knows one that came twice.
 */
void seat_report(struct seat *seat, json_t *report);

/* "policy 17 from the server: at once network; at the next start desktop; not here usb" */
void seat_changes_format(const struct cr_policy *before, const struct cr_policy *after,
                         bool (*applies)(const char *key), char *out, size_t size);
