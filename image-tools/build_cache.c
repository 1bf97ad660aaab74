/* SPDX-License-Identifier: MIT */
#include "image-tools/build_cache.h"

#include "image-tools/build_record.h"
#include "image-tools/head_edit.h"
#include "image-tools/progress.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/ingest/ingest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MESSAGE_BEGIN "step "
#define LINE_SHOWN    200 /* bytes of a step's line in the message */

static void cache_name(const char *image, struct cr_ref *ret_ref)
{
    *ret_ref = (struct cr_ref){0};
    snprintf(ret_ref->name, sizeof(ret_ref->name), "%.*s" CR_STEPS_SUFFIX,
             (int)(CR_NAME_MAX - strlen(CR_STEPS_SUFFIX)), image);
}

/* The newest version with this key, or NULL. */
static const struct cr_version_info *key_find(const struct cr_head *head, const struct cr_id *key)
{
    char text[sizeof(MESSAGE_BEGIN) + CR_ID_HEX];
    size_t len = strlen(MESSAGE_BEGIN);
    memcpy(text, MESSAGE_BEGIN, len);
    cr_id_format(key, text + len);
    len += CR_ID_HEX - 1;
    for (uint32_t i = head->count; i > 0; i--)
        if (strncmp(head->versions[i - 1].message, text, len) == 0)
            return &head->versions[i - 1];
    return NULL;
}

/* An image that does not exist yet has an empty head. */
static int head_read(struct cr_store *store, const struct cr_recipe *recipe,
                     struct cr_head *ret_head, struct cr_id *ret_hash, struct cr_error *err)
{
    struct cr_ref ref;
    cache_name(recipe->image, &ref);
    int r = cr_store_head_read(store, ref.name, ret_head, ret_hash, err);
    if (r == -ENOENT) {
        *ret_head = (struct cr_head){0};
        return 0;
    }
    return r;
}

int build_cache_find(struct cr_store *store, const struct cr_recipe *recipe,
                     const struct cr_id *keys, unsigned *ret_count, struct cr_version **ret_version,
                     struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_ref ref;
    *ret_count = 0;
    *ret_version = NULL;
    cache_name(recipe->image, &ref);
    int r = head_read(store, recipe, &head, NULL, err);
    for (unsigned count = recipe->count; count > 0 && r == 0; count--) {
        const struct cr_version_info *info = key_find(&head, &keys[count - 1]);
        if (info == NULL)
            continue;
        ref.number = info->number;
        if (cr_version_open(store, &ref, ret_version, NULL) == 0) {
            *ret_count = count;
            return 0;
        }
    }
    return r;
}

int build_cache_log(struct cr_store *store, const struct cr_recipe *recipe, const struct cr_id *key,
                    struct cr_buf *log, struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP(cr_record_done) struct cr_record record = {0};
    int r = head_read(store, recipe, &head, NULL, err);
    if (r < 0)
        return r;
    const struct cr_version_info *info = key_find(&head, key);
    const struct cr_record_entry *entry = NULL;
    if (info != NULL && build_record_read(store, info, &record, NULL) == 0)
        entry = cr_record_find(&record, CR_RECORD_LOG);
    r = entry == NULL    ? cr_buf_printf(log, "(its log is not known any more)\n")
        : entry->len > 0 ? cr_buf_append(log, entry->data, entry->len)
                         : 0;
    return r < 0 ? cr_error_errno(err, r, "cannot keep the log") : 0;
}

/* --- a new result ----------------------------------------------------------------------------- */

static int layer_ingest(struct cli *cli, struct cr_ingest *ingest, struct cr_error *err)
{
    int r = cr_ingest_scan(ingest, err);
    if (r < 0)
        return r;
    CLEANUP(progress_cleanup)
    struct progress *progress =
        progress_new(cli, "storing the step", cr_extents_bytes(&ingest->data));
    ingest->progress = progress;
    ingest->progressed = progress_told;
    r = cr_ingest_run(ingest, cli->disk_threads, err);
    return r < 0 ? r : stop_check(err);
}

/* The record is stored within the publishing, whose lease keeps it from the collector. */
static int layer_publish(struct cli *cli, struct cr_store *store, const struct cr_ref *name,
                         const struct build_cache_result *result, const char *message,
                         const struct cr_record_writer *writer, struct cr_version_info *ret_info,
                         struct cr_error *err)
{
    CLEANUP(cr_source_cleanup) struct cr_source *source = NULL;
    struct cr_source_options options = {
        .format = "qcow2", .top_layer_only = true, .connections = cli->disk_threads};
    int r = cr_source_open(result->layer, &options, &source, err);
    if (r < 0)
        return r;
    CLEANUP(cr_ingest_done)
    struct cr_ingest ingest = {
        .stop = stop_check, .source = source, .store = store, .base = result->before};
    r = cr_publish_begin(store, name->name, cr_source_size_bytes(source), result->before,
                         &ingest.publish, err);
    if (r < 0)
        return r;
    struct cr_id record;
    r = layer_ingest(cli, &ingest, err);
    if (r == 0)
        r = build_record_put(store, writer, &record, err);
    if (r < 0) {
        cr_publish_abort(ingest.publish);
        return r;
    }
    struct cr_publish_stat stat;
    struct cr_publish_note note = {.parent = result->base, .message = message, .record = &record};
    return cr_publish_commit(ingest.publish, &note, ret_info, &stat, err);
}

int build_cache_put(struct cli *cli, struct cr_store *store, const struct cr_recipe *recipe,
                    const struct build_cache_result *result, struct cr_version **ret_version,
                    struct cr_error *err)
{
    CLEANUP(cr_record_writer_done) struct cr_record_writer writer = {0};
    struct cr_ref ref;
    struct cr_version_info info;
    char key[CR_ID_HEX], message[sizeof(MESSAGE_BEGIN) + CR_ID_HEX + 16 + LINE_SHOWN];
    size_t shown = strlen(result->step->value);
    cache_name(recipe->image, &ref);
    for (shown = shown > LINE_SHOWN ? LINE_SHOWN : shown;
         shown > 0 && ((unsigned char)result->step->value[shown] & 0xc0) == 0x80; shown--)
        ; /* not within a letter of UTF-8 */
    snprintf(message, sizeof(message), MESSAGE_BEGIN "%s %s = %.*s", cr_id_format(result->key, key),
             cr_step_key_word(result->step->kind), (int)shown, result->step->value);
    for (char *p = message; *p != '\0'; p++)
        if (*p == '\t')
            *p = ' ';
    cr_record_writer_init(&writer);
    int r = cr_record_add(&writer, CR_RECORD_LOG, result->log->data, result->log->len);
    if (r < 0)
        return cr_error_errno(err, r, "cannot keep the log");
    r = layer_publish(cli, store, &ref, result, message, &writer, &info, err);
    if (r < 0)
        return cr_error_prefix(err, r, "cannot keep the result of the step");
    ref.number = info.number;
    return cr_version_open(store, &ref, ret_version, err);
}

/* --- the oldest go ---------------------------------------------------------------------------- */

static bool key_is_one_of(const struct cr_version_info *info, const struct cr_id *keys,
                          unsigned count)
{
    struct cr_id key;
    const size_t begin = strlen(MESSAGE_BEGIN);
    if (strlen(info->message) < begin + CR_ID_HEX - 1 ||
        cr_id_parse(info->message + begin, CR_ID_HEX - 1, &key) < 0)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (cr_id_equal(&key, &keys[i]))
            return true;
    return false;
}

static int head_prune(struct cr_store *store, const struct cr_recipe *recipe,
                      const struct cr_id *keys, struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_id before;
    bool changed = false;
    int r = head_read(store, recipe, &head, &before, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < head.count && head.count > CR_STEPS_KEPT_MAX;) {
        if (head.versions[i].pinned || key_is_one_of(&head.versions[i], keys, recipe->count)) {
            i++;
        } else {
            cr_head_remove(&head, head.versions[i].number);
            changed = true;
        }
    }
    if (!changed)
        return 0;
    r = cr_head_format(&head, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "cannot write the head of '%s'", head.name);
    return store->ops->head_set(store, head.name, &before, bytes.data, bytes.len, err);
}

int build_cache_prune(struct cr_store *store, const struct cr_recipe *recipe,
                      const struct cr_id *keys, struct cr_error *err)
{
    struct cr_store_lock *lock = NULL;
    struct cr_ref ref;
    cache_name(recipe->image, &ref);
    int r = store->ops->image_lock(store, ref.name, &lock, err);
    if (r < 0)
        return r;
    r = head_prune(store, recipe, keys, err);
    store->ops->image_unlock(store, lock);
    return r;
}

static int drop_all(struct cr_head *head, void *context, struct cr_error *err)
{
    unsigned *count = context;
    (void)err;
    for (uint32_t i = 0; i < head->count;) {
        if (head->versions[i].pinned) {
            i++;
        } else {
            cr_head_remove(head, head->versions[i].number);
            (*count)++;
        }
    }
    return 0;
}

int build_cache_drop(struct cr_store *store, const char *image, unsigned *ret_count,
                     struct cr_error *err)
{
    struct cr_ref ref;
    unsigned count = 0;
    cache_name(image, &ref);
    int r = head_edit(store, ref.name, drop_all, &count, err);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_count = count;
    return 0;
}

bool build_cache_has(struct cr_store *store, const char *image)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_ref ref;
    cache_name(image, &ref);
    return cr_store_head_read(store, ref.name, &head, NULL, NULL) == 0 && head.count > 0;
}
