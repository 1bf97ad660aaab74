/* SPDX-License-Identifier: MIT */
/* What the parts of the repository (repo*.c) share among themselves. */
#pragma once

#include "lib/trust/repo.h"

#define CR_REPO_DRAFT_ROOT    "draft.root.json"
#define CR_REPO_DRAFT_TARGETS "draft.targets.json"

void cr_repo_file_done(struct cr_repo_file *file);

/* Look at file->bytes as an envelope of `role`; `name` stands in the sentence. */
int cr_repo_file_parse(struct cr_repo_file *file, const char *name, enum cr_role role,
                       struct cr_error *err);

/* Read and look at a file of CR_SPACE_TRUST. On failure it is not present. */
int cr_repo_file_read(struct cr_store *store, const char *name, enum cr_role role,
                      struct cr_repo_file *file, struct cr_error *err);

/* Read both drafts anew. */
int cr_repo_drafts_read(struct cr_repo *repo, struct cr_error *err);

/* Store `envelope` as the draft of `role` over the one that was read; read both anew. */
int cr_repo_draft_store(struct cr_repo *repo, enum cr_role role,
                        const struct cr_trust_envelope *envelope, struct cr_error *err);

/* "7.targets.json". */
#define CR_REPO_NAME_BYTES 64
const char *cr_repo_name(uint64_t version, enum cr_role role, char out[static CR_REPO_NAME_BYTES]);
