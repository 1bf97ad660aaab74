/* SPDX-License-Identifier: MIT */
/* What an owner reads of its own store, as chunkd answers it (PROTOCOL.md, section 2), and its
 * keys. */
#pragma once

#include "server/syncd/syncd.h"

void read_object(struct request *request);
void read_batch(struct request *request);
void read_head(struct request *request);
void read_heads(struct request *request);
void read_keys(struct request *request);
