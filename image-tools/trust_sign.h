/* SPDX-License-Identifier: MIT */
/* Signing what waits for a signature, and publishing what has enough: `carrel trust sign`. */
#pragma once

#include "image-tools/cli.h"
#include "lib/trust/repo.h"

#include <jansson.h>

struct sign_job {
    struct cr_store *store;
    const char *key, *secret; /* key NULL: publish only */
    const char *signer;       /* socket or folder; NULL: publish nothing */
    const char *only;         /* "NAME@N,..." or NULL = all */
    bool renew;               /* also when nothing is new: for longer validity */
    bool refresh;             /* a new timestamp even when nothing is to be published */
    int64_t root_s, targets_s;
};

struct sign_result {
    json_t *news; /* owned; lines of what the signed targets change */
    bool signed_roles[CR_ROLE_COUNT];
    uint64_t versions[CR_ROLE_COUNT];
    struct cr_repo_signed counts[CR_ROLE_COUNT];
    enum cr_repo_outcome outcome;
    bool waits_for_signer; /* enough signatures, and no signer was named */
};

void sign_result_done(struct sign_result *result);

/* Returns 0, -EACCES for a key of no role, or -errno with a sentence. */
int sign_run(const struct sign_job *job, struct sign_result *ret_result, struct cr_error *err);

/* What the options of a command line say; everything is borrowed from it. */
int sign_job_fill(const struct cli *cli, struct cr_store *store, struct sign_job *job,
                  struct cr_error *err);

/* sign_run, and what came of it for people or as JSON. */
int sign_run_and_print(const struct cli *cli, const struct sign_job *job, struct cr_error *err);

/* Tell people what was done, in lines on `out`; each begins with `prefix`. */
void sign_print(const struct sign_result *result, const char *prefix, FILE *out);
