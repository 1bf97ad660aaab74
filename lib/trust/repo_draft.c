/* SPDX-License-Identifier: MIT */
/* New targets from the heads of the store, drafts, and what is new in them. */
#include "lib/base/mem.h"
#include "lib/trust/repo_file.h"

#include <errno.h>
#include <inttypes.h>

/* --- storing a draft ---------------------------------------------------------------------------
 */

int cr_repo_draft_store(struct cr_repo *repo, enum cr_role role,
                        const struct cr_trust_envelope *envelope, struct cr_error *err)
{
    const char *name = role == CR_ROLE_ROOT ? CR_REPO_DRAFT_ROOT : CR_REPO_DRAFT_TARGETS;
    struct cr_store *store = repo->store;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(cr_roles[role].bytes_max);
    CLEANUP_BUF struct cr_buf old = CR_BUF_INIT(cr_roles[role].bytes_max);
    const struct cr_repo_file *file =
        role == CR_ROLE_ROOT ? &repo->draft_root_file : &repo->draft_targets_file;
    struct cr_id hash = file->hash;
    bool exists = file->present;
    int r = cr_store_writable(store, err);
    if (r == 0 && store->ops->side_replace == NULL)
        r = cr_error_set(err, -ENOTSUP, "store '%.200s' cannot hold signed metadata", store->uri);
    if (r < 0)
        return r;
    r = cr_envelope_format(envelope, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "metadata '%s'", name);
    if (!exists) { /* what a published version has overtaken still lies there */
        r = store->ops->side_get(store, CR_SPACE_TRUST, name, &old, err);
        exists = r == 0;
        if (r < 0 && r != -ENOENT)
            return r;
        cr_hash(old.data, old.len, &hash);
    }
    r = store->ops->side_replace(store, CR_SPACE_TRUST, name, exists ? &hash : NULL, bytes.data,
                                 bytes.len, err);
    if (r == -EAGAIN)
        return cr_error_set(err, r, "somebody else has just changed '%s': run the command again",
                            name);
    return r < 0 ? r : cr_repo_drafts_read(repo, err);
}

static int draft_new(struct cr_repo *repo, enum cr_role role, json_t *signed_json,
                     struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    int r = cr_envelope_new(signed_json, &envelope);
    if (r < 0)
        return cr_error_errno(err, r, "a draft of %s", cr_roles[role].name);
    r = cr_repo_draft_store(repo, role, &envelope, err);
    cr_envelope_done(&envelope);
    return r;
}

int cr_repo_draft_root(struct cr_repo *repo, const struct cr_root *root, struct cr_error *err)
{
    CLEANUP_JSON json_t *json = NULL;
    int r = cr_root_format(root, &json);
    return r < 0 ? cr_error_errno(err, r, "a draft of root")
                 : draft_new(repo, CR_ROLE_ROOT, json, err);
}

int cr_repo_draft_targets(struct cr_repo *repo, const struct cr_targets *targets,
                          struct cr_error *err)
{
    CLEANUP_JSON json_t *json = NULL;
    int r = cr_targets_format(targets, &json);
    return r < 0 ? cr_error_errno(err, r, "a draft of targets")
                 : draft_new(repo, CR_ROLE_TARGETS, json, err);
}

/* --- targets from heads ------------------------------------------------------------------------
 */

struct gather {
    struct cr_repo *repo;
    const struct cr_repo_draft *draft;
    struct cr_targets *targets;
    struct cr_error *err;
};

static bool is_wanted(const struct cr_repo_draft *draft, const char *name, uint64_t number)
{
    for (size_t i = 0; i < draft->only_count; i++) {
        const struct cr_ref *ref = &draft->only[i];
        if (strcmp(ref->name, name) == 0 && (ref->number == 0 || ref->number == number))
            return true;
    }
    return draft->only_count == 0;
}

static bool image_is_wanted(const struct cr_repo_draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->only_count; i++)
        if (strcmp(draft->only[i].name, name) == 0)
            return true;
    return draft->only_count == 0;
}

/* Nobody shall sign a version whose manifest is not there or is another's. */
static int version_add(struct gather *gather, const char *name, const struct cr_version_info *info)
{
    char ref[CR_REF_TEXT];
    struct cr_manifest manifest;
    struct cr_trust_version version = {
        .root = info->root,
        .disk_bytes = info->disk_bytes,
        .created_s = info->created_s,
        .parent = info->parent,
    };
    snprintf(version.ref.name, sizeof(version.ref.name), "%s", name);
    version.ref.number = info->number;
    cr_ref_format(&version.ref, ref);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    int r =
        cr_store_object_read(gather->repo->store, CR_MANIFEST, &info->root, &plain, gather->err);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &manifest, gather->err);
    if (r < 0)
        return cr_error_prefix(gather->err, r, "version '%s'", ref);
    uint64_t disk_bytes = manifest.disk_bytes;
    cr_manifest_done(&manifest);
    if (disk_bytes != info->disk_bytes)
        return cr_error_set(gather->err, -EBADMSG,
                            "version '%s': its manifest and its head tell different sizes; do not "
                            "sign it, `carrel image verify %s` tells more",
                            ref, ref);
    r = cr_targets_add(gather->targets, &version);
    return r < 0 ? cr_error_errno(gather->err, r, "version '%s'", ref) : 0;
}

static int version_gather(struct gather *gather, const char *name,
                          const struct cr_version_info *info)
{
    struct cr_ref ref = {.number = info->number};
    struct cr_trust_version known;
    char text[CR_REF_TEXT];
    snprintf(ref.name, sizeof(ref.name), "%s", name);
    int r = cr_targets_version(gather->targets, &ref, &known, NULL);
    if (r == -ENOENT)
        return is_wanted(gather->draft, name, info->number) ? version_add(gather, name, info) : 0;
    if (r == 0 && !cr_id_equal(&known.root, &info->root))
        return cr_error_set(gather->err, -EEXIST,
                            "version '%s' in the store is not the one that was signed: somebody "
                            "has changed the store; restore it before anything is signed",
                            cr_ref_format(&ref, text));
    return r < 0 ? cr_error_set(gather->err, r, "the signed version '%s' cannot be read",
                                cr_ref_format(&ref, text))
                 : 0;
}

/* The versions that are signed and no longer in the head. */
struct gone {
    const struct cr_head *head;
    struct cr_ref *refs; /* owned */
    size_t count;
};

static int gone_find(void *context, const struct cr_trust_version *version)
{
    struct gone *gone = context;
    if (cr_head_find(gone->head, version->ref.number) != NULL)
        return 0;
    struct cr_ref *refs = realloc(gone->refs, (gone->count + 1) * sizeof(*refs));
    if (refs == NULL)
        return -ENOMEM;
    gone->refs = refs;
    gone->refs[gone->count++] = version->ref;
    return 0;
}

static int gone_remove(struct gather *gather, const char *name, const struct cr_head *head)
{
    struct gone gone = {.head = head};
    int r = cr_targets_each(gather->targets, name, gone_find, &gone, gather->err);
    for (size_t i = 0; i < gone.count && r == 0; i++)
        r = cr_targets_remove(gather->targets, &gone.refs[i]);
    free(gone.refs);
    return r;
}

static int head_gather(void *context, const char *name)
{
    struct gather *gather = context;
    struct cr_head head;
    bool hidden = gather->draft->hidden != NULL && gather->draft->hidden(name);
    if (hidden || !image_is_wanted(gather->draft, name))
        return 0;
    int r = cr_store_head_read(gather->repo->store, name, &head, NULL, gather->err);
    if (r < 0)
        return r;
    r = gone_remove(gather, name, &head);
    for (uint32_t i = 0; i < head.count && r == 0; i++)
        r = version_gather(gather, name, &head.versions[i]);
    if (r == 0 &&
        cr_targets_changes_set(gather->targets, name, head.changes, head.change_count) < 0)
        r = cr_error_errno(gather->err, -ENOMEM, "the channels of '%s'", name);
    cr_head_done(&head);
    return r;
}

/* The published targets count as known only as far as somebody who may has signed them. */
static int targets_begin(const struct cr_repo *repo, struct cr_targets *ret_targets)
{
    CLEANUP_JSON json_t *json = NULL;
    const struct cr_root *root = cr_repo_deciding_root(repo);
    if (!repo->targets_file.present ||
        cr_trust_verify(&repo->targets_file.envelope, root, CR_ROLE_TARGETS, NULL) < 0)
        return cr_targets_new(ret_targets);
    json = json_deep_copy(repo->targets_file.envelope.signed_json);
    return json == NULL ? -ENOMEM : cr_targets_parse(json, ret_targets, NULL);
}

/* Heads that were removed whole leave no name in the list: every image that is signed is asked. */
static int image_missing(void *context, const struct cr_trust_version *version)
{
    struct gather *gather = context;
    struct cr_buf head = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_store *store = gather->repo->store;
    int r = store->ops->head_get(store, version->ref.name, &head, gather->err);
    cr_buf_done(&head);
    if (r == -ENOENT)
        return cr_error_set(gather->err, -ENOENT,
                            "image '%s' is signed and no longer in the store: somebody has changed "
                            "the store; restore it before anything is signed",
                            version->ref.name);
    return r;
}

int cr_repo_targets_from_heads(struct cr_repo *repo, const struct cr_repo_draft *draft,
                               struct cr_targets *ret_targets, unsigned *ret_changes,
                               struct cr_error *err)
{
    struct cr_targets targets = {0}, before = {0};
    struct gather gather = {.repo = repo, .draft = draft, .targets = &targets, .err = err};
    int r = targets_begin(repo, &targets);
    if (r == 0)
        r = targets_begin(repo, &before);
    if (r < 0)
        cr_error_errno(err, r, "new targets");
    if (r == 0)
        r = cr_targets_each(&before, NULL, image_missing, &gather, err);
    if (r == 0)
        r = repo->store->ops->heads_list(repo->store, head_gather, &gather, err);
    targets.common.version = repo->targets_next;
    targets.common.expires_s = draft->expires_s;
    if (r == 0)
        r = cr_repo_compare(&before, &targets, draft, ret_changes);
    cr_targets_done(&before);
    if (r < 0) {
        cr_targets_done(&targets);
        return r;
    }
    *ret_targets = targets;
    return 0;
}

/* --- the draft of somebody else ----------------------------------------------------------------
 */

static int version_check(void *context, const struct cr_trust_version *version)
{
    struct gather *gather = context;
    struct cr_trust_version known;
    if (cr_targets_version(gather->targets, &version->ref, &known, NULL) == 0 &&
        cr_id_equal(&known.root, &version->root))
        return 0;
    const struct cr_version_info info = {
        .number = version->ref.number,
        .root = version->root,
        .disk_bytes = version->disk_bytes,
    };
    struct cr_targets scratch = {0};
    struct gather into = *gather;
    into.targets = &scratch;
    int r = cr_targets_new(&scratch);
    if (r == 0)
        r = version_add(&into, version->ref.name, &info);
    cr_targets_done(&scratch);
    return r;
}

int cr_repo_draft_news(struct cr_repo *repo, const struct cr_repo_draft *draft,
                       unsigned *ret_changes, struct cr_error *err)
{
    struct cr_targets before = {0};
    struct gather gather = {.repo = repo, .draft = draft, .targets = &before, .err = err};
    int r = targets_begin(repo, &before);
    if (r < 0)
        return cr_error_errno(err, r, "the news of a draft");
    r = cr_targets_each(&repo->draft_targets, NULL, version_check, &gather, err);
    if (r == 0)
        r = cr_repo_compare(&before, &repo->draft_targets, draft, ret_changes);
    cr_targets_done(&before);
    return r;
}
