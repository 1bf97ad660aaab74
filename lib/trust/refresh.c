/* SPDX-License-Identifier: MIT */
/*
 * The workflow of the specification, sections 5.2 to 5.6: root, timestamp, snapshot, targets. Each
 * step verifies what came, then replaces the file of the folder, then the next one begins.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define LOCK_TRIES    500
#define LOCK_PAUSE_MS 20

struct refresh {
    int dir_fd;
    struct trusted_source from;
    struct trusted at; /* what is trusted so far */
};

/* --- one file -------------------------------------------------------------------------------- */

static int keep(const struct refresh *refresh, enum cr_role role, const struct cr_buf *bytes,
                struct cr_error *err)
{
    char name[TRUSTED_NAME_TEXT];
    int r =
        cr_file_replace(refresh->dir_fd, trusted_name(role, name), bytes->data, bytes->len, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing the trusted '%s'", name) : 0;
}

/* --- root ------------------------------------------------------------------------------------ */

/* Whether a key that could sign for `role` cannot any more. */
static bool lost_a_key(const struct cr_root *old, const struct cr_root *new_, enum cr_role role)
{
    const struct cr_role_keys *before = &old->roles[role], *after = &new_->roles[role];
    for (uint32_t i = 0; i < before->count; i++) {
        bool stays = false;
        for (uint32_t j = 0; j < after->count; j++)
            stays |= strcmp(before->keyids[i], after->keyids[j]) == 0;
        if (!stays)
            return true;
    }
    return false;
}

/*
 * Section 5.3.11: whoever had a key of timestamp or snapshot that was taken away may have signed
 * numbers so high that nothing would ever be newer. Both files are dropped. The marker is written
 * before the root and removed last, so a power cut at any point leaves either the old root with
 * both files, or the new root and the duty to drop them.
 */
static int forget_pointers(struct refresh *refresh, struct cr_error *err)
{
    int r = 0;
    if (unlinkat(refresh->dir_fd, "timestamp.json", 0) < 0 && errno != ENOENT)
        r = -errno;
    if (r == 0 && unlinkat(refresh->dir_fd, "snapshot.json", 0) < 0 && errno != ENOENT)
        r = -errno;
    if (r == 0)
        r = cr_dir_fsync(refresh->dir_fd, ".");
    if (r == 0 && unlinkat(refresh->dir_fd, TRUSTED_RECOVER, 0) < 0 && errno != ENOENT)
        r = -errno;
    if (r == 0)
        r = cr_dir_fsync(refresh->dir_fd, ".");
    cr_pointer_done(&refresh->at.timestamp);
    cr_pointer_done(&refresh->at.snapshot);
    refresh->at.snapshot_fits = refresh->at.targets_fit = false;
    return r < 0 ? cr_error_errno(err, r, "dropping the timestamp and snapshot of revoked keys")
                 : 0;
}

static int mark_recovery(const struct refresh *refresh, uint64_t version, struct cr_error *err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRIu64, version);
    int r = cr_file_replace(refresh->dir_fd, TRUSTED_RECOVER, text, (size_t)len, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing '%s'", TRUSTED_RECOVER) : 0;
}

/* Make `next`, whose file is `bytes`, the trusted root. */
static int take_root(struct refresh *refresh, struct cr_root *next, const struct cr_buf *bytes,
                     struct cr_error *err)
{
    struct cr_root *root = &refresh->at.root;
    bool rotated =
        lost_a_key(root, next, CR_ROLE_TIMESTAMP) || lost_a_key(root, next, CR_ROLE_SNAPSHOT);
    int r = rotated ? mark_recovery(refresh, next->common.version, err) : 0;
    if (r == 0)
        r = keep(refresh, CR_ROLE_ROOT, bytes, err);
    if (r == 0 && rotated)
        r = forget_pointers(refresh, err);
    if (r < 0)
        return r;
    cr_root_done(root);
    *root = *next;
    *next = (struct cr_root){0};
    return 0;
}

/* 1 = a newer root is trusted now, 0 = there is none, or -errno. */
static int next_root(struct refresh *refresh, const char *name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(0);
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_root_done) struct cr_root next = {0};
    int r = trusted_bring(&refresh->from, name, CR_TRUST_ROOT_BYTES_MAX, &bytes, err);
    if (r == -ENOENT && err != NULL)
        err->text[0] = '\0'; /* that is how it ends each time */
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = cr_envelope_parse(bytes.data, bytes.len, CR_ROLE_ROOT, &envelope, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &refresh->at.root, CR_ROLE_ROOT, err);
    if (r == 0)
        r = cr_root_parse(envelope.signed_json, &next, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &next, CR_ROLE_ROOT, err);
    if (r == 0)
        r = trusted_check_version(next.common.version, refresh->at.root.common.version + 1, err);
    if (r == 0)
        r = take_root(refresh, &next, &bytes, err);
    return r < 0 ? r : 1;
}

static int refresh_root(struct refresh *refresh, struct cr_error *err)
{
    char name[TRUSTED_NAME_TEXT];
    int r = 1;
    for (unsigned i = 0; r == 1 && i < CR_TRUST_ROTATIONS_MAX; i++) {
        snprintf(name, sizeof(name), "%" PRIu64 ".root.json", refresh->at.root.common.version + 1);
        r = next_root(refresh, name, err);
    }
    if (r < 0)
        return cr_error_prefix(err, r, "refused '%s'", name);
    r = trusted_check_age(&refresh->from, &refresh->at.root.common, err);
    return r < 0 ? cr_error_prefix(err, r, "the trusted root, version %" PRIu64 ", is the newest",
                                   refresh->at.root.common.version)
                 : 0;
}

/* --- timestamp ------------------------------------------------------------------------------- */

static int check_timestamp(const struct refresh *refresh, const struct cr_pointer *old,
                           const struct cr_pointer *new_, struct cr_error *err)
{
    if (new_->common.version < old->common.version)
        return cr_error_set(err, -ESTALE,
                            "it is version %" PRIu64 ", and version %" PRIu64 " was seen here",
                            new_->common.version, old->common.version);
    if (new_->common.version == old->common.version)
        return trusted_check_age(&refresh->from, &old->common, err);
    if (new_->next.version < old->next.version)
        return cr_error_set(err, -ESTALE,
                            "it names version %" PRIu64 " of the snapshot, and version %" PRIu64
                            " was seen here",
                            new_->next.version, old->next.version);
    return trusted_check_age(&refresh->from, &new_->common, err);
}

static int refresh_timestamp(struct refresh *refresh, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(0);
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_pointer_done) struct cr_pointer timestamp = {0};
    struct cr_pointer *old = &refresh->at.timestamp;
    int r =
        trusted_bring(&refresh->from, "timestamp.json", CR_TRUST_TIMESTAMP_BYTES_MAX, &bytes, err);
    if (r == 0)
        r = cr_envelope_parse(bytes.data, bytes.len, CR_ROLE_TIMESTAMP, &envelope, err);
    if (r == 0)
        r = cr_trust_verify(&envelope, &refresh->at.root, CR_ROLE_TIMESTAMP, err);
    if (r == 0)
        r = cr_timestamp_parse(envelope.signed_json, &timestamp, err);
    if (r == 0)
        r = check_timestamp(refresh, old, &timestamp, err);
    /* The same version again says nothing new, whatever else it says. */
    bool newer = r == 0 && timestamp.common.version > old->common.version;
    if (newer)
        r = keep(refresh, CR_ROLE_TIMESTAMP, &bytes, err);
    if (r < 0)
        return cr_error_prefix(err, r, "refused 'timestamp.json'");
    if (!newer)
        return 0;
    refresh->at.snapshot_fits = false; /* until the file on disk has been looked at */
    cr_pointer_done(old);
    *old = timestamp;
    timestamp = (struct cr_pointer){0};
    return 0;
}

/* --- snapshot and targets -------------------------------------------------------------------- */

/* The file of `role` that `meta` announces: "snapshot.json", "7.snapshot.json". */
static const char *announced_name(const struct refresh *refresh, enum cr_role role,
                                  const struct cr_meta_file *meta,
                                  char out[static TRUSTED_NAME_TEXT])
{
    if (!refresh->at.root.consistent_snapshot)
        return trusted_name(role, out);
    snprintf(out, TRUSTED_NAME_TEXT, "%" PRIu64 ".%s.json", meta->version, cr_roles[role].name);
    return out;
}

/*
 * An announced file, as far as it is the same for both roles: from the folder when the right one is
 * there already (`*ret_is_new` = false), else from the server.
 */
static int bring_announced(const struct refresh *refresh, enum cr_role role,
                           const struct cr_meta_file *meta, struct cr_buf *bytes,
                           struct cr_trust_envelope *envelope, struct cr_error *err)
{
    char name[TRUSTED_NAME_TEXT];
    announced_name(refresh, role, meta, name);
    size_t max = cr_roles[role].bytes_max;
    if (meta->has_length && meta->length < max)
        max = (size_t)meta->length;
    int r = trusted_bring(&refresh->from, name, max, bytes, err);
    if (r == 0)
        r = cr_meta_file_check(meta, name, bytes->data, bytes->len, err);
    if (r == 0)
        r = cr_envelope_parse(bytes->data, bytes->len, role, envelope, err);
    if (r == 0)
        r = cr_trust_verify(envelope, &refresh->at.root, role, err);
    return r;
}

static int fetch_snapshot(struct refresh *refresh, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(0);
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_pointer_done) struct cr_pointer snapshot = {0};
    struct cr_pointer *old = &refresh->at.snapshot;
    const struct cr_meta_file *meta = &refresh->at.timestamp.next;
    int r = bring_announced(refresh, CR_ROLE_SNAPSHOT, meta, &bytes, &envelope, err);
    if (r == 0)
        r = cr_snapshot_parse(envelope.signed_json, &snapshot, err);
    if (r == 0)
        r = trusted_check_version(snapshot.common.version, meta->version, err);
    if (r == 0 && old->common.version > 0)
        r = cr_snapshot_follows(old, &snapshot, err);
    if (r == 0)
        r = trusted_check_age(&refresh->from, &snapshot.common, err);
    if (r == 0)
        r = keep(refresh, CR_ROLE_SNAPSHOT, &bytes, err);
    if (r < 0)
        return r;
    cr_pointer_done(old);
    *old = snapshot;
    snapshot = (struct cr_pointer){0};
    refresh->at.targets_fit = false;
    return 0;
}

static int fetch_targets(struct refresh *refresh, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(0);
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_targets_done) struct cr_targets targets = {0};
    const struct cr_meta_file *meta = &refresh->at.snapshot.next;
    int r = bring_announced(refresh, CR_ROLE_TARGETS, meta, &bytes, &envelope, err);
    if (r == 0)
        r = cr_targets_parse(envelope.signed_json, &targets, err);
    if (r == 0)
        r = trusted_check_version(targets.common.version, meta->version, err);
    if (r == 0)
        r = trusted_check_age(&refresh->from, &targets.common, err);
    if (r == 0)
        r = keep(refresh, CR_ROLE_TARGETS, &bytes, err);
    return r;
}

/* What the folder has is as good as what the server has when it is the announced file. */
static bool folder_has(const struct refresh *refresh, enum cr_role role, uint64_t version,
                       const struct cr_meta_file *meta)
{
    char name[TRUSTED_NAME_TEXT];
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(cr_roles[role].bytes_max);
    return version == meta->version &&
           cr_file_read(refresh->dir_fd, trusted_name(role, name), &bytes) == 0 &&
           cr_meta_file_check(meta, name, bytes.data, bytes.len, NULL) == 0;
}

static int refresh_snapshot(struct refresh *refresh, struct cr_error *err)
{
    const struct cr_meta_file *meta = &refresh->at.timestamp.next;
    const struct cr_role_common *common = &refresh->at.snapshot.common;
    char name[TRUSTED_NAME_TEXT];
    int r = folder_has(refresh, CR_ROLE_SNAPSHOT, common->version, meta)
                ? trusted_check_age(&refresh->from, common, err)
                : fetch_snapshot(refresh, err);
    return r < 0 ? cr_error_prefix(err, r, "refused '%s'",
                                   announced_name(refresh, CR_ROLE_SNAPSHOT, meta, name))
                 : 0;
}

static int refresh_targets(struct refresh *refresh, struct cr_error *err)
{
    const struct cr_meta_file *meta = &refresh->at.snapshot.next;
    const struct cr_role_common *common = &refresh->at.targets.common;
    char name[TRUSTED_NAME_TEXT];
    int r = folder_has(refresh, CR_ROLE_TARGETS, common->version, meta)
                ? trusted_check_age(&refresh->from, common, err)
                : fetch_targets(refresh, err);
    return r < 0 ? cr_error_prefix(err, r, "refused '%s'",
                                   announced_name(refresh, CR_ROLE_TARGETS, meta, name))
                 : 0;
}

/* --- all ------------------------------------------------------------------------------------- */

/* What a refresh that was killed while it wrote has left behind. */
static void remove_leftovers(int dir_fd)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return;
    (void)TAKE_FD(fd);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strstr(entry->d_name, ".json.new") != NULL ||
            strncmp(entry->d_name, TRUSTED_RECOVER ".new", sizeof(TRUSTED_RECOVER ".new") - 1) == 0)
            unlinkat(dir_fd, entry->d_name, 0);
}

/* What the old root's keys signed may be worth nothing under the new one: all is looked at again.
 */
static int look_again(struct refresh *refresh, uint64_t root_version, struct cr_error *err)
{
    if (refresh->at.root.common.version == root_version)
        return 0;
    trusted_done(&refresh->at);
    return trusted_load(refresh->dir_fd, &refresh->at, err);
}

static int run(struct refresh *refresh, struct cr_error *err)
{
    int r = trusted_load(refresh->dir_fd, &refresh->at, err);
    if (r == 0) {
        remove_leftovers(refresh->dir_fd);
        r = trusted_recovering(refresh->dir_fd, refresh->at.root.common.version);
        r = r == 1 ? forget_pointers(refresh, err) : r;
    }
    uint64_t root_version = refresh->at.root.common.version;
    if (r == 0)
        r = refresh_root(refresh, err);
    if (r == 0)
        r = look_again(refresh, root_version, err);
    if (r == 0)
        r = refresh_timestamp(refresh, err);
    if (r == 0)
        r = refresh_snapshot(refresh, err);
    return r == 0 ? refresh_targets(refresh, err) : r;
}

/* One refresh at a time; another one is short, unless its server is silent. -EBUSY: it is long. */
static int lock_take(int lock)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        nanosleep(&pause, NULL);
    }
    return -EBUSY;
}

int cr_trust_refresh(struct cr_trust_client *client, cr_trust_fetch *fetch, void *context,
                     int64_t now_s, struct cr_error *err)
{
    struct refresh refresh = {.dir_fd = client->dir_fd,
                              .from = {.fetch = fetch, .context = context, .now_s = now_s}};
    CLEANUP_CLOSE int lock =
        openat(client->dir_fd, TRUSTED_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return cr_error_errno(err, -errno, "refreshing '%s': its lock", client->dir);
    int r = lock_take(lock);
    if (r == -EBUSY)
        return cr_error_set(err, r,
                            "refreshing '%s': another refresh of it has been under way for %d s",
                            client->dir, LOCK_TRIES * LOCK_PAUSE_MS / 1000);
    if (r < 0)
        return cr_error_errno(err, r, "refreshing '%s': its lock", client->dir);
    r = run(&refresh, err);
    trusted_done(&refresh.at);
    /* Whatever came of it: what counts is what the folder holds now. */
    struct trusted now;
    struct cr_error why = {0};
    int loaded = trusted_load(client->dir_fd, &now, &why);
    if (loaded == 0) {
        trusted_done(&client->now);
        client->now = now;
    } else if (r == 0) {
        r = cr_error_set(err, loaded, "%s", why.text);
    }
    return r < 0 ? cr_error_prefix(err, r, "refreshing '%s'", client->dir) : 0;
}
