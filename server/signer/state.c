/* SPDX-License-Identifier: MIT */
#include "server/signer/state.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char *const file_names[CR_ROLE_COUNT] = {
    [CR_ROLE_ROOT] = "root.json",
    [CR_ROLE_SNAPSHOT] = "snapshot.json",
    [CR_ROLE_TIMESTAMP] = "timestamp.json",
};

/* --- keys ---------------------------------------------------------------------------------------
 */

static bool is_key_name(const char *name)
{
    return fnmatch("snapshot*.pem", name, 0) == 0 || fnmatch("timestamp*.pem", name, 0) == 0;
}

static int keys_open(struct state *state, struct cr_error *err)
{
    CLEANUP_CLOSEDIR DIR *dir = opendir(state->dir);
    if (dir == NULL)
        return cr_error_errno(err, -errno, "the signer's folder '%s'", state->dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[sizeof(state->dir) + 300];
        if (!is_key_name(entry->d_name))
            continue;
        if (state->key_count == STATE_KEYS_MAX)
            return cr_error_set(err, -ENOSPC, "the signer's folder '%s' holds more than %d keys",
                                state->dir, STATE_KEYS_MAX);
        snprintf(path, sizeof(path), "%s/%s", state->dir, entry->d_name);
        int r = cr_signer_open(path, NULL, &state->keys[state->key_count], err);
        if (r < 0)
            return r;
        state->key_count++;
    }
    if (state->key_count == 0)
        return cr_error_set(err, -ENOENT,
                            "the signer's folder '%s' holds no key 'snapshot.pem' or "
                            "'timestamp.pem'; `carrel trust init` makes them",
                            state->dir);
    return 0;
}

int state_keys_check(const struct state *state, const struct cr_root *root, struct cr_error *err)
{
    static const enum cr_role foreign[] = {CR_ROLE_ROOT, CR_ROLE_TARGETS};
    for (unsigned k = 0; k < state->key_count; k++)
        for (size_t i = 0; i < CR_ARRAY_LEN(foreign); i++)
            for (uint32_t j = 0; j < root->roles[foreign[i]].count; j++) {
                const char *keyid = root->roles[foreign[i]].keyids[j];
                const struct cr_trust_key *key = cr_root_key(root, keyid);
                if (key != NULL && cr_id_equal(&key->public, &state->keys[k]->key.public))
                    return cr_error_set(err, -EKEYREJECTED,
                                        "the signer's folder '%s' holds a key of %s, which must "
                                        "not be on a server: take it away and revoke it",
                                        state->dir, cr_roles[foreign[i]].name);
            }
    return 0;
}

/* --- files --------------------------------------------------------------------------------------
 */

/* 0 also when there is none: then `bytes` is empty. */
static int file_read(struct state *state, enum cr_role role, struct cr_buf *bytes,
                     struct cr_trust_envelope *ret_envelope, struct cr_error *err)
{
    cr_buf_init(bytes, cr_roles[role].bytes_max);
    int r = cr_file_read(state->dir_fd, file_names[role], bytes);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return cr_error_errno(err, r, "'%s/%s'", state->dir, file_names[role]);
    r = cr_envelope_parse(bytes->data, bytes->len, role, ret_envelope, err);
    return r < 0 ? cr_error_prefix(err, r, "'%s/%s'", state->dir, file_names[role]) : 0;
}

static int root_read(struct state *state, struct cr_error *err)
{
    struct cr_trust_envelope envelope = {0};
    int r = file_read(state, CR_ROLE_ROOT, &state->root_file, &envelope, err);
    if (r == 0 && state->root_file.len > 0)
        r = cr_root_parse(envelope.signed_json, &state->root, err);
    if (r == 0 && state->root_file.len > 0)
        r = cr_trust_verify(&envelope, &state->root, CR_ROLE_ROOT, err);
    cr_envelope_done(&envelope);
    return r;
}

static int pointers_read(struct state *state, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(1);
    struct cr_trust_envelope envelope = {0};
    int r =
        file_read(state, CR_ROLE_SNAPSHOT, &state->snapshot_file, &state->snapshot_envelope, err);
    if (r == 0 && state->snapshot_file.len > 0)
        r = cr_snapshot_parse(state->snapshot_envelope.signed_json, &state->snapshot, err);
    if (r == 0)
        r = file_read(state, CR_ROLE_TIMESTAMP, &bytes, &envelope, err);
    if (r == 0 && bytes.len > 0)
        r = cr_timestamp_parse(envelope.signed_json, &state->timestamp, err);
    cr_envelope_done(&envelope);
    return r;
}

int state_write(struct state *state, enum cr_role role, const struct cr_buf *bytes,
                struct cr_error *err)
{
    int r = cr_file_replace(state->dir_fd, file_names[role], bytes->data, bytes->len, 0644);
    return r < 0 ? cr_error_errno(err, r, "'%s/%s'", state->dir, file_names[role]) : 0;
}

void state_root_set(struct state *state, struct cr_root *root, const struct cr_buf *bytes)
{
    cr_root_done(&state->root);
    state->root = *root;
    *root = (struct cr_root){0};
    cr_buf_done(&state->root_file);
    cr_buf_append(&state->root_file, bytes->data, bytes->len);
}

/* --- life ----------------------------------------------------------------------------------------
 */

int state_open(struct state *state, const char *dir, struct cr_error *err)
{
    *state = (struct state){.dir_fd = -1};
    if (strlen(dir) >= sizeof(state->dir))
        return cr_error_set(err, -ENAMETOOLONG, "the signer's folder '%.100s...'", dir);
    snprintf(state->dir, sizeof(state->dir), "%s", dir);
    state->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->dir_fd < 0)
        return cr_error_errno(err, -errno, "the signer's folder '%s'", dir);
    if (flock(state->dir_fd, LOCK_EX | LOCK_NB) < 0)
        return cr_error_set(
            err, -EBUSY, "another signer works on the folder '%s'; name its socket instead", dir);
    int r = root_read(state, err);
    if (r == 0)
        r = pointers_read(state, err);
    if (r == 0)
        r = keys_open(state, err);
    return r == 0 ? state_keys_check(state, &state->root, err) : r;
}

void state_done(struct state *state)
{
    for (unsigned i = 0; i < state->key_count; i++)
        cr_signer_close(state->keys[i]);
    cr_root_done(&state->root);
    cr_buf_done(&state->root_file);
    cr_pointer_done(&state->snapshot);
    cr_pointer_done(&state->timestamp);
    cr_buf_done(&state->snapshot_file);
    cr_envelope_done(&state->snapshot_envelope);
    if (state->dir_fd >= 0)
        close(state->dir_fd);
    state->dir_fd = -1;
}
