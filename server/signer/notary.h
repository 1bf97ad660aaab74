/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/trust/note.h"
#include "server/signer/state.h"

struct notary_settings {
    int64_t now_s;
    int64_t snapshot_s, timestamp_s; /* how long they are valid */
};

/*
 * Sign what `note` asks for: its roots ("2.root.json", ...) continue the one that is trusted, its
 * "targets.json" has its signatures and is not older than what was signed before. The answer has
 * the parts "snapshot.json" and "timestamp.json". Their versions are durable in the folder before
 * this returns, so none is ever given out twice. Returns 0, or -errno with the reason of the
 * refusal.
 */
int notary_answer(struct state *state, const struct cr_note *note,
                  const struct notary_settings *settings, struct cr_buf *answer,
                  struct cr_error *err);
