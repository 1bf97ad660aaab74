/* SPDX-License-Identifier: MIT */
/*
 * What this server has for single seats, and what they bring it: files, which somebody else (an
 * administrator, the management server) signs, writes and reads.
 *
 *   SEATS/policy.json            for every seat that has none of its own
 *   SEATS/<seat>/policy.json     for one; <seat> = SHA-256 of its certificate, 64 digits
 *   SEATS/<seat>/lease.json
 *   REPORTS/<seat>/              what it reported, a queue (lib/spool)
 *
 * Each seat has a queue of its own, so one that reports without end pushes out its own reports
 * only.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

#include <stddef.h>

struct seats;

/* Either folder may be NULL: there is nothing of it. Returns 0, -ENOMEM or -errno. */
int seats_new(const char *documents, const char *reports, struct seats **ret_seats,
              struct cr_error *err);
/* Takes NULL. */
void seats_free(struct seats *seats);

enum seats_document { SEATS_POLICY, SEATS_LEASE };

/* What there is for `seat`, appended to `text`. Returns 0, -ENOENT or -errno with a sentence. */
int seats_document(struct seats *seats, enum seats_document document, const struct cr_id *seat,
                   struct cr_buf *text, struct cr_error *err);

/*
 * Keep a report of `seat`, durable when this returns 0. -EBADMSG when it is no JSON object, -ENOENT
 * where none are taken, -EBUSY when another of the same seat is being kept, or -errno.
 */
int seats_report(struct seats *seats, const struct cr_id *seat, const struct cr_buf *report,
                 struct cr_error *err);
