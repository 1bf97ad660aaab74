/* SPDX-License-Identifier: MIT */
/*
 * Section 5.6.7 of the specification: who speaks of a path? Depth first along the delegations, each
 * role once. What a role says counts only for paths that every delegation on the way to it covers,
 * because the walk enters a role through these only.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define FILE_NAME_BYTES (CR_TRUST_ROLE_NAME_BYTES_MAX + 40)

struct search {
    int dir_fd;
    struct trusted_source from;
    const struct trusted *at;
    const char *path;
    char *visited[CR_TRUST_VISITS_MAX]; /* names: owned, as the role that named one may be gone */
    size_t count;
    bool over; /* a terminating delegation, or too many roles: nobody else is asked */
};

/* --- one role -------------------------------------------------------------------------------- */

/* The file `bytes` of a delegated role: whole, signed by the keys of who delegates to it, current.
 */
static int take(const struct search *search, const struct cr_targets *by,
                const struct cr_delegation *to, const struct cr_meta_file *meta,
                const struct cr_buf *bytes, struct cr_targets *ret_targets, struct cr_error *err)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    CLEANUP(cr_targets_done) struct cr_targets targets = {0};
    int r = cr_meta_file_check(meta, to->name, bytes->data, bytes->len, err);
    if (r == 0)
        r = cr_envelope_parse(bytes->data, bytes->len, CR_ROLE_TARGETS, &envelope, err);
    if (r == 0)
        r = cr_delegation_verify(&by->delegations, to, &envelope, err);
    if (r == 0)
        r = cr_targets_parse(envelope.signed_json, &targets, err);
    if (r == 0)
        r = trusted_check_version(targets.common.version, meta->version, err);
    if (r == 0)
        r = trusted_check_age(&search->from, &targets.common, err);
    if (r < 0)
        return r;
    *ret_targets = targets;
    targets = (struct cr_targets){0};
    return 0;
}

/* From the folder, where it is believed as little as the server's. */
static bool take_kept(const struct search *search, const struct cr_targets *by,
                      const struct cr_delegation *to, const struct cr_meta_file *meta,
                      const char *file, struct cr_targets *ret_targets)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_TARGETS_BYTES_MAX);
    return cr_file_read(search->dir_fd, file, &bytes) == 0 &&
           take(search, by, to, meta, &bytes, ret_targets, NULL) == 0;
}

static int take_new(const struct search *search, const struct cr_targets *by,
                    const struct cr_delegation *to, const struct cr_meta_file *meta,
                    const char *name, const char *file, struct cr_targets *ret_targets,
                    struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(0);
    size_t max = CR_TRUST_TARGETS_BYTES_MAX;
    if (meta->has_length && meta->length < max)
        max = (size_t)meta->length;
    int r = trusted_bring(&search->from, name, max, &bytes, err);
    if (r == 0)
        r = take(search, by, to, meta, &bytes, ret_targets, err);
    if (r < 0)
        return r;
    r = cr_file_replace(search->dir_fd, file, bytes.data, bytes.len, 0644);
    if (r == 0)
        return 0;
    cr_targets_done(ret_targets);
    return cr_error_errno(err, r, "writing the trusted '%s'", file);
}

/* The role `to`, as `by` delegates to it. */
static int enter(const struct search *search, const struct cr_targets *by,
                 const struct cr_delegation *to, struct cr_targets *ret_targets,
                 struct cr_error *err)
{
    char encoded[CR_TRUST_ROLE_NAME_BYTES_MAX + 1], name[FILE_NAME_BYTES], file[FILE_NAME_BYTES];
    CLEANUP_FREE char *announced = NULL;
    struct cr_meta_file meta = {0};
    int r = cr_delegation_encode(to->name, encoded);
    if (r == 0 && asprintf(&announced, "%s.json", to->name) < 0)
        r = -ENOMEM;
    if (r < 0)
        return cr_error_errno(err, r, "the delegated role '%.64s'", to->name);
    r = cr_snapshot_file(&search->at->snapshot, announced, &meta, err);
    snprintf(name, sizeof(name), "%s.json", encoded);
    if (r == 0 && search->at->root.consistent_snapshot)
        snprintf(name, sizeof(name), "%" PRIu64 ".%s.json", meta.version, encoded);
    snprintf(file, sizeof(file), TRUSTED_DELEGATE "%s.json", encoded);
    if (r == 0 && take_kept(search, by, to, &meta, file, ret_targets))
        return 0;
    if (r == 0)
        r = take_new(search, by, to, &meta, name, file, ret_targets, err);
    return r < 0 ? cr_error_prefix(err, r, "refused '%s'", name) : 0;
}

/* --- the walk -------------------------------------------------------------------------------- */

static bool was_visited(const struct search *search, const char *name)
{
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->visited[i], name) == 0)
            return true;
    return false;
}

/* 1 = it may be entered, 0 = it was, or too many were, or -ENOMEM. */
static int note_visit(struct search *search, const char *name, struct cr_error *err)
{
    if (was_visited(search, name))
        return 0;
    if (search->count == CR_TRUST_VISITS_MAX) {
        search->over = true;
        return 0;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return cr_error_errno(err, -ENOMEM, "the delegated role '%.64s'", name);
    search->visited[search->count++] = copy;
    return 1;
}

static int walk(struct search *search, const struct cr_targets *targets,
                struct cr_target *ret_target, struct cr_error *err);

static int walk_into(struct search *search, const struct cr_targets *by,
                     const struct cr_delegation *to, struct cr_target *ret_target,
                     struct cr_error *err)
{
    CLEANUP(cr_targets_done) struct cr_targets targets = {0};
    int r = note_visit(search, to->name, err);
    if (r <= 0)
        return r;
    r = enter(search, by, to, &targets, err);
    return r < 0 ? r : walk(search, &targets, ret_target, err);
}

/* 1 = found, 0 = not here nor below, or -errno. Not deeper than roles may be visited. */
static int walk(struct search *search, const struct cr_targets *targets,
                struct cr_target *ret_target, struct cr_error *err)
{
    if (cr_targets_find(targets, search->path, ret_target) == 0)
        return 1;
    int r = 0;
    for (uint32_t i = 0; r == 0 && !search->over && i < targets->delegations.count; i++) {
        const struct cr_delegation *to = &targets->delegations.roles[i];
        if (!cr_delegation_covers(to, search->path))
            continue;
        r = walk_into(search, targets, to, ret_target, err);
        search->over |= to->terminating;
    }
    return r;
}

int cr_trust_find(const struct cr_trust_client *client, cr_trust_fetch *fetch, void *context,
                  int64_t now_s, const char *path, struct cr_target *ret_target,
                  struct cr_error *err)
{
    struct search search = {
        .dir_fd = client->dir_fd,
        .from = {.fetch = fetch, .context = context, .now_s = now_s},
        .at = &client->now,
        .path = path,
    };
    struct cr_target found = {0};
    if (!client->now.snapshot_fits || !client->now.targets_fit)
        return cr_error_set(err, -ENOKEY,
                            "looking for the target '%.200s': '%s' holds no targets that fit its "
                            "snapshot; refresh it from the server",
                            path, client->dir);
    int r = walk(&search, &client->now.targets, &found, err);
    bool many = search.count == CR_TRUST_VISITS_MAX;
    for (size_t i = 0; i < search.count; i++)
        free(search.visited[i]);
    if (r < 0)
        return cr_error_prefix(err, r, "looking for the target '%.200s'", path);
    if (r == 0)
        return cr_error_set(err, -ENOENT, "looking for the target '%.200s': %s", path,
                            many ? "it is not found in as many delegated roles as may be read"
                                 : "nobody who may has signed it");
    *ret_target = found;
    return 0;
}
