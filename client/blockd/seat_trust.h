/* SPDX-License-Identifier: MIT */
#pragma once

#include "client/blockd/seat.h"

/*
 * What settings->image is by the signed metadata in settings->trust, after asking `store` for news.
 * News that cannot be had or are refused are told as a warning, and what was verified before holds:
 * a seat that has verified targets once always finds a version. Returns 0 with its NAME@N and what
 * is signed of it, -ECANCELED, or the reason why nothing can be trusted.
 */
int seat_trust_resolve(const struct seat_settings *settings, struct cr_store *store,
                       struct cr_version_info *ret_info, struct cr_ref *ret_ref,
                       struct cr_error *err);
