/* SPDX-License-Identifier: MIT */
/*
 * A store that is read at one place and written through carrel-syncd: what cr_publish makes of a
 * disk travels instead of being written.
 *
 *      cr_publish ──▶ pack full ──▶ HAVE? ──▶ what is not there, as a pack ──▶ PUT
 *                     segments, manifest ──▶ PUT
 *
 * Nothing is lost by a stop at any point: what has arrived is there, the same run again asks and
 * goes on behind it. A server that goes away is waited for as the URI's patience says.
 *
 * The head cannot be set: cr_upstore_commit asks the server to.
 */
#pragma once

#include "lib/store/version.h"
#include "lib/sync/seal.h"
#include "lib/sync/wire.h"

/* The two places of carrel-syncd. */
#define CR_UPSTORE_CAPTURES "captures"
#define CR_UPSTORE_PRIVATE  "private"

struct cr_upstore_stat {
    uint64_t chunks_sent, chunks_there; /* there: asked for and not sent */
    uint64_t packs_sent, bytes_sent;    /* bodies of packs, segments and manifests */
};

/*
 * `server` is carrel-syncd's URI (lib/net/uri.h), `realm` one of the two above, `reader` the store
 * that everything is read from; it is borrowed. Returns as cr_https_open.
 */
int cr_upstore_open(const char *server, const char *realm, struct cr_store *reader,
                    struct cr_store **ret_store, struct cr_error *err);

/*
 * All that this version is made of is there: it need not be asked for. Call before any publish
 * begins. Returns 0 or as cr_version_segment.
 */
int cr_upstore_know(struct cr_store *upstore, struct cr_version *version, struct cr_error *err);

/* Ask for everything again. */
void cr_upstore_forget(struct cr_store *upstore);

int cr_upstore_claim(struct cr_store *upstore, const char *name, struct cr_claim_answer *ret_answer,
                     struct cr_error *err);

/* The keys of the owner whose certificate this is; only of CR_UPSTORE_PRIVATE. */
int cr_upstore_keys(struct cr_store *upstore, struct cr_owner_keys *ret_keys, struct cr_error *err);

/* -ESTALE: something of it is not there any more; forget, and publish it once more. */
int cr_upstore_commit(struct cr_store *upstore, const struct cr_commit_request *request,
                      struct cr_commit_answer *ret_answer, struct cr_error *err);

void cr_upstore_stat(struct cr_store *upstore, struct cr_upstore_stat *ret_stat);

/* From any thread: every request ends soon with -ECANCELED. */
void cr_upstore_interrupt(struct cr_store *upstore);
