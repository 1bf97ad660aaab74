/* SPDX-License-Identifier: MIT */
/* One run of the scrub, inside: scrub.c walks through the store, scrub_pack.c looks at a pack. */
#pragma once

#include "lib/store/packstore.h"
#include "lib/store/scrub.h"

struct scrub_run {
    struct packstore *ps;
    struct cr_blobs *blobs;
    const struct cr_scrub_options *options;
    struct cr_scrub_stat *stat;
    uint64_t done, total; /* bytes, for progress */
    int64_t begin_ms;     /* for the rate */
    uint64_t rate_bytes;  /* read since then */
    uint8_t *pack;        /* CR_PACK_BYTES_MAX: the one being looked at */
    uint8_t *plain;       /* CR_CHUNK_BYTES */
};

/* Tell of a damage: "WHAT HEX: why". Returns what the caller's sink returned. */
int scrub_damaged(struct scrub_run *run, const char *what, const char *name, const char *why);

/* Count what was read, keep to the rate, tell how far it is. */
int scrub_step(struct scrub_run *run, uint64_t bytes, struct cr_error *err);

/* Verify the pack of this name and, with `repair`, write it again. -ENOENT is no error: it went. */
int scrub_pack(struct scrub_run *run, const struct cr_id *name, struct cr_error *err);
