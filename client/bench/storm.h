/* SPDX-License-Identifier: MIT */
/*
 * The storm: what is needed made, all seats let loose at once, what became of them told.
 *
 *      trace ─▶ plan.c ─┐          ┌─ seat.c ── line.c ── lib/net ──▶ server
 *                       ├─ storm.c ┼─ seat.c ── line.c ── lib/net ──▶ server
 *      CA ─▶ identities ┘    │     └─ ...
 *                            └─ figures.c (what the servers say) ─▶ report.c
 */
#pragma once

#include "client/bench/figures.h"
#include "client/bench/identities.h"
#include "client/bench/peer.h"
#include "client/bench/seat.h"

struct outcome {
    const struct storm *storm;
    const struct figures *figures;
    const struct identities *identities;
    const struct seat *seats;
    uint64_t elapsed_us;
};

/* Returns 0 when every seat has made its last read, otherwise -errno with a sentence. */
int storm_run(const struct options *options, struct cr_error *err);

/* Print the outcome as a table or as JSON. Returns 0 or -errno. */
int report_print(const struct outcome *outcome, bool json);
