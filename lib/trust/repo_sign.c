/* SPDX-License-Identifier: MIT */
/* Signatures on drafts. */
#include "lib/base/mem.h"
#include "lib/trust/repo_file.h"

#include <errno.h>

static const struct cr_repo_file *draft_of(const struct cr_repo *repo, enum cr_role role)
{
    return role == CR_ROLE_ROOT ? &repo->draft_root_file : &repo->draft_targets_file;
}

static bool role_has(const struct cr_root *root, enum cr_role role, const char *keyid)
{
    for (uint32_t i = 0; i < root->roles[role].count; i++)
        if (strcmp(root->roles[role].keyids[i], keyid) == 0)
            return true;
    return false;
}

/* A new root has to please two roots, itself and the one that it follows. */
static uint32_t missing(const struct cr_repo_file *file, const struct cr_root *root,
                        enum cr_role role, struct cr_repo_signed *ret_signed)
{
    ret_signed->have = cr_trust_count(&file->envelope, root, role);
    ret_signed->need = root->roles[role].threshold;
    return ret_signed->have >= ret_signed->need ? 0 : ret_signed->need - ret_signed->have;
}

void cr_repo_draft_state(const struct cr_repo *repo, enum cr_role role,
                         struct cr_repo_signed *ret_signed)
{
    const struct cr_repo_file *file = draft_of(repo, role);
    struct cr_repo_signed other;
    *ret_signed = (struct cr_repo_signed){.need = 1};
    if (!file->present)
        return;
    uint32_t still = missing(file, cr_repo_deciding_root(repo), role, ret_signed);
    if (role == CR_ROLE_ROOT && repo->root_count > 0 &&
        missing(file, &repo->root, role, &other) > still)
        *ret_signed = other;
}

bool cr_repo_may_sign(const struct cr_repo *repo, enum cr_role role, const char *keyid)
{
    if (role_has(cr_repo_deciding_root(repo), role, keyid))
        return true;
    return role == CR_ROLE_ROOT && repo->root_count > 0 && role_has(&repo->root, role, keyid);
}

bool cr_repo_has_signed(const struct cr_repo *repo, enum cr_role role, const char *keyid)
{
    const struct cr_repo_file *file = draft_of(repo, role);
    return file->present &&
           (cr_trust_is_signed_by(&file->envelope, cr_repo_deciding_root(repo), role, keyid) ||
            cr_trust_is_signed_by(&file->envelope, &repo->root, role, keyid));
}

int cr_repo_sign(struct cr_repo *repo, enum cr_role role, struct cr_trust_signer *signer,
                 struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    const struct cr_repo_file *file = draft_of(repo, role);
    if (!cr_repo_may_sign(repo, role, signer->key.keyid))
        return cr_error_set(err, -EACCES,
                            "the key '%s' may not sign %s: it is none of this role's keys; "
                            "`carrel trust show` lists them",
                            signer->key.keyid, cr_roles[role].name);
    int r = cr_envelope_parse(file->bytes.data, file->bytes.len, role, &envelope, err);
    if (r == 0)
        r = cr_envelope_sign(&envelope, signer, err);
    if (r == 0)
        r = cr_repo_draft_store(repo, role, &envelope, err);
    cr_envelope_done(&envelope);
    return r;
}
