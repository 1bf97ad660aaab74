/* SPDX-License-Identifier: MIT */
#include "image-tools/build_record.h"

#include "lib/base/mem.h"
#include "lib/store/side.h"

#include <errno.h>
#include <string.h>

static int blob_put(struct cr_store *store, const struct cr_record_writer *writer,
                    struct cr_id *ret_name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    char name[CR_ID_HEX];
    int r = cr_record_format(writer, &blob, ret_name);
    if (r == -EMSGSIZE)
        return r;
    if (r < 0)
        return cr_error_errno(err, r, "cannot make the record of the build");
    if (store->ops->side_put == NULL)
        return cr_error_set(err, -EROFS, "store '%s' cannot keep records of builds", store->uri);
    return store->ops->side_put(store, CR_SPACE_RECORDS, cr_id_format(ret_name, name), blob.data,
                                blob.len, err);
}

int build_record_put(struct cr_store *store, const struct cr_record_writer *writer,
                     struct cr_id *ret_name, struct cr_error *err)
{
    int r = blob_put(store, writer, ret_name, err);
    return r == -EMSGSIZE ? cr_error_set(err, r, "the record of the build is too large") : r;
}

int build_record_read(struct cr_store *store, const struct cr_version_info *info,
                      struct cr_record *ret_record, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf blob = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    char name[CR_ID_HEX];
    if (cr_id_is_hole(&info->record))
        return cr_error_set(err, -ENOENT, "it was not made by a recipe");
    int r =
        cr_store_side_read(store, CR_SPACE_RECORDS, cr_id_format(&info->record, name), &blob, err);
    if (r == 0)
        r = cr_record_parse(blob.data, blob.len, &info->record, ret_record, err);
    return r < 0 ? cr_error_prefix(err, r, "reading record '%s'", name) : 0;
}

static int parts_add(const struct build_record_parts *parts, struct cr_record_writer *writer)
{
    char base[CR_REF_TEXT + CR_ID_HEX + 2], ref[CR_REF_TEXT], root[CR_ID_HEX];
    snprintf(base, sizeof(base), "%s %s", cr_ref_format(parts->base, ref),
             cr_id_format(parts->base_root, root));
    int r = cr_record_add(writer, CR_RECORD_RECIPE, parts->text->data, parts->text->len);
    if (r == 0)
        r = cr_record_add(writer, CR_RECORD_BASE, base, strlen(base));
    if (r == 0)
        r = cr_record_add(writer, CR_RECORD_FOLDER, parts->origin, strlen(parts->origin));
    return r == 0 ? cr_record_add(writer, CR_RECORD_LOG, parts->log->data, parts->log->len) : r;
}

int build_record_make(struct cr_store *store, const struct build_record_parts *parts,
                      struct cr_id *ret_name, bool *ret_with_files, struct cr_error *err)
{
    int r = 0;
    for (int with_files = 1; with_files >= 0; with_files--) {
        CLEANUP(cr_record_writer_done) struct cr_record_writer writer = {0};
        cr_record_writer_init(&writer);
        r = parts_add(parts, &writer);
        if (r < 0)
            return cr_error_errno(err, r, "cannot make the record of the build");
        if (with_files)
            r = build_files_keep(parts->files, parts->recipe, &writer, err);
        if (r == 0)
            r = blob_put(store, &writer, ret_name, err);
        *ret_with_files = with_files;
        if (r != -EMSGSIZE)
            return r;
    }
    return cr_error_set(err, r, "the record of the build is too large");
}

int build_record_text(const struct cr_record *record, const char *name, char **ret_text,
                      struct cr_error *err)
{
    const struct cr_record_entry *entry = cr_record_find(record, name);
    if (entry == NULL || memchr(entry->data, '\0', entry->len) != NULL)
        return cr_error_set(err, entry == NULL ? -ENOENT : -EBADMSG,
                            "the record holds no '%s' that can be read", name);
    char *text = strndup((const char *)entry->data, entry->len);
    if (text == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot read the record");
    *ret_text = text;
    return 0;
}
