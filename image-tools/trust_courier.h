/* SPDX-License-Identifier: MIT */
/*
 * The way to the signer: a socket that carrel-signer listens on, or its folder; then carrel-signer
 * is started for the one request. Either way it is a process of its own.
 */
#pragma once

#include "lib/trust/repo.h"

struct trust_courier {
    const char *path; /* socket or folder */
};

/* A cr_repo_courier; `context` is a struct trust_courier. */
int trust_courier(void *context, const struct cr_buf *note, struct cr_buf *answer,
                  struct cr_error *err);
