/* SPDX-License-Identifier: MIT */
/*
 * The signed metadata. What changes (timestamp, drafts) is read first and written last; between the
 * two goes what never changes, so a signer may be at work in the source, and what is written names
 * nothing that is not there.
 */
#include "lib/store/copy_content.h"
#include "lib/store/side.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#define ROOTS_MAX 1024U /* a client would not follow more of them either */

/* Those without a number in their names; lib/trust makes them. */
static const struct {
    const char *name;
    bool is_draft; /* signatures are added to it while its version stays */
} changing[] = {{"draft.root.json", true}, {"draft.targets.json", true}, {"timestamp.json", false}};
#define TIMESTAMP 2

/* --- names of a store that cannot list them --------------------------------------------------- */

struct numbered {
    char (*names)[CR_BLOB_NAME_MAX + 1];
    size_t count;
};

static int numbered_add(void *context, const char *name)
{
    struct numbered *numbered = context;
    if (!cr_side_immutable(CR_SPACE_TRUST, name))
        return 0;
    void *grown = realloc(numbered->names, (numbered->count + 1) * sizeof(*numbered->names));
    if (grown == NULL)
        return -ENOMEM;
    numbered->names = grown;
    snprintf(numbered->names[numbered->count++], sizeof(*numbered->names), "%s", name);
    return 0;
}

static uint64_t version_of(const json_t *object)
{
    json_int_t version = json_integer_value(json_object_get(object, "version"));
    return version > 0 ? (uint64_t)version : 0;
}

/* The version of the file `meta` that some metadata tells of, signed.meta[meta].version, or, where
 * that is NULL, its own. 0 when there is none. */
static uint64_t version_in(const struct cr_buf *data, const char *meta)
{
    json_t *json = json_loadb((const char *)data->data, data->len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *signed_part = json_object_get(json, "signed");
    uint64_t version =
        meta == NULL ? version_of(signed_part)
                     : version_of(json_object_get(json_object_get(signed_part, "meta"), meta));
    json_decref(json);
    return version;
}

/* Every root up to the first number that is missing. */
static int roots_find(struct cr_store *from, struct numbered *numbered, struct cr_error *err)
{
    for (unsigned n = 1; n <= ROOTS_MAX; n++) {
        CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
        char name[32];
        snprintf(name, sizeof(name), "%u.root.json", n);
        int r = cr_store_side_read(from, CR_SPACE_TRUST, name, &data, err);
        if (r == -ENOENT)
            return 0;
        if (r == 0)
            r = numbered_add(numbered, name);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What clients would follow: all roots, and what `timestamp` leads to. */
static int numbered_find(struct cr_store *from, const struct cr_buf *timestamp,
                         struct numbered *numbered, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf snapshot = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    char name[64];
    int r = roots_find(from, numbered, err);
    uint64_t version = version_in(timestamp, "snapshot.json");
    if (r < 0 || version == 0)
        return r;
    snprintf(name, sizeof(name), "%" PRIu64 ".snapshot.json", version);
    r = cr_store_side_read(from, CR_SPACE_TRUST, name, &snapshot, err);
    if (r == 0)
        r = numbered_add(numbered, name);
    version = version_in(&snapshot, "targets.json");
    if (r < 0 || version == 0)
        return r;
    snprintf(name, sizeof(name), "%" PRIu64 ".targets.json", version);
    return numbered_add(numbered, name);
}

/* --- what never changes ----------------------------------------------------------------------- */

static int signed_apart(const struct cr_copy *copy, const char *name, struct cr_error *err)
{
    return cr_error_set(err, -EEXIST,
                        "the signed metadata was not copied: store '%s' has its own, its '%s' is "
                        "not that of the source; copy into a store without any",
                        copy->to->uri, name);
}

/* 1 when `to` holds the same, 0 when it has none, -EEXIST when another one, or -errno. */
static int there_check(const struct cr_copy *copy, const char *name, const struct cr_buf *data,
                       struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf there = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(copy->to, CR_SPACE_TRUST, name, &there, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    return there.len == data->len && memcmp(there.data, data->data, data->len) == 0
               ? 1
               : signed_apart(copy, name, err);
}

/* Compare one of them and, with `put`, write it where it is missing. */
static int numbered_copy(struct cr_copy *copy, const char *name, bool put, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(copy->from, CR_SPACE_TRUST, name, &data, err);
    if (r == 0)
        r = there_check(copy, name, &data, err);
    if (r != 0 || !put)
        return r < 0 ? r : 0;
    copy->stat.side_copied++;
    return copy->to->ops->side_put(copy->to, CR_SPACE_TRUST, name, data.data, data.len, err);
}

/* All are compared before the first is written. */
static int all_numbered_copy(struct cr_copy *copy, const struct cr_buf *timestamp,
                             struct cr_error *err)
{
    struct cr_store *from = copy->from;
    struct numbered numbered = {0};
    int r = from->ops->side_list != NULL
                ? from->ops->side_list(from, CR_SPACE_TRUST, numbered_add, &numbered, err)
                : numbered_find(from, timestamp, &numbered, err);
    if (r == -ENOMEM)
        cr_error_errno(err, r, "copying signed metadata");
    for (int put = 0; put < 2; put++)
        for (size_t i = 0; i < numbered.count && r == 0; i++)
            r = numbered_copy(copy, numbered.names[i], put, err);
    if (r == 0 && numbered.count > 0)
        r = copy->to->ops->sync(copy->to, err);
    free(numbered.names);
    return r;
}

/* --- what changes ----------------------------------------------------------------------------- */

static int changing_write(struct cr_copy *copy, size_t which, const struct cr_buf *data,
                          struct cr_error *err)
{
    struct cr_store *to = copy->to;
    const char *name = changing[which].name;
    CLEANUP_BUF struct cr_buf there = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_id hash;
    int r = cr_store_side_read(to, CR_SPACE_TRUST, name, &there, err);
    bool exists = r == 0;
    if (r < 0 && r != -ENOENT)
        return r;
    if (exists) {
        uint64_t ours = version_in(data, NULL), theirs = version_in(&there, NULL);
        if (ours < theirs ||
            (there.len == data->len && memcmp(there.data, data->data, data->len) == 0))
            return 0;
        if (ours == theirs && ours > 0 && !changing[which].is_draft)
            return signed_apart(copy, name, err);
    }
    cr_hash(there.data, there.len, &hash);
    copy->stat.side_copied++;
    return to->ops->side_replace(to, CR_SPACE_TRUST, name, exists ? &hash : NULL, data->data,
                                 data->len, err);
}

int cr_copy_trust(struct cr_copy *copy, struct cr_error *err)
{
    struct cr_buf data[CR_ARRAY_LEN(changing)];
    bool present[CR_ARRAY_LEN(changing)] = {false};
    struct cr_error ignored = {0};
    int r = 0;
    if (copy->to->ops->side_put == NULL || copy->to->ops->side_replace == NULL)
        return 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(changing); i++)
        cr_buf_init(&data[i], CR_SIDE_BYTES_MAX);
    for (size_t i = 0; i < CR_ARRAY_LEN(changing) && r == 0; i++) {
        r = cr_store_side_read(copy->from, CR_SPACE_TRUST, changing[i].name, &data[i], &ignored);
        present[i] = r == 0;
        if (r == -ENOENT)
            r = 0;
        else if (r < 0)
            cr_error_set(err, r, "%s", ignored.text);
    }
    if (r == 0)
        r = all_numbered_copy(copy, &data[TIMESTAMP], err);
    for (size_t i = 0; i < CR_ARRAY_LEN(changing) && r == 0; i++)
        if (present[i])
            r = changing_write(copy, i, &data[i], err);
    if (r == 0)
        r = copy->to->ops->sync(copy->to, err);
    for (size_t i = 0; i < CR_ARRAY_LEN(changing); i++)
        cr_buf_done(&data[i]);
    return r;
}
