/* SPDX-License-Identifier: MIT */
#include "lib/store/append.h"

#include "lib/base/mem.h"

#include <errno.h>

/* --- the head --------------------------------------------------------------------------------- */

int cr_store_head_append(struct cr_store *store, const char *name, struct cr_version_info *info,
                         struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_id hash, *expected = NULL;
    int r = cr_store_head_read(store, name, &head, &hash, err);
    if (r == 0)
        expected = &hash;
    else if (r == -ENOENT)
        snprintf(head.name, sizeof(head.name), "%s", name);
    else
        return r;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    r = cr_head_add(&head, info, &info->number);
    if (r == -ENOSPC)
        return cr_error_set(err, r, "image '%s' has %u versions, the most it can have: remove some",
                            name, CR_HEAD_VERSIONS_MAX);
    if (r == 0 && (r = cr_head_format(&head, &bytes)) == -EINVAL)
        return cr_error_set(err, r, "publishing image '%s': the message is not UTF-8 text", name);
    if (r < 0)
        return cr_error_errno(err, r, "publishing image '%s'", name);
    return store->ops->head_set(store, name, expected, bytes.data, bytes.len, err);
}

/* --- content that is there already ------------------------------------------------------------ */

struct adoption {
    struct cr_store *store;
    bool nothing_condemned; /* no need to ask the store to keep anything */
    uint64_t data_chunks;
    struct cr_id ids[CR_SEGMENT_CHUNKS];
    bool have[CR_SEGMENT_CHUNKS];
};

/* Gone, or about to be: whoever sent it must send it again. */
static int gone(int r, const char *what, const struct cr_id *id, struct cr_error *err)
{
    char hex[CR_ID_HEX];
    if (r != -ENOENT)
        return r;
    return cr_error_set(err, -ESTALE, "%s '%s' of the version is not stored here; send it again",
                        what, cr_id_format(id, hex));
}

static int object_keep(struct adoption *adoption, enum cr_kind kind, const struct cr_id *ids,
                       size_t count, struct cr_error *err)
{
    struct cr_store *store = adoption->store;
    if (adoption->nothing_condemned || store->ops->keep == NULL)
        return 0;
    int r = store->ops->keep(store, kind, ids, count, err);
    adoption->nothing_condemned = r == 1;
    return r < 0 ? gone(r, cr_kinds[kind].name, &ids[0], err) : 0;
}

/* The plain bytes of a segment or manifest, which is kept from now on. */
static int object_take(struct adoption *adoption, enum cr_kind kind, const struct cr_id *id,
                       struct cr_buf *plain, struct cr_error *err)
{
    int r = object_keep(adoption, kind, id, 1, err);
    if (r == 0)
        r = cr_store_object_read(adoption->store, kind, id, plain, err);
    return r < 0 ? gone(r, cr_kinds[kind].name, id, err) : 0;
}

static int segment_adopt(struct adoption *adoption, const struct cr_id *id, uint32_t count,
                         struct cr_error *err)
{
    struct cr_store *store = adoption->store;
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    struct cr_error why = {0};
    uint32_t used = 0;
    int r = object_take(adoption, CR_SEGMENT, id, &plain, err);
    if (r < 0)
        return r;
    r = cr_segment_parse(plain.data, plain.len, count, adoption->ids, &why);
    if (r < 0)
        return cr_error_set(err, r, "a segment of the version is none of this disk: %s", why.text);
    for (uint32_t i = 0; i < count; i++)
        if (!cr_id_is_hole(&adoption->ids[i]))
            adoption->ids[used++] = adoption->ids[i];
    adoption->data_chunks += used;
    r = object_keep(adoption, CR_CHUNK, adoption->ids, used, err);
    if (r == 0)
        r = store->ops->chunks_have(store, adoption->ids, used, adoption->have, err);
    for (uint32_t i = 0; r == 0 && i < used; i++)
        if (!adoption->have[i])
            r = gone(-ENOENT, "chunk", &adoption->ids[i], err);
    return r;
}

int cr_store_adopt(struct cr_store *store, struct cr_version_info *info, struct cr_error *err)
{
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP_FREE struct adoption *adoption = cr_calloc(1, sizeof(*adoption));
    struct cr_error why = {0};
    if (adoption == NULL)
        return cr_error_errno(err, -ENOMEM, "adopting a version");
    adoption->store = store;
    int r = object_take(adoption, CR_MANIFEST, &info->root, &plain, err);
    if (r < 0)
        return r;
    r = cr_manifest_parse(plain.data, plain.len, &manifest, &why);
    if (r < 0)
        return cr_error_set(err, r, "the manifest of the version is none: %s", why.text);
    for (uint32_t i = 0; r == 0 && i < manifest.segment_count; i++)
        if (!cr_id_is_hole(&manifest.segments[i]))
            r = segment_adopt(adoption, &manifest.segments[i],
                              cr_segment_chunks(manifest.disk_bytes, i), err);
    info->disk_bytes = manifest.disk_bytes;
    info->data_bytes = adoption->data_chunks * CR_CHUNK_BYTES;
    return r;
}
