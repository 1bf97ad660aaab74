/* SPDX-License-Identifier: MIT */
#include "lib/store/version.h"

#include "lib/base/mem.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct cr_version {
    struct cr_store *store;
    struct cr_version_info info;
    struct cr_ref ref;
    struct cr_manifest manifest;
    pthread_mutex_t mutex;             /* one load of a segment at a time */
    _Atomic(struct cr_id *) *segments; /* [manifest.segment_count], NULL until loaded */
};

static int version_find(struct cr_version *v, const struct cr_ref *ref, struct cr_error *err)
{
    struct cr_head head;
    int r = cr_store_head_read(v->store, ref->name, &head, NULL, err);
    if (r < 0)
        return r;
    const struct cr_version_info *info = NULL;
    r = cr_head_resolve(&head, ref, (int64_t)time(NULL), &info, err);
    if (r == 0) {
        v->info = *info;
        v->ref = (struct cr_ref){.number = info->number};
        memcpy(v->ref.name, ref->name, sizeof(v->ref.name));
    }
    cr_head_done(&head);
    return r;
}

static int manifest_load(struct cr_version *v, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    char hex[CR_ID_HEX], ref[CR_REF_TEXT];
    struct cr_error why = {0};
    int r = cr_store_object_read(v->store, CR_MANIFEST, &v->info.root, &plain, &why);
    if (r < 0)
        return cr_error_set(err, r, "version '%s': %s", cr_ref_format(&v->ref, ref), why.text);
    r = cr_manifest_parse(plain.data, plain.len, &v->manifest, &why);
    if (r < 0)
        return cr_error_set(err, r, "version '%s': manifest '%s' is unusable: %s",
                            cr_ref_format(&v->ref, ref), cr_id_format(&v->info.root, hex),
                            why.text);
    v->segments = cr_calloc(v->manifest.segment_count, sizeof(*v->segments));
    return v->segments == NULL ? cr_error_errno(err, -ENOMEM, "opening a version") : 0;
}

static int version_open(struct cr_store *store, const struct cr_ref *ref,
                        const struct cr_version_info *info, struct cr_version **ret_version,
                        struct cr_error *err)
{
    int r = 0;
    CLEANUP(cr_version_cleanup) struct cr_version *v = cr_calloc(1, sizeof(*v));
    if (v == NULL)
        return cr_error_errno(err, -ENOMEM, "opening a version");
    v->store = store;
    pthread_mutex_init(&v->mutex, NULL);
    if (info != NULL) {
        v->info = *info;
        v->ref = *ref;
    } else {
        r = version_find(v, ref, err);
    }
    if (r == 0)
        r = manifest_load(v, err);
    if (r == 0 && info != NULL && v->manifest.disk_bytes != info->disk_bytes)
        r = cr_error_set(err, -EBADMSG, "version '%s@%" PRIu64 "': its manifest tells another size",
                         ref->name, info->number);
    if (r < 0)
        return r;
    *ret_version = TAKE_PTR(v);
    return 0;
}

int cr_version_open(struct cr_store *store, const struct cr_ref *ref,
                    struct cr_version **ret_version, struct cr_error *err)
{
    return version_open(store, ref, NULL, ret_version, err);
}

int cr_version_open_known(struct cr_store *store, const struct cr_ref *ref,
                          const struct cr_version_info *info, struct cr_version **ret_version,
                          struct cr_error *err)
{
    return version_open(store, ref, info, ret_version, err);
}

void cr_version_close(struct cr_version *version)
{
    if (version == NULL)
        return;
    for (uint32_t i = 0; version->segments != NULL && i < version->manifest.segment_count; i++)
        free(atomic_load(&version->segments[i]));
    free(version->segments);
    cr_manifest_done(&version->manifest);
    pthread_mutex_destroy(&version->mutex);
    free(version);
}

void cr_version_cleanup(struct cr_version **version)
{
    cr_version_close(*version);
}

const struct cr_version_info *cr_version_info(const struct cr_version *version)
{
    return &version->info;
}

const struct cr_manifest *cr_version_manifest(const struct cr_version *version)
{
    return &version->manifest;
}

const struct cr_ref *cr_version_ref(const struct cr_version *version)
{
    return &version->ref;
}

uint64_t cr_version_disk_bytes(const struct cr_version *version)
{
    return version->manifest.disk_bytes;
}

uint64_t cr_version_chunks(const struct cr_version *version)
{
    return cr_disk_chunks(version->manifest.disk_bytes);
}

/* Called with the mutex held. */
static int segment_load(struct cr_version *v, uint32_t index, struct cr_id **ret_ids,
                        struct cr_error *err)
{
    const struct cr_id *id = &v->manifest.segments[index];
    uint32_t count = cr_segment_chunks(v->manifest.disk_bytes, index);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    char hex[CR_ID_HEX], ref[CR_REF_TEXT];
    struct cr_error why = {0};
    int r = cr_store_object_read(v->store, CR_SEGMENT, id, &plain, &why);
    if (r < 0)
        return cr_error_set(err, r, "version '%s': %s", cr_ref_format(&v->ref, ref), why.text);
    CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return cr_error_errno(err, -ENOMEM, "reading a segment");
    r = cr_segment_parse(plain.data, plain.len, count, ids, &why);
    if (r < 0)
        return cr_error_set(err, r, "version '%s': segment '%s' is unusable: %s",
                            cr_ref_format(&v->ref, ref), cr_id_format(id, hex), why.text);
    *ret_ids = TAKE_PTR(ids);
    return 0;
}

int cr_version_segment(struct cr_version *version, uint32_t index, const struct cr_id **ret_ids,
                       struct cr_error *err)
{
    if (index >= version->manifest.segment_count)
        return cr_error_set(err, -EINVAL, "segment %u is beyond the disk's end", index);
    if (cr_id_is_hole(&version->manifest.segments[index])) {
        *ret_ids = NULL;
        return 0;
    }
    struct cr_id *ids = atomic_load_explicit(&version->segments[index], memory_order_acquire);
    int r = 0;
    if (ids == NULL) {
        pthread_mutex_lock(&version->mutex);
        ids = atomic_load_explicit(&version->segments[index], memory_order_acquire);
        if (ids == NULL) {
            r = segment_load(version, index, &ids, err);
            if (r == 0)
                atomic_store_explicit(&version->segments[index], ids, memory_order_release);
        }
        pthread_mutex_unlock(&version->mutex);
    }
    if (r == 0)
        *ret_ids = ids;
    return r;
}

int cr_version_chunk(struct cr_version *version, uint64_t index, struct cr_id *ret_id,
                     struct cr_error *err)
{
    const struct cr_id *ids;
    if (index >= cr_version_chunks(version))
        return cr_error_set(err, -EINVAL, "chunk %" PRIu64 " is beyond the disk's end", index);
    int r = cr_version_segment(version, (uint32_t)(index >> CR_SEGMENT_SHIFT), &ids, err);
    if (r < 0)
        return r;
    *ret_id = ids == NULL ? (struct cr_id){0} : ids[index & (CR_SEGMENT_CHUNKS - 1)];
    return 0;
}
