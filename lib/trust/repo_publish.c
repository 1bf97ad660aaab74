/* SPDX-License-Identifier: MIT */
/*
 * From drafts with enough signatures to what clients see. Any crash between two steps leaves
 * numbered files that nothing refers to yet, and the drafts, so that doing it again goes on:
 *
 *   N.targets.json   made once; the number is not used again
 *   signer           verifies root and targets, gives snapshot and timestamp
 *   N.root.json      clients take it from here on
 *   N.snapshot.json  made once
 *   timestamp.json   compare-and-set: from here on clients see the rest
 */
#include "lib/base/mem.h"
#include "lib/store/side.h"
#include "lib/trust/note.h"
#include "lib/trust/repo_file.h"

#include <errno.h>
#include <inttypes.h>

/* --- writing -----------------------------------------------------------------------------------
 */

static int side_same(struct cr_store *store, const char *name, const void *data, size_t len)
{
    CLEANUP_BUF struct cr_buf there = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(store, CR_SPACE_TRUST, name, &there, NULL);
    return r == 0 && there.len == len && memcmp(there.data, data, len) == 0;
}

/* Make a numbered file; one that holds the same already is as good. */
static int numbered_put(struct cr_repo *repo, uint64_t version, enum cr_role role, const void *data,
                        size_t len, struct cr_error *err)
{
    char name[CR_REPO_NAME_BYTES];
    struct cr_store *store = repo->store;
    cr_repo_name(version, role, name);
    int r = store->ops->side_replace(store, CR_SPACE_TRUST, name, NULL, data, len, err);
    if (r == -EAGAIN && side_same(store, name, data, len))
        return 0;
    if (r == -EAGAIN)
        return cr_error_set(err, r, "somebody else has just published '%s': run the command again",
                            name);
    return r;
}

static int timestamp_put(struct cr_repo *repo, const void *data, size_t len, struct cr_error *err)
{
    struct cr_store *store = repo->store;
    const struct cr_id *expected =
        repo->timestamp.common.version > 0 ? &repo->timestamp_hash : NULL;
    int r = store->ops->sync(store, err);
    if (r == 0)
        r = store->ops->side_replace(store, CR_SPACE_TRUST, "timestamp.json", expected, data, len,
                                     err);
    if (r == -EAGAIN)
        return cr_error_set(err, r,
                            "somebody else has just published a timestamp: run the command again");
    return r;
}

/* --- what is ready ------------------------------------------------------------------------------
 */

static bool is_ready(const struct cr_repo *repo, enum cr_role role)
{
    struct cr_repo_signed state;
    const struct cr_repo_file *file =
        role == CR_ROLE_ROOT ? &repo->draft_root_file : &repo->draft_targets_file;
    cr_repo_draft_state(repo, role, &state);
    return file->present && state.have >= state.need;
}

/* The files that clients shall see next. */
struct next {
    const struct cr_root *root;
    const struct cr_repo_file *new_root;              /* NULL: the root stays */
    const struct cr_repo_file *targets, *new_targets; /* NULL: they stay */
    uint64_t targets_version;
};

static bool accepts(const struct cr_root *root, const struct cr_repo_file *targets)
{
    return targets->present &&
           cr_trust_verify(&targets->envelope, root, CR_ROLE_TARGETS, NULL) == 0;
}

/* False when a root has to wait for targets that it accepts, or when there is no root yet. */
static bool next_choose(const struct cr_repo *repo, struct next *ret_next)
{
    struct next next = {.root = &repo->root};
    if (is_ready(repo, CR_ROLE_ROOT)) {
        next.new_root = &repo->draft_root_file;
        next.root = &repo->draft_root;
    }
    if (next.new_root == NULL && repo->root_count == 0)
        return false;
    if (accepts(next.root, &repo->draft_targets_file)) {
        next.targets = next.new_targets = &repo->draft_targets_file;
        next.targets_version = repo->draft_targets.common.version;
    } else if (accepts(next.root, &repo->targets_file)) {
        next.targets = &repo->targets_file;
        next.targets_version = repo->targets.common.version;
    }
    *ret_next = next;
    return next.targets != NULL;
}

bool cr_repo_is_ready(const struct cr_repo *repo)
{
    struct next next = {0};
    return next_choose(repo, &next) && (next.new_root != NULL || next.new_targets != NULL);
}

/* --- asking the signer ---------------------------------------------------------------------------
 */

static int note_write(const struct cr_repo *repo, const struct next *next, struct cr_buf *note)
{
    char name[CR_REPO_NAME_BYTES];
    int r = cr_note_begin(note, repo->root_count + (next->new_root != NULL ? 2 : 1));
    for (uint32_t i = 0; i < repo->root_count && r == 0; i++)
        r = cr_note_add(note, cr_repo_name(i + 1, CR_ROLE_ROOT, name), repo->roots[i].bytes.data,
                        repo->roots[i].bytes.len);
    if (r == 0 && next->new_root != NULL)
        r = cr_note_add(note, cr_repo_name(repo->root_count + 1, CR_ROLE_ROOT, name),
                        next->new_root->bytes.data, next->new_root->bytes.len);
    if (r == 0)
        r = cr_note_add(note, "targets.json", next->targets->bytes.data, next->targets->bytes.len);
    return r;
}

/* The signer's answer: its refusal, or two files. */
static int answer_take(const struct cr_buf *answer, const struct cr_note_part **ret_snapshot,
                       const struct cr_note_part **ret_timestamp, struct cr_note *note,
                       struct cr_error *err)
{
    int r = cr_note_parse(answer->data, answer->len, note, err);
    if (r < 0)
        return cr_error_prefix(err, r, "the signer's answer");
    const struct cr_note_part *refusal = cr_note_find(note, "refusal");
    *ret_snapshot = cr_note_find(note, "snapshot.json");
    *ret_timestamp = cr_note_find(note, "timestamp.json");
    if (refusal != NULL)
        return cr_error_set(err, -EKEYREJECTED, "the signer refuses: %.*s", (int)refusal->len,
                            (const char *)refusal->data);
    if (*ret_snapshot == NULL || *ret_timestamp == NULL)
        return cr_error_set(err, -EPROTO, "the signer answered without a snapshot or timestamp");
    return 0;
}

/* What it signed must be what clients will accept with this root, for these targets. */
static int snapshot_check(const struct next *next, const struct cr_note_part *part,
                          uint64_t *ret_version, struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    struct cr_pointer snapshot = {0};
    int r = cr_envelope_parse(part->data, part->len, CR_ROLE_SNAPSHOT, &envelope, err);
    if (r < 0)
        return r;
    r = cr_trust_verify(&envelope, next->root, CR_ROLE_SNAPSHOT, err);
    if (r == 0)
        r = cr_snapshot_parse(envelope.signed_json, &snapshot, err);
    if (r == 0)
        r = cr_meta_file_check(&snapshot.next, "targets.json", next->targets->bytes.data,
                               next->targets->bytes.len, err);
    *ret_version = snapshot.common.version;
    cr_pointer_done(&snapshot);
    cr_envelope_done(&envelope);
    return r < 0 ? cr_error_prefix(err, r, "the signer's snapshot") : 0;
}

static int timestamp_check(const struct next *next, const struct cr_note_part *part,
                           const struct cr_note_part *snapshot, struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    struct cr_pointer timestamp = {0};
    int r = cr_envelope_parse(part->data, part->len, CR_ROLE_TIMESTAMP, &envelope, err);
    if (r < 0)
        return r;
    r = cr_trust_verify(&envelope, next->root, CR_ROLE_TIMESTAMP, err);
    if (r == 0)
        r = cr_timestamp_parse(envelope.signed_json, &timestamp, err);
    if (r == 0)
        r = cr_meta_file_check(&timestamp.next, "snapshot.json", snapshot->data, snapshot->len,
                               err);
    cr_pointer_done(&timestamp);
    cr_envelope_done(&envelope);
    return r < 0 ? cr_error_prefix(err, r, "the signer's timestamp") : 0;
}

/* --- in order ------------------------------------------------------------------------------------
 */

static int targets_put(struct cr_repo *repo, const struct next *next, struct cr_error *err)
{
    if (next->new_targets == NULL)
        return 0;
    int r = numbered_put(repo, next->targets_version, CR_ROLE_TARGETS,
                         next->new_targets->bytes.data, next->new_targets->bytes.len, err);
    return r == 0 ? repo->store->ops->sync(repo->store, err) : r;
}

static int root_put(struct cr_repo *repo, const struct next *next, struct cr_error *err)
{
    if (next->new_root == NULL)
        return 0;
    int r = numbered_put(repo, repo->root_count + 1, CR_ROLE_ROOT, next->new_root->bytes.data,
                         next->new_root->bytes.len, err);
    return r == 0 ? repo->store->ops->sync(repo->store, err) : r;
}

static int signed_put(struct cr_repo *repo, const struct next *next, const struct cr_buf *answer,
                      struct cr_error *err)
{
    const struct cr_note_part *snapshot = NULL, *timestamp = NULL;
    CLEANUP_FREE struct cr_note *note = cr_calloc(1, sizeof(*note));
    uint64_t version = 0;
    if (note == NULL)
        return cr_error_errno(err, -ENOMEM, "the signer's answer");
    int r = answer_take(answer, &snapshot, &timestamp, note, err);
    if (r == 0)
        r = snapshot_check(next, snapshot, &version, err);
    if (r == 0)
        r = timestamp_check(next, timestamp, snapshot, err);
    if (r == 0)
        r = root_put(repo, next, err);
    if (r == 0)
        r = numbered_put(repo, version, CR_ROLE_SNAPSHOT, snapshot->data, snapshot->len, err);
    return r < 0 ? r : timestamp_put(repo, timestamp->data, timestamp->len, err);
}

/*
 * A draft of a version that clients know is needed by nobody any more, and what is left of it is no
 * harm. What somebody else has drafted meanwhile is of a later version and stays.
 */
static void draft_sweep(struct cr_repo *repo, enum cr_role role, uint64_t published)
{
    const char *name = role == CR_ROLE_ROOT ? CR_REPO_DRAFT_ROOT : CR_REPO_DRAFT_TARGETS;
    struct cr_store *store = repo->store;
    struct cr_repo_file file = {0};
    if (cr_repo_file_read(store, name, role, &file, NULL) < 0)
        return;
    json_int_t version = json_integer_value(json_object_get(file.envelope.signed_json, "version"));
    if (version > 0 && (uint64_t)version <= published)
        store->ops->side_remove(store, CR_SPACE_TRUST, name, NULL);
    cr_repo_file_done(&file);
}

static void drafts_sweep(struct cr_repo *repo, const struct next *next)
{
    draft_sweep(repo, CR_ROLE_ROOT, repo->root_count + (next->new_root != NULL ? 1 : 0));
    draft_sweep(repo, CR_ROLE_TARGETS,
                next->new_targets != NULL ? next->targets_version : repo->targets.common.version);
}

int cr_repo_publish(struct cr_repo *repo, bool refresh, cr_repo_courier *courier, void *context,
                    enum cr_repo_outcome *ret_outcome, struct cr_error *err)
{
    struct next next = {0};
    CLEANUP_BUF struct cr_buf note = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    bool whole = next_choose(repo, &next);
    *ret_outcome = next.new_root != NULL && !whole ? CR_REPO_HELD : CR_REPO_NOTHING;
    if (!whole)
        return 0;
    if (!refresh && next.new_root == NULL && next.new_targets == NULL) {
        drafts_sweep(repo, &next); /* whoever published them may have been killed before */
        return 0;
    }
    int r = note_write(repo, &next, &note);
    if (r < 0)
        return cr_error_errno(err, r, "a note to the signer");
    r = targets_put(repo, &next, err);
    if (r == 0)
        r = courier(context, &note, &answer, err);
    if (r == 0)
        r = signed_put(repo, &next, &answer, err);
    if (r < 0)
        return r;
    drafts_sweep(repo, &next);
    *ret_outcome = CR_REPO_PUBLISHED;
    return 0;
}
