/* SPDX-License-Identifier: MIT */
/* The roles timestamp and snapshot: each names files with their versions. */
#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

void cr_pointer_done(struct cr_pointer *pointer)
{
    cr_common_done(&pointer->common);
    *pointer = (struct cr_pointer){0};
}

/* --- one named file -------------------------------------------------------------------------- */

void cr_meta_file_of(uint64_t version, const void *data, size_t len, struct cr_meta_file *ret_meta)
{
    *ret_meta = (struct cr_meta_file){
        .version = version, .has_length = true, .length = len, .hashes.has_sha256 = true};
    SHA256(data, len, ret_meta->hashes.sha256);
}

int cr_meta_file_check(const struct cr_meta_file *meta, const char *name, const void *data,
                       size_t len, struct cr_error *err)
{
    if (meta->has_length && meta->length != len)
        return cr_error_set(err, -EBADMSG,
                            "'%s' has %zu bytes and not the %" PRIu64 " that were announced", name,
                            len, meta->length);
    if (cr_hashes_check(&meta->hashes, data, len) < 0)
        return cr_error_set(err, -EBADMSG, "'%s' does not hash to what was announced", name);
    return 0;
}

static int take_file(const json_t *meta, const char *name, struct cr_meta_file *ret_file,
                     struct cr_error *err)
{
    json_t *object;
    struct cr_meta_file file = {0};
    int r = cr_field_object(meta, name, &object, err);
    if (r < 0)
        return r;
    r = cr_field_integer(object, "version", 1, &file.version, err);
    file.has_length = json_object_get(object, "length") != NULL;
    if (r == 0 && file.has_length)
        r = cr_field_integer(object, "length", 1, &file.length, err);
    if (r == 0 && json_object_get(object, "hashes") != NULL) {
        r = cr_field_hashes(object, &file.hashes, err);
        if (r == 0 && !file.hashes.has_sha256 && !file.hashes.has_sha512)
            r = cr_error_set(err, -EBADMSG, "it has no hash of a kind that is known here");
    }
    if (r < 0)
        return cr_error_prefix(err, r, "the entry of '%.100s'", name);
    *ret_file = file;
    return 0;
}

static json_t *file_format(const struct cr_meta_file *file, const json_t *before)
{
    json_t *json = json_is_object(before) ? json_copy((json_t *)(uintptr_t)before) : json_object();
    int r = json_object_set_new(json, "version", json_integer((json_int_t)file->version));
    json_object_del(json, "length");
    json_object_del(json, "hashes");
    if (r == 0 && file->has_length)
        r = json_object_set_new(json, "length", json_integer((json_int_t)file->length));
    if (r == 0 && (file->hashes.has_sha256 || file->hashes.has_sha512))
        r = json_object_set_new(json, "hashes", cr_hashes_format(&file->hashes));
    if (r != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* --- the roles ------------------------------------------------------------------------------- */

static int take_all(json_t *signed_json, enum cr_role role, const char *next,
                    struct cr_pointer *pointer, struct cr_error *err)
{
    json_t *meta;
    int r = cr_field_object(signed_json, "meta", &meta, err);
    if (r == 0)
        r = take_file(meta, next, &pointer->next, err);
    if (r == 0 && role == CR_ROLE_TIMESTAMP && json_object_size(meta) != 1)
        r = cr_error_set(err, -EBADMSG, "it names more than the file '%s'", next);
    const char *name;
    json_t *value;
    struct cr_meta_file other;
    if (r == 0)
        json_object_foreach(meta, name, value)
        {
            r = take_file(meta, name, &other, err);
            if (r < 0)
                break;
        }
    return r;
}

static int pointer_parse(json_t *signed_json, enum cr_role role, const char *next,
                         struct cr_pointer *ret_pointer, struct cr_error *err)
{
    struct cr_pointer pointer = {0};
    int r = cr_common_parse(signed_json, role, &pointer.common, err);
    if (r == 0)
        r = take_all(signed_json, role, next, &pointer, err);
    if (r < 0) {
        cr_pointer_done(&pointer);
        return r;
    }
    *ret_pointer = pointer;
    return 0;
}

int cr_timestamp_parse(json_t *signed_json, struct cr_pointer *ret_timestamp, struct cr_error *err)
{
    return pointer_parse(signed_json, CR_ROLE_TIMESTAMP, "snapshot.json", ret_timestamp, err);
}

int cr_snapshot_parse(json_t *signed_json, struct cr_pointer *ret_snapshot, struct cr_error *err)
{
    return pointer_parse(signed_json, CR_ROLE_SNAPSHOT, "targets.json", ret_snapshot, err);
}

int cr_snapshot_file(const struct cr_pointer *snapshot, const char *name,
                     struct cr_meta_file *ret_file, struct cr_error *err)
{
    const json_t *meta = json_object_get(snapshot->common.json, "meta");
    if (json_object_get(meta, name) == NULL)
        return cr_error_set(err, -ENOENT, "version %" PRIu64 " of the snapshot does not name it",
                            snapshot->common.version);
    return take_file(meta, name, ret_file, err);
}

static int pointer_format(const struct cr_pointer *pointer, enum cr_role role, const char *next,
                          json_t **ret_json)
{
    CLEANUP_JSON json_t *json = cr_common_format(&pointer->common, role);
    json_t *before = json_object_get(pointer->common.json, "meta");
    CLEANUP_JSON json_t *meta = before == NULL ? json_object() : json_copy(before);
    json_t *file = file_format(&pointer->next, json_object_get(before, next));
    if (json == NULL || json_object_set_new(meta, next, file) != 0 ||
        json_object_set(json, "meta", meta) != 0)
        return -ENOMEM;
    *ret_json = TAKE_PTR(json);
    return 0;
}

int cr_timestamp_format(const struct cr_pointer *timestamp, json_t **ret_json)
{
    return pointer_format(timestamp, CR_ROLE_TIMESTAMP, "snapshot.json", ret_json);
}

int cr_snapshot_format(const struct cr_pointer *snapshot, json_t **ret_json)
{
    return pointer_format(snapshot, CR_ROLE_SNAPSHOT, "targets.json", ret_json);
}

int cr_snapshot_follows(const struct cr_pointer *old, const struct cr_pointer *new_,
                        struct cr_error *err)
{
    const char *name;
    json_t *entry;
    json_t *meta = json_object_get(new_->common.json, "meta");
    json_object_foreach(json_object_get(old->common.json, "meta"), name, entry)
    {
        json_int_t before = json_integer_value(json_object_get(entry, "version"));
        json_t *now = json_object_get(meta, name);
        if (now == NULL)
            return cr_error_set(err, -ESTALE, "it does not name '%.100s' any more", name);
        if (json_integer_value(json_object_get(now, "version")) < before)
            return cr_error_set(err, -ESTALE,
                                "it names an older '%.100s' than version %" PRId64
                                ", which was seen here",
                                name, (int64_t)before);
    }
    return 0;
}
