/* SPDX-License-Identifier: MIT */
/* Reading the repository. */
#include "lib/trust/repo.h"

#include "lib/base/mem.h"
#include "lib/store/side.h"
#include "lib/trust/repo_file.h"

#include <errno.h>
#include <inttypes.h>

/* --- one file --------------------------------------------------------------------------------- */

void cr_repo_file_done(struct cr_repo_file *file)
{
    cr_buf_done(&file->bytes);
    if (file->present)
        cr_envelope_done(&file->envelope);
    *file = (struct cr_repo_file){0};
}

int cr_repo_file_parse(struct cr_repo_file *file, const char *name, enum cr_role role,
                       struct cr_error *err)
{
    cr_hash(file->bytes.data, file->bytes.len, &file->hash);
    int r = cr_envelope_parse(file->bytes.data, file->bytes.len, role, &file->envelope, err);
    if (r < 0)
        return cr_error_prefix(err, r, "metadata '%s'", name);
    file->present = true;
    return 0;
}

int cr_repo_file_read(struct cr_store *store, const char *name, enum cr_role role,
                      struct cr_repo_file *file, struct cr_error *err)
{
    cr_repo_file_done(file);
    cr_buf_init(&file->bytes, cr_roles[role].bytes_max);
    int r = cr_store_side_read(store, CR_SPACE_TRUST, name, &file->bytes, err);
    if (r == 0)
        r = cr_repo_file_parse(file, name, role, err);
    if (r < 0)
        cr_repo_file_done(file);
    return r;
}

const char *cr_repo_name(uint64_t version, enum cr_role role, char out[static CR_REPO_NAME_BYTES])
{
    snprintf(out, CR_REPO_NAME_BYTES, "%" PRIu64 ".%s.json", version, cr_roles[role].name);
    return out;
}

/* --- the chain of roots ----------------------------------------------------------------------- */

/* A root must be signed as its predecessor demands, and as it demands itself. */
static int root_follows(const struct cr_repo *repo, const struct cr_repo_file *file,
                        const struct cr_root *root, struct cr_error *err)
{
    if (root->common.version != repo->root_count + 1)
        return cr_error_set(err, -EBADMSG, "it says that its version is %" PRIu64,
                            root->common.version);
    int r = 0;
    if (repo->root_count > 0)
        r = cr_trust_verify(&file->envelope, &repo->root, CR_ROLE_ROOT, err);
    return r < 0 ? r : cr_trust_verify(&file->envelope, root, CR_ROLE_ROOT, err);
}

static int roots_read(struct cr_repo *repo, struct cr_error *err)
{
    while (repo->root_count < CR_TRUST_ROOTS_MAX) {
        char name[CR_REPO_NAME_BYTES];
        struct cr_root root = {0};
        struct cr_repo_file *file = &repo->roots[repo->root_count];
        cr_repo_name(repo->root_count + 1, CR_ROLE_ROOT, name);
        int r = cr_repo_file_read(repo->store, name, CR_ROLE_ROOT, file, err);
        if (r == -ENOENT)
            return 0;
        if (r < 0)
            return r;
        r = cr_root_parse(file->envelope.signed_json, &root, err);
        if (r == 0)
            r = root_follows(repo, file, &root, err);
        if (r < 0) {
            cr_root_done(&root);
            return cr_error_prefix(err, r, "metadata '%s'", name);
        }
        cr_root_done(&repo->root);
        repo->root = root;
        repo->root_count++;
    }
    return cr_error_set(err, -EMSGSIZE, "the store '%.200s' has more than %u roots",
                        repo->store->uri, CR_TRUST_ROOTS_MAX);
}

/* --- what clients see ------------------------------------------------------------------------- */

static int pointer_read(struct cr_repo *repo, const char *name, enum cr_role role,
                        struct cr_pointer *ret_pointer, struct cr_id *ret_hash,
                        struct cr_error *err)
{
    struct cr_repo_file file = {0};
    int r = cr_repo_file_read(repo->store, name, role, &file, err);
    if (r < 0)
        return r;
    r = role == CR_ROLE_TIMESTAMP ? cr_timestamp_parse(file.envelope.signed_json, ret_pointer, err)
                                  : cr_snapshot_parse(file.envelope.signed_json, ret_pointer, err);
    if (ret_hash != NULL)
        *ret_hash = file.hash;
    cr_repo_file_done(&file);
    return r < 0 ? cr_error_prefix(err, r, "metadata '%s'", name) : 0;
}

/*
 * The published targets: timestamp -> snapshot -> targets. Who signed the two pointers is not asked
 * here; the targets must have their signatures, of the newest root or, while a key is being
 * revoked, of one before it.
 */
static int published_read(struct cr_repo *repo, struct cr_error *err)
{
    char name[CR_REPO_NAME_BYTES];
    int r = pointer_read(repo, "timestamp.json", CR_ROLE_TIMESTAMP, &repo->timestamp,
                         &repo->timestamp_hash, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    cr_repo_name(repo->timestamp.next.version, CR_ROLE_SNAPSHOT, name);
    r = pointer_read(repo, name, CR_ROLE_SNAPSHOT, &repo->snapshot, NULL, err);
    if (r < 0)
        return r;
    cr_repo_name(repo->snapshot.next.version, CR_ROLE_TARGETS, name);
    r = cr_repo_file_read(repo->store, name, CR_ROLE_TARGETS, &repo->targets_file, err);
    if (r == 0) {
        r = cr_meta_file_check(&repo->snapshot.next, name, repo->targets_file.bytes.data,
                               repo->targets_file.bytes.len, err);
        if (r == 0)
            r = cr_targets_parse(repo->targets_file.envelope.signed_json, &repo->targets, err);
        if (r < 0)
            cr_error_prefix(err, r, "metadata '%s'", name);
    }
    return r;
}

/* A number that no targets have had yet, not even such as were never published. */
static int next_find(struct cr_repo *repo, struct cr_error *err)
{
    repo->targets_next = repo->targets_file.present ? repo->targets.common.version + 1 : 1;
    for (;;) {
        char name[CR_REPO_NAME_BYTES];
        CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_TARGETS_BYTES_MAX);
        cr_repo_name(repo->targets_next, CR_ROLE_TARGETS, name);
        int r = cr_store_side_read(repo->store, CR_SPACE_TRUST, name, &bytes, err);
        if (r == -ENOENT)
            return 0;
        if (r < 0)
            return r;
        repo->targets_next++;
    }
}

/* --- drafts ----------------------------------------------------------------------------------- */

int cr_repo_drafts_read(struct cr_repo *repo, struct cr_error *err)
{
    cr_root_done(&repo->draft_root);
    cr_targets_done(&repo->draft_targets);
    repo->draft_root = (struct cr_root){0};
    repo->draft_targets = (struct cr_targets){0};
    int r = cr_repo_file_read(repo->store, CR_REPO_DRAFT_ROOT, CR_ROLE_ROOT, &repo->draft_root_file,
                              err);
    if (r == 0)
        r = cr_root_parse(repo->draft_root_file.envelope.signed_json, &repo->draft_root, err);
    /* What was published meanwhile, or what a published root has overtaken, is no draft any more.
     */
    if (r == 0 && repo->draft_root.common.version != repo->root_count + 1) {
        cr_repo_file_done(&repo->draft_root_file);
        cr_root_done(&repo->draft_root);
    }
    if (r == 0 || r == -ENOENT)
        r = cr_repo_file_read(repo->store, CR_REPO_DRAFT_TARGETS, CR_ROLE_TARGETS,
                              &repo->draft_targets_file, err);
    if (r == 0)
        r = cr_targets_parse(repo->draft_targets_file.envelope.signed_json, &repo->draft_targets,
                             err);
    if (r == 0 && repo->targets_file.present &&
        repo->draft_targets.common.version <= repo->targets.common.version) {
        cr_repo_file_done(&repo->draft_targets_file);
        cr_targets_done(&repo->draft_targets);
    }
    return r == -ENOENT ? 0 : r;
}

/* --- life ------------------------------------------------------------------------------------- */

int cr_repo_open(struct cr_store *store, struct cr_repo **ret_repo, struct cr_error *err)
{
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = cr_calloc(1, sizeof(*repo));
    if (repo == NULL)
        return cr_error_errno(err, -ENOMEM, "reading signed metadata");
    repo->store = store;
    int r = roots_read(repo, err);
    if (r == 0)
        r = published_read(repo, err);
    if (r == 0)
        r = next_find(repo, err);
    if (r == 0)
        r = cr_repo_drafts_read(repo, err);
    if (r < 0)
        return r;
    if (repo->root_count == 0 && !repo->draft_root_file.present)
        return cr_error_set(err, -ENOENT,
                            "store '%.200s' has no signed metadata; `carrel trust init` makes it",
                            store->uri);
    *ret_repo = TAKE_PTR(repo);
    return 0;
}

void cr_repo_close(struct cr_repo *repo)
{
    if (repo == NULL)
        return;
    for (uint32_t i = 0; i < CR_TRUST_ROOTS_MAX; i++)
        cr_repo_file_done(&repo->roots[i]);
    cr_repo_file_done(&repo->targets_file);
    cr_repo_file_done(&repo->draft_root_file);
    cr_repo_file_done(&repo->draft_targets_file);
    cr_root_done(&repo->root);
    cr_root_done(&repo->draft_root);
    cr_targets_done(&repo->targets);
    cr_targets_done(&repo->draft_targets);
    cr_pointer_done(&repo->timestamp);
    cr_pointer_done(&repo->snapshot);
    free(repo);
}

void cr_repo_cleanup(struct cr_repo **repo)
{
    cr_repo_close(*repo);
}

const struct cr_root *cr_repo_deciding_root(const struct cr_repo *repo)
{
    return repo->draft_root_file.present ? &repo->draft_root : &repo->root;
}
