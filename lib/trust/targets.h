/* SPDX-License-Identifier: MIT */
/*
 * The targets role: which versions exist and where the channels point. Its content is FORMAT.md,
 * "Trust metadata".
 *
 * A version is the target "NAME@N": length and sha256 are those of its plain manifest, so the hash
 * is the version's root. The channels of an image stand beside them, in the order in which they
 * were set, so that a seat finds what "NAME:CHANNEL" is at any time from signed data alone.
 */
#pragma once

#include "lib/image/head.h"
#include "lib/trust/delegations.h"
#include "lib/trust/role.h"

struct cr_targets {
    struct cr_role_common common;      /* .json is always there: entries live in it */
    struct cr_delegations delegations; /* as they were read */
};

void cr_targets_done(struct cr_targets *targets);

/* Targets without entries; version 1. Returns 0 or -ENOMEM. */
int cr_targets_new(struct cr_targets *ret_targets);

/* As cr_root_parse: every entry and every delegation is looked at. A delegated role is the same. */
int cr_targets_parse(json_t *signed_json, struct cr_targets *ret_targets, struct cr_error *err);

/* "signed"; the caller owns it. Version and expiry are those of `targets`. 0 or -ENOMEM. */
int cr_targets_format(const struct cr_targets *targets, json_t **ret_json);

/* --- any target ------------------------------------------------------------------------------ */

struct cr_target {
    uint64_t length; /* bytes */
    struct cr_hashes hashes;
};

/* Returns 0 or -ENOENT. */
int cr_targets_find(const struct cr_targets *targets, const char *path,
                    struct cr_target *ret_target);

/* --- versions -------------------------------------------------------------------------------- */

struct cr_trust_version {
    struct cr_ref ref; /* name and number */
    struct cr_id root;
    uint64_t manifest_bytes; /* plain */
    uint64_t disk_bytes;
    int64_t created_s;
    struct cr_ref parent; /* name "" = nothing */
};

/* Bytes of the plain manifest of such a disk. */
uint64_t cr_trust_manifest_bytes(uint64_t disk_bytes);

/* Returns 0, -ENOENT, or -EBADMSG when the entry is no version. */
int cr_targets_version(const struct cr_targets *targets, const struct cr_ref *ref,
                       struct cr_trust_version *ret_version, struct cr_error *err);

/* Every version, or those of image `name`, in no order. A sink's non-zero result ends the walk. */
typedef int cr_version_sink(void *context, const struct cr_trust_version *version);
int cr_targets_each(const struct cr_targets *targets, const char *name, cr_version_sink *sink,
                    void *context, struct cr_error *err);

/*
 * Add a version or set its fields anew; what is unknown of it stays. Returns 0, -ENOMEM, or
 * -EEXIST when it is there with another root.
 */
int cr_targets_add(struct cr_targets *targets, const struct cr_trust_version *version);

/* Returns 0 or -ENOENT. */
int cr_targets_remove(struct cr_targets *targets, const struct cr_ref *ref);

/* --- channels -------------------------------------------------------------------------------- */

/*
 * Set the changes of the channels of image `name`, as they were made (head.h). Who and why stay in
 * the head. Returns 0 or -ENOMEM.
 */
int cr_targets_changes_set(struct cr_targets *targets, const char *name,
                           const struct cr_change *changes, uint32_t count);

/* For cr_targets_parse: the form of all of them. Returns 0 or -EBADMSG. */
int cr_targets_channels_check(const struct cr_targets *targets, struct cr_error *err);

/*
 * A head of image `name` made of what is signed: its versions and changes, what else a head has is
 * empty. The caller calls cr_head_done. Returns 0 (also when nothing of the name is signed),
 * -ENOMEM or -EBADMSG.
 */
int cr_targets_head(const struct cr_targets *targets, const char *name, struct cr_head *ret_head,
                    struct cr_error *err);

/*
 * What `ref` means at `now_s`: the version with its number, the one that its channel points at
 * then (as cr_head_channel), or the newest. Returns 0, -ENOENT with a sentence, or -EBADMSG.
 */
int cr_targets_resolve(const struct cr_targets *targets, const struct cr_ref *ref, int64_t now_s,
                       struct cr_trust_version *ret_version, struct cr_error *err);
