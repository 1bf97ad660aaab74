/* SPDX-License-Identifier: MIT */
#include "lib/store/copy.h"

#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/image/channel.h"
#include "lib/store/copy_content.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

struct names {
    char (*list)[CR_BLOB_NAME_MAX + 1];
    size_t count;
};

/* --- may this head become that one? -------------------------------------------------------- */

/* Refuse when `there` has something that the source never had. */
static int history_check(const struct cr_head *head, const struct cr_head *there,
                         const char *to_uri, struct cr_error *err)
{
    for (uint32_t i = 0; i < there->count; i++) {
        const struct cr_version_info *theirs = &there->versions[i];
        const struct cr_version_info *ours = cr_head_find(head, theirs->number);
        if (theirs->number >= head->next ||
            (ours != NULL && !cr_id_equal(&ours->root, &theirs->root)))
            return cr_error_set(err, -EEXIST,
                                "image '%s' has gone its own way in store '%s': its version "
                                "%" PRIu64 " is not that of the source; rename or remove it there",
                                head->name, to_uri, theirs->number);
    }
    uint32_t kept;
    if (!cr_head_goes_on(there, head, (int64_t)time(NULL), &kept) || there->next > head->next)
        return cr_error_set(err, -EEXIST,
                            "image '%s' has gone its own way in store '%s': its channels were "
                            "changed there; rename or remove it there",
                            head->name, to_uri);
    return 0;
}

/* --- one image ----------------------------------------------------------------------------- */

struct image {
    struct cr_copy *copy;
    const char *name;
    struct cr_head head, there; /* the source's, and what the target has now */
    struct cr_buf bytes, there_bytes;
    struct cr_head merged; /* what the target shall have */
    bool exists;           /* there is one */
    int first;             /* the error of the first version that cannot be read */
    struct cr_error why;
};

static void image_done(struct image *image)
{
    cr_head_done(&image->head);
    cr_head_done(&image->there);
    cr_head_done(&image->merged);
    cr_buf_done(&image->bytes);
    cr_buf_done(&image->there_bytes);
}

static int head_get(struct cr_store *store, const char *name, struct cr_buf *bytes,
                    struct cr_head *ret_head, struct cr_error *err)
{
    struct cr_error why = {0};
    int r = store->ops->head_get(store, name, bytes, err);
    if (r == 0 && (r = cr_head_parse(bytes->data, bytes->len, name, ret_head, &why)) < 0)
        cr_error_set(err, r, "head '%s' of store '%s' is corrupted: %s", name, store->uri,
                     why.text);
    return r;
}

static int heads_read(struct image *image, struct cr_error *err)
{
    struct cr_copy *copy = image->copy;
    int r = head_get(copy->from, image->name, &image->bytes, &image->head, err);
    if (r < 0)
        return r;
    r = head_get(copy->to, image->name, &image->there_bytes, &image->there, err);
    if (r == -ENOENT)
        return 0;
    image->exists = r == 0;
    return r < 0 ? r : history_check(&image->head, &image->there, copy->to->uri, err);
}

/* Append to the list that the target shall have; the numbers come rising. */
static void merged_add(struct image *image, const struct cr_version_info *info)
{
    image->merged.versions[image->merged.count++] = *info;
}

/* Leave a version out whose content cannot be read, and tell so. */
static int version_spoiled(struct image *image, const struct cr_version_info *info, int result,
                           const struct cr_error *why)
{
    const struct cr_copy_options *options = image->copy->options;
    struct cr_ref ref = {.number = info->number};
    char text[CR_REF_TEXT];
    snprintf(ref.name, sizeof(ref.name), "%s", image->name);
    image->copy->stat.versions_failed++;
    if (options->failed != NULL)
        options->failed(options->context, &ref, why);
    if (image->first == 0)
        image->first = cr_error_set(&image->why, result, "version '%s' was not copied: %s",
                                    cr_ref_format(&ref, text), why->text);
    return 0;
}

/* One number that either head has. */
static int version_step(struct image *image, const struct cr_version_info *ours,
                        const struct cr_version_info *theirs, struct cr_error *err)
{
    struct cr_copy *copy = image->copy;
    struct cr_error why = {0};
    int r;
    if (ours == NULL) {
        if (copy->options->mirror)
            copy->stat.versions_removed++;
        else
            merged_add(image, theirs);
        return 0;
    }
    if (theirs == NULL) {
        r = cr_copy_version(copy, ours, &why);
        if (r < 0 && copy->unreadable && r != -ECANCELED)
            return version_spoiled(image, ours, r, &why);
        if (r != 0) {
            if (err != NULL)
                *err = why;
            return r;
        }
        copy->stat.versions_new++;
    } else {
        copy->done_bytes += ours->data_bytes;
    }
    r = cr_copy_hot(copy, &ours->root, err);
    if (r < 0)
        return r;
    copy->stat.versions++;
    merged_add(image, ours);
    return 0;
}

/* Go through both lists of versions, as one. */
static int versions_copy(struct image *image, struct cr_error *err)
{
    const struct cr_head *ours = &image->head, *theirs = &image->there;
    size_t room = (size_t)ours->count + theirs->count;
    image->merged.versions = cr_calloc(room, sizeof(*image->merged.versions));
    if (image->merged.versions == NULL)
        return cr_error_errno(err, -ENOMEM, "copying image '%s'", image->name);
    snprintf(image->merged.name, sizeof(image->merged.name), "%s", image->name);
    image->merged.next = ours->next;
    int r = 0;
    for (uint32_t i = 0, k = 0; r == 0 && (i < ours->count || k < theirs->count);) {
        const struct cr_version_info *a = i < ours->count ? &ours->versions[i] : NULL;
        const struct cr_version_info *b = k < theirs->count ? &theirs->versions[k] : NULL;
        if (a != NULL && b != NULL && a->number < b->number)
            b = NULL;
        else if (a != NULL && b != NULL && b->number < a->number)
            a = NULL;
        i += a != NULL;
        k += b != NULL;
        r = version_step(image, a, b, err);
    }
    return r;
}

static bool is_whole(const struct image *image)
{
    bool whole = image->merged.count == image->head.count;
    for (uint32_t i = 0; i < image->merged.count && whole; i++)
        whole = image->merged.versions[i].number == image->head.versions[i].number;
    return whole;
}

static int head_write(struct image *image, struct cr_error *err)
{
    struct cr_store *to = image->copy->to;
    CLEANUP_BUF struct cr_buf merged = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    const struct cr_buf *bytes = &image->bytes;
    struct cr_id hash;
    if (!is_whole(image)) {
        struct cr_head head = image->merged;
        head.changes = image->head.changes;
        head.change_count = image->head.change_count;
        int r = cr_head_format(&head, &merged);
        if (r < 0)
            return cr_error_errno(err, r, "copying image '%s'", image->name);
        bytes = &merged;
    }
    if (image->exists && bytes->len == image->there_bytes.len &&
        memcmp(bytes->data, image->there_bytes.data, bytes->len) == 0)
        return 0;
    cr_hash(image->there_bytes.data, image->there_bytes.len, &hash);
    return to->ops->head_set(to, image->name, image->exists ? &hash : NULL, bytes->data, bytes->len,
                             err);
}

static int image_copy(struct cr_copy *copy, const char *name, struct cr_error *err)
{
    struct cr_store *to = copy->to;
    CLEANUP(image_done)
    struct image image = {.copy = copy,
                          .name = name,
                          .bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX),
                          .there_bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX)};
    struct cr_store_lock *lock = NULL;
    cr_copy_lanes_reset(copy);
    int r = to->ops->image_lock(to, name, &lock, err);
    if (r < 0)
        return r;
    r = heads_read(&image, err);
    if (r == 0)
        r = versions_copy(&image, err);
    if (r == 0)
        r = head_write(&image, err);
    to->ops->image_unlock(to, lock);
    if (r == 0 && image.first < 0) {
        if (err != NULL)
            *err = image.why;
        return image.first;
    }
    copy->stat.images += r == 0;
    return r;
}

/* An image that the source no longer has loses its versions. */
static int image_empty(struct cr_copy *copy, const char *name, struct cr_error *err)
{
    struct cr_store *to = copy->to;
    struct cr_head head = {0};
    struct cr_id hash;
    struct cr_store_lock *lock = NULL;
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    int r = to->ops->image_lock(to, name, &lock, err);
    if (r < 0)
        return r;
    r = cr_store_head_read(to, name, &head, &hash, err);
    if (r == 0 && head.count > 0) {
        uint32_t removed = head.count;
        head.count = 0;
        r = cr_head_format(&head, &bytes);
        if (r < 0)
            cr_error_errno(err, r, "removing image '%s'", name);
        else
            r = to->ops->head_set(to, name, &hash, bytes.data, bytes.len, err);
        copy->stat.versions_removed += r == 0 ? removed : 0;
    }
    cr_head_done(&head);
    to->ops->image_unlock(to, lock);
    return r;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int name_add(void *context, const char *name)
{
    struct names *names = context;
    void *grown = realloc(names->list, (names->count + 1) * sizeof(*names->list));
    if (grown == NULL)
        return -ENOMEM;
    names->list = grown;
    snprintf(names->list[names->count++], sizeof(*names->list), "%s", name);
    return 0;
}

/* How much is to be looked at, for progress. */
static void total_add(struct cr_copy *copy, const char *name)
{
    struct cr_head head;
    if (cr_store_head_read(copy->from, name, &head, NULL, NULL) < 0)
        return;
    for (uint32_t i = 0; i < head.count; i++)
        copy->total_bytes += head.versions[i].data_bytes;
    cr_head_done(&head);
}

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

/* Only this image is concerned; the others are copied all the same. */
static bool is_of_one_image(const struct cr_copy *copy, int result)
{
    return result == -EEXIST || result == -EBUSY || result == -EBADMSG ||
           (copy->unreadable && result != -ECANCELED);
}

static int images_copy(struct cr_copy *copy, const struct names *ours, const struct names *theirs,
                       struct cr_error *err)
{
    struct cr_error first_why = {0};
    int first = 0, r = 0;
    for (size_t i = 0; i < ours->count; i++)
        total_add(copy, ours->list[i]);
    for (size_t i = 0; i < ours->count + theirs->count; i++) {
        bool gone = i >= ours->count;
        const char *name = gone ? theirs->list[i - ours->count] : ours->list[i];
        struct cr_error why = {0};
        copy->unreadable = false;
        if (gone && has_name(ours, name))
            continue;
        r = gone ? image_empty(copy, name, &why) : image_copy(copy, name, &why);
        if (r != 0 && first == 0) {
            first = r;
            first_why = why;
        }
        if (r != 0 && !is_of_one_image(copy, r))
            break;
    }
    if (first != 0 && err != NULL)
        *err = first_why;
    return first;
}

static int copy_start(struct cr_copy *copy, struct cr_error *err)
{
    int r = cr_store_writable(copy->to, err);
    if (r < 0)
        return r;
    r = cr_pool_new(copy->options->threads, CR_COPY_LANES_MAX, &copy->pool);
    copy->wanted = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*copy->wanted));
    if (r < 0 || copy->wanted == NULL)
        return cr_error_errno(err, r < 0 ? r : -ENOMEM, "copying a store");
    unsigned lanes = cr_pool_threads(copy->pool);
    for (unsigned i = 0; i < lanes && i < CR_COPY_LANES_MAX; i++) {
        copy->lanes[i] = cr_calloc(1, sizeof(*copy->lanes[i]));
        if (copy->lanes[i] == NULL)
            return cr_error_errno(err, -ENOMEM, "copying a store");
        cr_pack_init(&copy->lanes[i]->pack);
        copy->lanes[i]->copy = copy;
        copy->lane_count++;
    }
    return 0;
}

static void copy_end(struct cr_copy *copy)
{
    cr_pool_free(copy->pool);
    for (unsigned i = 0; i < copy->lane_count; i++) {
        cr_pack_done(&copy->lanes[i]->pack);
        free(copy->lanes[i]);
    }
    free(copy->wanted);
    cr_idset_done(&copy->stored);
    pthread_mutex_destroy(&copy->mutex);
}

int cr_store_copy(struct cr_store *from, struct cr_store *to, const struct cr_copy_options *options,
                  struct cr_copy_stat *ret_stat, struct cr_error *err)
{
    struct cr_copy copy = {.from = from, .to = to, .options = options};
    struct names ours = {0}, theirs = {0};
    struct cr_error why = {0};
    pthread_mutex_init(&copy.mutex, NULL);
    int r = copy_start(&copy, err);
    if (r == 0)
        r = from->ops->heads_list(from, name_add, &ours, err);
    if (r == 0 && options->mirror)
        r = to->ops->heads_list(to, name_add, &theirs, err);
    if (r == 0) {
        r = images_copy(&copy, &ours, &theirs, err);
        int trust = r == 0 || is_of_one_image(&copy, r) ? cr_copy_trust(&copy, &why) : 0;
        if (r == 0 && (r = trust) < 0 && err != NULL)
            *err = why;
    }
    *ret_stat = copy.stat;
    free(ours.list);
    free(theirs.list);
    copy_end(&copy);
    return r;
}
