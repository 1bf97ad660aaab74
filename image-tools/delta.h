/* SPDX-License-Identifier: MIT */
/* What a seat that holds one version must fetch for another: whole chunks, or a delta. */
#pragma once

#include "image-tools/cli.h"
#include "lib/delta/build.h"

/* The different chunks of one version that another one lacks. */
struct lacking {
    struct cr_id *ids; /* owned */
    size_t count, room;
};

void lacking_done(struct lacking *lacking);

/* The chunks of `b` that `a` has nowhere, each once. Returns 0 or -errno. */
int lacking_find(struct cr_version *a, struct cr_version *b, struct lacking *ret_lacking,
                 struct cr_error *err);

/* Bytes of their frames as they are stored; reads them all. Returns 0 or -errno. */
int lacking_frame_bytes(struct cr_store *store, const struct lacking *lacking, uint64_t *ret_bytes,
                        struct cr_error *err);

/*
 * The bytes of the delta from `a` to `b`; made and kept in the store when it is not there yet and
 * `make` is set (`ret_stat`, may be NULL, then tells of it). Returns 0, -ENOENT (there is none), or
 * -errno.
 */
int delta_ready(struct cli *cli, struct cr_store *store, struct cr_version *a, struct cr_version *b,
                bool make, uint64_t *ret_bytes, struct cr_delta_stat *ret_stat,
                struct cr_error *err);
