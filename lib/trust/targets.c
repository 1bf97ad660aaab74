/* SPDX-License-Identifier: MIT */
/* The targets role: entries, and the versions among them. channels.c has the rest. */
#include "lib/trust/targets.h"

#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void cr_targets_done(struct cr_targets *targets)
{
    cr_delegations_done(&targets->delegations);
    cr_common_done(&targets->common);
    *targets = (struct cr_targets){0};
}

int cr_targets_new(struct cr_targets *ret_targets)
{
    json_t *json = json_pack("{s:{}}", "targets");
    if (json == NULL)
        return -ENOMEM;
    *ret_targets = (struct cr_targets){.common = {.version = 1, .json = json}};
    return 0;
}

/* --- any target ------------------------------------------------------------------------------ */

static json_t *entries(const struct cr_targets *targets)
{
    return json_object_get(targets->common.json, "targets");
}

static int target_parse(const json_t *entry, struct cr_target *ret_target, struct cr_error *err)
{
    struct cr_target target = {0};
    const json_t *custom = json_object_get(entry, "custom");
    int r = cr_field_integer(entry, "length", 0, &target.length, err);
    if (r == 0)
        r = cr_field_hashes(entry, &target.hashes, err);
    if (r == 0 && custom != NULL && !json_is_object(custom))
        r = cr_error_set(err, -EBADMSG, "its field 'custom' is no object");
    if (r == 0)
        *ret_target = target;
    return r;
}

int cr_targets_find(const struct cr_targets *targets, const char *path,
                    struct cr_target *ret_target)
{
    const json_t *entry = json_object_get(entries(targets), path);
    return entry == NULL ? -ENOENT : target_parse(entry, ret_target, NULL);
}

/* --- versions -------------------------------------------------------------------------------- */

/* "NAME@N" in the one way in which we write it. */
static bool path_is_version(const char *path, struct cr_ref *ret_ref)
{
    char again[CR_REF_TEXT];
    return cr_ref_parse(path, ret_ref, NULL) == 0 && ret_ref->number > 0 &&
           strcmp(cr_ref_format(ret_ref, again), path) == 0;
}

static int parent_parse(const char *text, struct cr_ref *ret_parent, struct cr_error *err)
{
    if (text[0] == '\0' || path_is_version(text, ret_parent))
        return 0;
    return cr_error_set(err, -EBADMSG, "its field 'parent' is neither empty nor NAME@N");
}

/* What "custom" says of a version: all fields are there, or it is none. */
static int custom_parse(const json_t *entry, struct cr_trust_version *version, struct cr_error *err)
{
    uint64_t created = 0;
    const char *parent = "";
    json_t *carrel = NULL;
    int r = cr_field_object(json_object_get(entry, "custom"), "carrel", &carrel, err);
    if (r == 0)
        r = cr_field_integer(carrel, "disk_bytes", 1, &version->disk_bytes, err);
    if (r == 0)
        r = cr_field_integer(carrel, "created_s", INT64_MIN, &created, err);
    if (r == 0)
        r = cr_field_text(carrel, "parent", &parent, err);
    if (r == 0)
        r = parent_parse(parent, &version->parent, err);
    if (r == 0 && version->disk_bytes > CR_DISK_BYTES_MAX)
        r = cr_error_set(err, -EBADMSG, "its field 'disk_bytes' is more than a disk may have");
    version->created_s = (int64_t)created;
    return r;
}

uint64_t cr_trust_manifest_bytes(uint64_t disk_bytes)
{
    uint64_t segments = (cr_disk_chunks(disk_bytes) + CR_SEGMENT_CHUNKS - 1) >> CR_SEGMENT_SHIFT;
    return CR_MANIFEST_HEADER + CR_ID_BYTES * segments;
}

static int version_parse(const json_t *entry, const struct cr_ref *ref,
                         struct cr_trust_version *ret_version, struct cr_error *err)
{
    struct cr_target target = {0};
    struct cr_trust_version version = {.ref = *ref};
    int r = target_parse(entry, &target, err);
    if (r == 0)
        r = custom_parse(entry, &version, err);
    if (r < 0)
        return r;
    if (!target.hashes.has_sha256)
        return cr_error_set(err, -EBADMSG, "it has no hash 'sha256', which is its root");
    if (target.length != cr_trust_manifest_bytes(version.disk_bytes))
        return cr_error_set(err, -EBADMSG,
                            "its length of %" PRIu64
                            " is not that of the manifest of a disk of %" PRIu64 " bytes",
                            target.length, version.disk_bytes);
    memcpy(version.root.bytes, target.hashes.sha256, sizeof(version.root.bytes));
    version.manifest_bytes = target.length;
    *ret_version = version;
    return 0;
}

int cr_targets_version(const struct cr_targets *targets, const struct cr_ref *ref,
                       struct cr_trust_version *ret_version, struct cr_error *err)
{
    char path[CR_REF_TEXT];
    const json_t *entry = json_object_get(entries(targets), cr_ref_format(ref, path));
    if (ref->number == 0 || entry == NULL)
        return cr_error_set(err, -ENOENT,
                            "'%s' is not among the signed versions: publish and sign it, or choose "
                            "another",
                            path);
    int r = version_parse(entry, ref, ret_version, err);
    return r < 0 ? cr_error_prefix(err, r, "the target '%s'", path) : 0;
}

int cr_targets_each(const struct cr_targets *targets, const char *name, cr_version_sink *sink,
                    void *context, struct cr_error *err)
{
    const char *path;
    json_t *entry;
    json_object_foreach(entries(targets), path, entry)
    {
        struct cr_ref ref = {0};
        struct cr_trust_version version;
        if (!path_is_version(path, &ref) || (name != NULL && strcmp(ref.name, name) != 0))
            continue;
        int r = version_parse(entry, &ref, &version, err);
        if (r < 0)
            return cr_error_prefix(err, r, "the target '%s'", path);
        r = sink(context, &version);
        if (r != 0)
            return r;
    }
    return 0;
}

int cr_targets_add(struct cr_targets *targets, const struct cr_trust_version *version)
{
    char path[CR_REF_TEXT], parent[CR_REF_TEXT], root[CR_ID_HEX];
    cr_ref_format(&version->ref, path);
    json_t *before = json_object_get(entries(targets), path);
    CLEANUP_JSON json_t *entry = before == NULL ? json_object() : json_deep_copy(before);
    cr_id_format(&version->root, root);
    const char *old =
        json_string_value(json_object_get(json_object_get(before, "hashes"), "sha256"));
    if (old != NULL && strcmp(old, root) != 0)
        return -EEXIST;
    CLEANUP_JSON json_t *fields = json_pack(
        "{s:I, s:{s:s}, s:{s:{s:s, s:I, s:I}}}", "length",
        (json_int_t)cr_trust_manifest_bytes(version->disk_bytes), "hashes", "sha256", root,
        "custom", "carrel", "parent",
        version->parent.name[0] == '\0' ? "" : cr_ref_format(&version->parent, parent),
        "disk_bytes", (json_int_t)version->disk_bytes, "created_s", (json_int_t)version->created_s);
    if (entry == NULL || fields == NULL || json_object_update_recursive(entry, fields) != 0 ||
        json_object_set(entries(targets), path, entry) != 0)
        return -ENOMEM;
    return 0;
}

int cr_targets_remove(struct cr_targets *targets, const struct cr_ref *ref)
{
    char path[CR_REF_TEXT];
    return json_object_del(entries(targets), cr_ref_format(ref, path)) == 0 ? 0 : -ENOENT;
}

/* --- the role -------------------------------------------------------------------------------- */

static int look_at_entries(const struct cr_targets *targets, struct cr_error *err)
{
    const char *path;
    json_t *entry;
    json_object_foreach(entries(targets), path, entry)
    {
        struct cr_ref ref;
        struct cr_target target;
        struct cr_trust_version version;
        const json_t *carrel = json_object_get(json_object_get(entry, "custom"), "carrel");
        int r = carrel != NULL && path_is_version(path, &ref)
                    ? version_parse(entry, &ref, &version, err)
                    : target_parse(entry, &target, err);
        if (r < 0)
            return cr_error_prefix(err, r, "the target '%.100s'", path);
    }
    return 0;
}

int cr_targets_parse(json_t *signed_json, struct cr_targets *ret_targets, struct cr_error *err)
{
    struct cr_targets targets = {0};
    json_t *object;
    int r = cr_common_parse(signed_json, CR_ROLE_TARGETS, &targets.common, err);
    if (r == 0)
        r = cr_field_object(signed_json, "targets", &object, err);
    if (r == 0)
        r = look_at_entries(&targets, err);
    if (r == 0)
        r = cr_targets_channels_check(&targets, err);
    if (r == 0)
        r = cr_delegations_parse(signed_json, &targets.delegations, err);
    if (r < 0) {
        cr_targets_done(&targets);
        return r;
    }
    *ret_targets = targets;
    return 0;
}

int cr_targets_format(const struct cr_targets *targets, json_t **ret_json)
{
    json_t *json = cr_common_format(&targets->common, CR_ROLE_TARGETS);
    if (json == NULL)
        return -ENOMEM;
    *ret_json = json;
    return 0;
}
