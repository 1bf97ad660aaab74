/* SPDX-License-Identifier: MIT */
/* What seats send. Each takes a request whose body is whole and leaves an answer or a refusal. */
#pragma once

#include "server/syncd/syncd.h"

void upload_have(struct request *request);
void upload_pack(struct request *request);
void upload_object(struct request *request);
void upload_claim(struct request *request);
void upload_commit(struct request *request);
