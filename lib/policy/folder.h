/* SPDX-License-Identifier: MIT */
/* The names in a seat's folder: its courier and its agent both know them. */
#pragma once

#define CR_SEAT_POLICY "policy.json" /* the last policy that was right */
#define CR_SEAT_LEASE  "lease.json"  /* the last lease that was right */
#define CR_SEAT_OUTBOX "outbox"      /* reports that wait (lib/spool) */
