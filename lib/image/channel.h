/* SPDX-License-Identifier: MIT */
/*
 * Channels: names that move, "physics:stable". Nothing but the list of changes in the head says
 * where one points; these functions read that list. Times are seconds since 1970, UTC.
 */
#pragma once

#include "lib/image/head.h"

/*
 * The version that `ref` means at the time `now_s`: its number, its channel, or the newest. Returns
 * 0 or -ENOENT with a sentence that says what there is instead. Borrowed from `head`.
 */
int cr_head_resolve(const struct cr_head *head, const struct cr_ref *ref, int64_t now_s,
                    const struct cr_version_info **ret_info, struct cr_error *err);

/*
 * The names of all channels that were ever set, sorted, each once: an array that the caller frees,
 * of texts that belong to `head`. Returns 0 or -ENOMEM.
 */
int cr_head_channels(const struct cr_head *head, const char ***ret_names, size_t *ret_count);

/* The next change of `channel` that will hold after `now_s` and is not ended by a rollback, or
 * NULL. */
const struct cr_change *cr_head_scheduled(const struct cr_head *head, const char *channel,
                                          int64_t now_s);

/* A change by which some channel points at version `number` at `now_s`, or will later; NULL when no
 * channel needs it. */
const struct cr_change *cr_head_needed(const struct cr_head *head, uint64_t number, int64_t now_s);

/*
 * Let go of the oldest changes: the newest `keep` of the list stay, and of the others those by
 * which a channel points somewhere at `now_s` or will later. No channel means anything else from
 * then on; what goes is history, and with it how far a rollback may go back. Returns how many went,
 * or -ENOMEM.
 */
int cr_head_fold(struct cr_head *head, uint32_t keep, int64_t now_s);

/*
 * Whether the changes of `after` are those of `before`, of which at most some were let go as
 * cr_head_fold does, and then others. `ret_kept` = how many of the first are those of `before`.
 */
bool cr_head_goes_on(const struct cr_head *before, const struct cr_head *after, int64_t now_s,
                     uint32_t *ret_kept);

/*
 * Where a rollback of `channel` leads: to the version that it pointed at before the present one. A
 * rollback takes back what stood above its version, so two of them lead back by two; versions that
 * are removed are passed over. Returns 0, -ENOMEM, or -ENOENT when there is none.
 */
int cr_head_before(const struct cr_head *head, const char *channel, int64_t now_s,
                   uint64_t *ret_number);
