/* SPDX-License-Identifier: MIT */
#include "server/signer/notary.h"

#include "lib/base/mem.h"
#include "lib/trust/targets.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- roots ---------------------------------------------------------------------------------------
 */

static bool key_is_of(const struct cr_root *root, enum cr_role role, const char *keyid)
{
    for (uint32_t i = 0; i < root->roles[role].count; i++)
        if (strcmp(root->roles[role].keyids[i], keyid) == 0)
            return true;
    return false;
}

/* A root under which nothing could be signed here must not be taken: there is no way back. */
static int keys_suffice(const struct state *state, const struct cr_root *root, struct cr_error *err)
{
    static const enum cr_role ours[] = {CR_ROLE_SNAPSHOT, CR_ROLE_TIMESTAMP};
    for (size_t i = 0; i < CR_ARRAY_LEN(ours); i++) {
        uint32_t held = 0;
        for (unsigned k = 0; k < state->key_count; k++)
            held += key_is_of(root, ours[i], state->keys[k]->key.keyid);
        if (held < root->roles[ours[i]].threshold)
            return cr_error_set(err, -ENOKEY,
                                "the signer's folder '%s' lacks the key that it names for %s: put "
                                "it there first",
                                state->dir, cr_roles[ours[i]].name);
    }
    return 0;
}

/*
 * The next root: signed as the trusted one demands, and as it demands itself. The last one decides
 * whether our keys are the right ones.
 */
static int root_take(struct state *state, const struct cr_note_part *part, bool is_last,
                     struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    struct cr_root root = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_ROOT_BYTES_MAX);
    int r = cr_envelope_parse(part->data, part->len, CR_ROLE_ROOT, &envelope, err);
    if (r == 0)
        r = cr_root_parse(envelope.signed_json, &root, err);
    if (r == 0 && root.common.version != state->root.common.version + 1)
        r = cr_error_set(err, -EBADMSG, "it says that its version is %" PRIu64,
                         root.common.version);
    if (r == 0 && state->root.common.version > 0)
        r = cr_trust_verify(&envelope, &state->root, CR_ROLE_ROOT, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &root, CR_ROLE_ROOT, err);
    if (r == 0)
        r = state_keys_check(state, &root, err);
    if (r == 0 && is_last)
        r = keys_suffice(state, &root, err);
    if (r == 0 && cr_buf_append(&bytes, part->data, part->len) < 0)
        r = cr_error_errno(err, -ENOMEM, "a root");
    if (r == 0)
        r = state_write(state, CR_ROLE_ROOT, &bytes, err);
    if (r == 0)
        state_root_set(state, &root, &bytes);
    cr_root_done(&root);
    cr_envelope_done(&envelope);
    return r;
}

static bool is_trusted_root(const struct state *state, const struct cr_note_part *part)
{
    return part->len == state->root_file.len &&
           memcmp(part->data, state->root_file.data, part->len) == 0;
}

static int roots_take(struct state *state, const struct cr_note *note, struct cr_error *err)
{
    char name[64];
    snprintf(name, sizeof(name), "%" PRIu64 ".root.json", state->root.common.version);
    const struct cr_note_part *same = cr_note_find(note, name);
    if (state->root.common.version > 0 && (same == NULL || !is_trusted_root(state, same)))
        return cr_error_set(err, -EKEYREJECTED,
                            "its '%s' is not the root that is trusted here: another repository, or "
                            "an older state of it",
                            name);
    for (;;) {
        snprintf(name, sizeof(name), "%" PRIu64 ".root.json", state->root.common.version + 1);
        const struct cr_note_part *part = cr_note_find(note, name);
        if (part == NULL)
            break;
        char after[64];
        snprintf(after, sizeof(after), "%" PRIu64 ".root.json", state->root.common.version + 2);
        int r = root_take(state, part, cr_note_find(note, after) == NULL, err);
        if (r < 0)
            return cr_error_prefix(err, r, "'%s'", name);
    }
    if (state->root.common.version == 0)
        return cr_error_set(err, -ENOENT, "no root is trusted here and none was sent");
    return 0;
}

/* --- targets
 * -------------------------------------------------------------------------------------- */

static int targets_follow(const struct state *state, const struct cr_note_part *part,
                          uint64_t version, struct cr_error *err)
{
    const struct cr_meta_file *last = &state->snapshot.next;
    if (state->snapshot.common.version == 0 || version > last->version)
        return 0;
    if (version < last->version)
        return cr_error_set(err, -ESTALE,
                            "its version %" PRIu64 " is older than %" PRIu64
                            ", which was signed before: versions never go back",
                            version, last->version);
    if (cr_meta_file_check(last, "targets.json", part->data, part->len, NULL) < 0)
        return cr_error_set(err, -ESTALE,
                            "another file of version %" PRIu64 " was signed before: give it a new "
                            "version",
                            version);
    return 0;
}

static int targets_check(const struct state *state, const struct cr_note_part *part, int64_t now_s,
                         struct cr_meta_file *ret_meta, struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    struct cr_targets targets = {0};
    char expires[CR_EXPIRES_TEXT];
    int r = cr_envelope_parse(part->data, part->len, CR_ROLE_TARGETS, &envelope, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &state->root, CR_ROLE_TARGETS, err);
    if (r == 0)
        r = cr_targets_parse(envelope.signed_json, &targets, err);
    if (r == 0)
        r = targets_follow(state, part, targets.common.version, err);
    if (r == 0 && targets.common.expires_s <= now_s)
        r = cr_error_set(err, -EKEYEXPIRED,
                         "it expired at %s: sign it anew with `carrel trust sign`",
                         cr_expires_format(targets.common.expires_s, expires));
    if (r == 0)
        cr_meta_file_of(targets.common.version, part->data, part->len, ret_meta);
    cr_targets_done(&targets);
    cr_envelope_done(&envelope);
    return r < 0 ? cr_error_prefix(err, r, "'targets.json'") : 0;
}

/* --- signing
 * -------------------------------------------------------------------------------------- */

/* Sign with all keys of the role that are held here, and see that this is enough. */
static int sign(struct state *state, enum cr_role role, const struct cr_pointer *pointer,
                struct cr_buf *bytes, struct cr_error *err)
{
    CLEANUP_JSON json_t *json = NULL;
    struct cr_trust_envelope envelope = {0};
    int r = role == CR_ROLE_SNAPSHOT ? cr_snapshot_format(pointer, &json)
                                     : cr_timestamp_format(pointer, &json);
    if (r == 0)
        r = cr_envelope_new(json, &envelope);
    if (r < 0)
        return cr_error_errno(err, r, "a new %s", cr_roles[role].name);
    for (unsigned i = 0; i < state->key_count && r == 0; i++)
        if (key_is_of(&state->root, role, state->keys[i]->key.keyid))
            r = cr_envelope_sign(&envelope, state->keys[i], err);
    if (r == 0 && cr_trust_verify(&envelope, &state->root, role, NULL) < 0)
        r = cr_error_set(err, -ENOKEY,
                         "the signer's folder '%s' lacks the keys that version %" PRIu64
                         " of the root names for %s",
                         state->dir, state->root.common.version, cr_roles[role].name);
    if (r == 0) {
        r = cr_envelope_format(&envelope, bytes);
        if (r < 0)
            cr_error_errno(err, r, "a new %s", cr_roles[role].name);
    }
    cr_envelope_done(&envelope);
    return r;
}

/* The last snapshot serves again while its keys hold and it is valid for longer than half. */
static bool snapshot_serves(const struct state *state, const struct cr_meta_file *targets,
                            const struct notary_settings *settings)
{
    const struct cr_pointer *last = &state->snapshot;
    return last->common.version > 0 && last->next.version == targets->version &&
           cr_trust_verify(&state->snapshot_envelope, &state->root, CR_ROLE_SNAPSHOT, NULL) == 0 &&
           last->common.expires_s > settings->now_s + settings->snapshot_s / 2;
}

static int snapshot_make(struct state *state, const struct cr_meta_file *targets,
                         const struct notary_settings *settings, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_SNAPSHOT_BYTES_MAX);
    struct cr_pointer next = {.next = *targets};
    if (snapshot_serves(state, targets, settings))
        return 0;
    next.common.version = state->snapshot.common.version + 1;
    next.common.expires_s = settings->now_s + settings->snapshot_s;
    int r = sign(state, CR_ROLE_SNAPSHOT, &next, &bytes, err);
    if (r == 0)
        r = state_write(state, CR_ROLE_SNAPSHOT, &bytes, err);
    if (r < 0)
        return r;
    struct cr_trust_envelope envelope = {0};
    r = cr_envelope_parse(bytes.data, bytes.len, CR_ROLE_SNAPSHOT, &envelope, err);
    if (r < 0)
        return r;
    cr_envelope_done(&state->snapshot_envelope);
    state->snapshot_envelope = envelope;
    cr_pointer_done(&state->snapshot);
    state->snapshot = next;
    cr_buf_done(&state->snapshot_file);
    r = cr_buf_append(&state->snapshot_file, bytes.data, bytes.len);
    return r < 0 ? cr_error_errno(err, r, "a new snapshot") : 0;
}

static int timestamp_make(struct state *state, const struct notary_settings *settings,
                          struct cr_buf *bytes, struct cr_error *err)
{
    struct cr_pointer next = {0};
    next.common.version = state->timestamp.common.version + 1;
    next.common.expires_s = settings->now_s + settings->timestamp_s;
    cr_meta_file_of(state->snapshot.common.version, state->snapshot_file.data,
                    state->snapshot_file.len, &next.next);
    int r = sign(state, CR_ROLE_TIMESTAMP, &next, bytes, err);
    if (r == 0)
        r = state_write(state, CR_ROLE_TIMESTAMP, bytes, err);
    if (r == 0) {
        cr_pointer_done(&state->timestamp);
        state->timestamp = next;
    }
    return r;
}

int notary_answer(struct state *state, const struct cr_note *note,
                  const struct notary_settings *settings, struct cr_buf *answer,
                  struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf timestamp = CR_BUF_INIT(CR_TRUST_TIMESTAMP_BYTES_MAX);
    char expires[CR_EXPIRES_TEXT];
    struct cr_meta_file targets;
    const struct cr_note_part *part = cr_note_find(note, "targets.json");
    int r = roots_take(state, note, err);
    if (r == 0 && state->root.common.expires_s <= settings->now_s)
        r = cr_error_set(err, -EKEYEXPIRED,
                         "the root expired at %s: sign a new one with `carrel trust sign --renew`",
                         cr_expires_format(state->root.common.expires_s, expires));
    if (r == 0 && part == NULL)
        r = cr_error_set(err, -ENOENT, "no targets were sent");
    if (r == 0)
        r = targets_check(state, part, settings->now_s, &targets, err);
    if (r == 0)
        r = snapshot_make(state, &targets, settings, err);
    if (r == 0)
        r = timestamp_make(state, settings, &timestamp, err);
    if (r < 0)
        return r;
    r = cr_note_begin(answer, 2);
    if (r == 0)
        r = cr_note_add(answer, "snapshot.json", state->snapshot_file.data,
                        state->snapshot_file.len);
    if (r == 0)
        r = cr_note_add(answer, "timestamp.json", timestamp.data, timestamp.len);
    return r < 0 ? cr_error_errno(err, r, "an answer") : 0;
}
