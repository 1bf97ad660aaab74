/* SPDX-License-Identifier: MIT */
/* The client's folder: read, verified, asked. */
#include "lib/trust/client.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/trust/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

const char *trusted_name(enum cr_role role, char out[static TRUSTED_NAME_TEXT])
{
    snprintf(out, TRUSTED_NAME_TEXT, "%s.json", cr_roles[role].name);
    return out;
}

void trusted_done(struct trusted *trusted)
{
    cr_root_done(&trusted->root);
    cr_pointer_done(&trusted->timestamp);
    cr_pointer_done(&trusted->snapshot);
    cr_targets_done(&trusted->targets);
    *trusted = (struct trusted){0};
}

/* --- reading --------------------------------------------------------------------------------- */

int trusted_root_parse(const struct cr_buf *bytes, struct cr_root *ret_root, struct cr_error *err)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_root_done) struct cr_root root = {0};
    int r = cr_envelope_parse(bytes->data, bytes->len, CR_ROLE_ROOT, &envelope, err);
    if (r == 0)
        r = cr_root_parse(envelope.signed_json, &root, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &root, CR_ROLE_ROOT, err);
    if (r < 0)
        return r;
    *ret_root = root;
    root = (struct cr_root){0};
    return 0;
}

static int load_root(int dir_fd, struct trusted *trusted, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_ROOT_BYTES_MAX);
    int r = cr_file_read(dir_fd, "root.json", &bytes);
    if (r == -ENOENT)
        return cr_error_set(
            err, r, "it holds no trusted root: put the site's first root there (root.json)");
    if (r < 0)
        return cr_error_errno(err, r, "reading 'root.json'");
    r = trusted_root_parse(&bytes, &trusted->root, err);
    return r < 0 ? cr_error_prefix(err, r, "its 'root.json'") : 0;
}

/*
 * The file of `role` and its envelope, when it is there and the root's keys signed it. Returns 0
 * with an empty envelope when it is not; an error only when it cannot be said: to take a file that
 * cannot be read for absent would forget the versions that were seen.
 */
static int load_envelope(int dir_fd, const struct trusted *trusted, enum cr_role role,
                         struct cr_buf *bytes, struct cr_trust_envelope *ret_envelope,
                         struct cr_error *err)
{
    char name[TRUSTED_NAME_TEXT];
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    int r = cr_file_read(dir_fd, trusted_name(role, name), bytes);
    if (r == -ENOENT || r == -EMSGSIZE)
        return 0;
    if (r < 0)
        return cr_error_errno(err, r, "reading '%s'", name);
    r = cr_envelope_parse(bytes->data, bytes->len, role, &envelope, NULL);
    if (r == -ENOMEM)
        return cr_error_errno(err, r, "reading '%s'", name);
    if (r < 0 || cr_trust_verify(&envelope, &trusted->root, role, NULL) < 0)
        return 0;
    *ret_envelope = envelope;
    envelope = (struct cr_trust_envelope){0};
    return 0;
}

/* 1 when the file is there and good, 0 when not, or -errno. */
static int load_pointer(int dir_fd, const struct trusted *trusted, enum cr_role role,
                        struct cr_pointer *ret_pointer, struct cr_buf *bytes, struct cr_error *err)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    int r = load_envelope(dir_fd, trusted, role, bytes, &envelope, err);
    if (r < 0 || envelope.json == NULL)
        return r;
    r = role == CR_ROLE_TIMESTAMP ? cr_timestamp_parse(envelope.signed_json, ret_pointer, NULL)
                                  : cr_snapshot_parse(envelope.signed_json, ret_pointer, NULL);
    return r == -ENOMEM ? cr_error_errno(err, r, "metadata") : r == 0;
}

static int load_targets(int dir_fd, struct trusted *trusted, struct cr_buf *bytes,
                        struct cr_error *err)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    int r = load_envelope(dir_fd, trusted, CR_ROLE_TARGETS, bytes, &envelope, err);
    if (r < 0 || envelope.json == NULL)
        return r;
    r = cr_targets_parse(envelope.signed_json, &trusted->targets, NULL);
    return r == -ENOMEM ? cr_error_errno(err, r, "metadata") : r == 0;
}

static bool fits(const struct cr_pointer *from, uint64_t version, const struct cr_buf *bytes)
{
    return from->common.version > 0 && from->next.version == version &&
           cr_meta_file_check(&from->next, "", bytes->data, bytes->len, NULL) == 0;
}

static int load_pointers(int dir_fd, struct trusted *trusted, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf timestamp = CR_BUF_INIT(CR_TRUST_TIMESTAMP_BYTES_MAX);
    CLEANUP_BUF struct cr_buf snapshot = CR_BUF_INIT(CR_TRUST_SNAPSHOT_BYTES_MAX);
    int r = trusted_recovering(dir_fd, trusted->root.common.version);
    if (r != 0)
        return r < 0 ? cr_error_errno(err, r, "reading '%s'", TRUSTED_RECOVER) : 0;
    r = load_pointer(dir_fd, trusted, CR_ROLE_TIMESTAMP, &trusted->timestamp, &timestamp, err);
    if (r >= 0)
        r = load_pointer(dir_fd, trusted, CR_ROLE_SNAPSHOT, &trusted->snapshot, &snapshot, err);
    if (r > 0)
        trusted->snapshot_fits =
            fits(&trusted->timestamp, trusted->snapshot.common.version, &snapshot);
    return r < 0 ? r : 0;
}

int trusted_load(int dir_fd, struct trusted *ret_trusted, struct cr_error *err)
{
    struct trusted trusted = {0};
    CLEANUP_BUF struct cr_buf targets = CR_BUF_INIT(CR_TRUST_TARGETS_BYTES_MAX);
    int r = load_root(dir_fd, &trusted, err);
    if (r == 0)
        r = load_pointers(dir_fd, &trusted, err);
    if (r == 0)
        r = load_targets(dir_fd, &trusted, &targets, err);
    if (r < 0) {
        trusted_done(&trusted);
        return r;
    }
    trusted.targets_fit =
        r > 0 && fits(&trusted.snapshot, trusted.targets.common.version, &targets);
    *ret_trusted = trusted;
    return 0;
}

int trusted_recovering(int dir_fd, uint64_t root_version)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(64);
    uint64_t version;
    int r = cr_file_read(dir_fd, TRUSTED_RECOVER, &text);
    if (r == 0)
        r = cr_buf_append(&text, "", 1);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    r = cr_u64_parse((const char *)text.data, INT64_MAX, &version);
    return r == 0 && root_version >= version;
}

/* --- the folder ------------------------------------------------------------------------------ */

int cr_trust_client_init(const char *dir, const void *root, size_t len, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_ROOT_BYTES_MAX);
    CLEANUP(cr_root_done) struct cr_root parsed = {0};
    int r = cr_buf_append(&bytes, root, len);
    if (r == -EMSGSIZE)
        cr_error_set(err, r, "it has more than %llu bytes", CR_TRUST_ROOT_BYTES_MAX);
    else if (r < 0)
        cr_error_errno(err, r, "a root");
    else
        r = trusted_root_parse(&bytes, &parsed, err);
    if (r < 0)
        return cr_error_prefix(err, r, "the first root for '%s' is refused", dir);
    r = cr_dir_make(AT_FDCWD, dir, 0755);
    if (r < 0)
        return cr_error_errno(err, r, "making the folder '%s'", dir);
    CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cr_error_errno(err, -errno, "opening the folder '%s'", dir);
    if (faccessat(fd, "root.json", F_OK, 0) == 0)
        return cr_error_set(err, -EEXIST,
                            "the folder '%s' has a trusted root already: it is replaced only by "
                            "roots that its keys signed",
                            dir);
    r = cr_file_replace(fd, "root.json", root, len, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing '%s/root.json'", dir) : 0;
}

int cr_trust_client_open(const char *dir, struct cr_trust_client **ret_client, struct cr_error *err)
{
    struct cr_trust_client *client = cr_calloc(1, sizeof(*client));
    if (client == NULL)
        return cr_error_errno(err, -ENOMEM, "opening the trusted metadata '%s'", dir);
    client->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    client->dir = strdup(dir);
    int r = client->dir_fd < 0 ? -errno : client->dir == NULL ? -ENOMEM : 0;
    if (r < 0)
        cr_error_errno(err, r, "opening the trusted metadata '%s'", dir);
    else if ((r = trusted_load(client->dir_fd, &client->now, err)) < 0)
        cr_error_prefix(err, r, "opening the trusted metadata '%s'", dir);
    if (r < 0) {
        cr_trust_client_free(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

void cr_trust_client_free(struct cr_trust_client *client)
{
    if (client == NULL)
        return;
    trusted_done(&client->now);
    if (client->dir_fd >= 0)
        close(client->dir_fd);
    free(client->dir);
    free(client);
}

/* --- asking ---------------------------------------------------------------------------------- */

static const struct cr_role_common *common_of(const struct trusted *trusted, enum cr_role role)
{
    switch (role) {
    case CR_ROLE_ROOT:
        return &trusted->root.common;
    case CR_ROLE_TARGETS:
        return &trusted->targets.common;
    case CR_ROLE_SNAPSHOT:
        return &trusted->snapshot.common;
    case CR_ROLE_TIMESTAMP:
    case CR_ROLE_COUNT:
    default:
        return &trusted->timestamp.common;
    }
}

/* The role that expired first, or CR_ROLE_COUNT. */
static enum cr_role expired_role(const struct cr_trust_state *state, int64_t now_s)
{
    enum cr_role first = CR_ROLE_COUNT;
    for (int role = 0; role < CR_ROLE_COUNT; role++)
        if (state->versions[role] > 0 && state->expires_s[role] <= now_s &&
            (first == CR_ROLE_COUNT || state->expires_s[role] < state->expires_s[first]))
            first = (enum cr_role)role;
    return first;
}

static void warn_expired(struct cr_trust_state *state, enum cr_role role)
{
    char when[CR_EXPIRES_TEXT];
    static const char *const advice[CR_ROLE_COUNT] = {
        [CR_ROLE_ROOT] = "sign a new root",
        [CR_ROLE_TARGETS] = "sign the targets again",
        [CR_ROLE_SNAPSHOT] = "look whether the server's signer runs",
        [CR_ROLE_TIMESTAMP] = "look whether the server can be reached and its signer runs",
    };
    snprintf(state->warning, sizeof(state->warning),
             "the signed %s metadata expired at %s, so there may be a newer version that this seat "
             "does not know; the last verified one is used: %s",
             cr_roles[role].name, cr_expires_format(state->expires_s[role], when), advice[role]);
}

void cr_trust_client_state(const struct cr_trust_client *client, int64_t now_s,
                           struct cr_trust_state *ret_state)
{
    const struct trusted *now = &client->now;
    struct cr_trust_state state = {.health = CR_TRUST_CURRENT};
    for (int role = 0; role < CR_ROLE_COUNT; role++) {
        state.versions[role] = common_of(now, (enum cr_role)role)->version;
        state.expires_s[role] = common_of(now, (enum cr_role)role)->expires_s;
    }
    enum cr_role expired = expired_role(&state, now_s);
    if (state.versions[CR_ROLE_TARGETS] == 0) {
        state.health = CR_TRUST_EMPTY;
        snprintf(state.warning, sizeof(state.warning),
                 "no version is verified: the signed metadata has not been fetched, or the keys "
                 "that signed it were revoked; connect to the server and refresh");
    } else if (!now->snapshot_fits || !now->targets_fit) {
        state.health = CR_TRUST_INTERRUPTED;
        snprintf(state.warning, sizeof(state.warning),
                 "the last refresh of the signed metadata did not end, so there may be a newer "
                 "version; the last verified one is used: refresh again");
    } else if (expired != CR_ROLE_COUNT) {
        state.health = CR_TRUST_EXPIRED;
        warn_expired(&state, expired);
    }
    *ret_state = state;
}

const struct cr_root *cr_trust_client_root(const struct cr_trust_client *client)
{
    return &client->now.root;
}

const struct cr_targets *cr_trust_client_targets(const struct cr_trust_client *client)
{
    return client->now.targets.common.version == 0 ? NULL : &client->now.targets;
}

int cr_trust_resolve(const struct cr_trust_client *client, const struct cr_ref *ref, int64_t now_s,
                     struct cr_trust_version *ret_version, struct cr_error *err)
{
    const struct cr_targets *targets = cr_trust_client_targets(client);
    if (targets == NULL)
        return cr_error_set(err, -ENOKEY,
                            "'%s' holds no verified targets, so no version can be trusted: refresh "
                            "it from the server",
                            client->dir);
    return cr_targets_resolve(targets, ref, now_s, ret_version, err);
}
