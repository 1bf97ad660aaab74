/* SPDX-License-Identifier: MIT */
/*
 * carrel trust signer DIR: a new folder in the place of one that is lost. It gets new keys, which a
 * new root names instead of the old ones, and the newest snapshot and timestamp of the store, so
 * that the numbers of what it signs go on rising.
 */
#include "image-tools/commands.h"
#include "image-tools/trust_key.h"
#include "image-tools/trust_root.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/side.h"
#include "lib/trust/repo.h"
#include "lib/trust/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static const struct {
    enum cr_role role;
    const char *key, *file;
} parts[] = {
    {CR_ROLE_SNAPSHOT, "snapshot.pem", "snapshot.json"},
    {CR_ROLE_TIMESTAMP, "timestamp.pem", "timestamp.json"},
};

/* --- what it knows --------------------------------------------------------------------------- */

/* The snapshot with the highest number: one that was signed and never announced is there, too. */
static int snapshot_read(struct cr_store *store, uint64_t version, struct cr_buf *out,
                         struct cr_error *err)
{
    for (;; version++) {
        char name[64];
        CLEANUP_BUF struct cr_buf next = CR_BUF_INIT(CR_TRUST_SNAPSHOT_BYTES_MAX);
        snprintf(name, sizeof(name), "%" PRIu64 ".snapshot.json", version);
        int r = cr_store_side_read(store, CR_SPACE_TRUST, name, &next, err);
        if (r == -ENOENT && out->len > 0)
            return 0;
        if (r < 0)
            return r;
        cr_buf_done(out);
        r = cr_buf_append(out, next.data, next.len);
        if (r < 0)
            return cr_error_errno(err, r, "reading '%s'", name);
    }
}

static int file_copy(struct cr_store *store, int dir_fd, const char *dir, size_t part,
                     uint64_t snapshot, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(cr_roles[parts[part].role].bytes_max);
    int r = parts[part].role == CR_ROLE_SNAPSHOT
                ? snapshot_read(store, snapshot, &bytes, err)
                : cr_store_side_read(store, CR_SPACE_TRUST, parts[part].file, &bytes, err);
    if (r < 0)
        return r;
    r = cr_file_replace(dir_fd, parts[part].file, bytes.data, bytes.len, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing '%s/%s'", dir, parts[part].file) : 0;
}

/* --- the folder ------------------------------------------------------------------------------ */

/* Not over a signer's folder that is in use. What an interrupted run of this has made serves. */
static int folder_make(struct cr_store *store, const struct cr_repo *repo, const char *dir,
                       struct cr_error *err)
{
    int r = cr_dir_make(AT_FDCWD, dir, 0700);
    if (r < 0)
        return cr_error_errno(err, r, "making the signer's folder '%s'", dir);
    CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cr_error_errno(err, -errno, "opening the signer's folder '%s'", dir);
    if (faccessat(fd, "root.json", F_OK, 0) == 0)
        return cr_error_set(err, -EEXIST,
                            "the folder '%s' is that of a signer which has signed already: name "
                            "another, or publish with `carrel trust timestamp --signer %s`",
                            dir, dir);
    for (size_t i = 0; i < CR_ARRAY_LEN(parts) && r == 0; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof(path), "%s/%s", dir, parts[i].key) >= PATH_MAX)
            return cr_error_errno(err, -ENAMETOOLONG, "making the signer's folder '%s'", dir);
        r = cr_signer_make(path, NULL, err);
        r = r == -EEXIST ? 0 : r;
        if (r == 0)
            r = file_copy(store, fd, dir, i, repo->timestamp.next.version, err);
    }
    return r;
}

/* Its keys, and no others, for what a signer signs. A key that the draft has already stays. */
static int keys_replace(const struct cli *cli, struct cr_root *root, struct cr_error *err)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(parts); i++) {
        struct cr_role_keys *keys = &root->roles[parts[i].role];
        struct cr_trust_key key = {0};
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", cli->operands[0], parts[i].key);
        int r = trust_public_read(path, NULL, &key, err);
        if (r < 0)
            return r;
        while (r == 0 && keys->count > 0)
            r = cr_root_disallow(root, parts[i].role, keys->keyids[0]);
        if (r == 0)
            r = cr_root_allow(root, parts[i].role, &key);
        keys->threshold = 1;
        cr_key_done(&key);
        if (r < 0)
            return cr_error_errno(err, r, "a root with the key '%s'", path);
    }
    return 0;
}

int cmd_trust_signer(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = cr_repo_open(store, &repo, err);
    if (r == 0 && repo->timestamp.common.version == 0)
        r = cr_error_set(err, -ENOENT,
                         "store '%.200s' has no timestamp, so no signer has signed for it: `carrel "
                         "trust init` makes a signer's folder",
                         store->uri);
    if (r == 0)
        r = folder_make(store, repo, cli->operands[0], err);
    return r < 0 ? r : trust_root_change(cli, store, keys_replace, cli->operands[0], err);
}
