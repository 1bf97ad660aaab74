/* SPDX-License-Identifier: MIT */
/* The tracker of seats that help each other, and the tickets that it hands out. */
#pragma once

#include "lib/peer/tracker.h"

struct peers;
struct request;

/* Returns 0 or -errno with a sentence. */
int peers_new(const struct cr_tracker_options *options, struct peers **ret_peers,
              struct cr_error *err);
/* Takes NULL. */
void peers_free(struct peers *peers);

void peers_stat(struct peers *peers, struct cr_tracker_stat *ret_stat);

/* The routes /v1/peers and /v1/peers/report; as route.look. */
bool peers_look(struct request *request);
bool peers_report_look(struct request *request);
