/* SPDX-License-Identifier: MIT */
/*
 * Marks. The truth is an attribute of the blob itself: whoever writes the blob takes it away in the
 * same operation, and the removal of a condemned blob compares it in the same operation. Beside it
 * there are lists of the names that were ever marked, so that `marks` need not look at every blob;
 * a name that is listed but no longer marked is skipped, and the collector takes it out.
 *
 * A mark's attribute is set before its name is listed. In between somebody may look and not see the
 * mark. He has noted an older generation as seen than the one that is being marked, so the
 * collector keeps the blob for him (gc.h).
 */
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/rados/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define KEY_BYTES (CR_BLOB_NAME_MAX + 16U)
#define PAGE      512U /* of a list, for one operation */

/* "carrel-marks.5": over which object a name's mark is listed. */
static void list_of(const char *key, char out[static 24])
{
    unsigned sum = 0;
    for (const char *c = key; *c != '\0'; c++)
        sum += (unsigned char)*c;
    snprintf(out, 24, "carrel-marks.%u", sum % CR_RADOS_MARK_LISTS);
}

static void key_of(enum cr_space space, const char *name, char out[static KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "%s/%s", cr_space_names[space], name);
}

/* Take a name out of its list, if what stands there is `value` (NULL: whatever it is). */
static int unlist(struct cr_rados *rados, const char *key, const char *value)
{
    const struct cr_rados_api *api = rados->api;
    char list[24];
    list_of(key, list);
    rados_write_op_t op = api->create_write_op();
    if (op == NULL)
        return -ENOMEM;
    if (value != NULL)
        api->write_op_omap_cmp(op, key, LIBRADOS_CMPXATTR_OP_EQ, value, strlen(value), NULL);
    api->write_op_omap_rm_keys(op, &key, 1);
    return cr_rados_operate(rados, op, rados->root, list);
}

int cr_rados_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    const struct cr_rados_api *api = rados->api;
    int r = cr_rados_collector_check(rados, err);
    if (r < 0)
        return r;
    char generation[24], marked[24], key[KEY_BYTES], list[24];
    snprintf(generation, sizeof(generation), "%" PRIu64, mark->generation);
    snprintf(marked, sizeof(marked), "%" PRId64, mark->marked_s);
    rados_write_op_t op = api->create_write_op();
    if (op != NULL) {
        api->write_op_assert_exists(op);
        api->write_op_setxattr(op, CR_RADOS_GENERATION, generation, strlen(generation));
        api->write_op_setxattr(op, CR_RADOS_MARKED, marked, strlen(marked));
    }
    r = cr_rados_operate(rados, op, rados->spaces[mark->space], mark->name);
    if (r < 0)
        return cr_rados_blob_error(rados, r, "condemning", mark->space, mark->name, err);
    key_of(mark->space, mark->name, key);
    list_of(key, list);
    op = api->create_write_op();
    if (op != NULL) {
        const char *const keys[] = {key}, *const values[] = {generation};
        const size_t lens[] = {strlen(generation)};
        api->write_op_omap_set(op, keys, values, lens, 1);
    }
    r = cr_rados_operate(rados, op, rados->root, list);
    return r < 0 ? cr_rados_error(rados, r, "listing the mark of", rados->root, "marks", key, err)
                 : 0;
}

int cr_rados_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    char key[KEY_BYTES];
    rados_write_op_t op = rados->api->create_write_op();
    if (op != NULL) {
        rados->api->write_op_assert_exists(op);
        rados->api->write_op_rmxattr(op, CR_RADOS_GENERATION);
    }
    int r = cr_rados_operate(rados, op, rados->spaces[space], name);
    if (r < 0 && r != -ENOENT && r != -ENODATA)
        return cr_rados_blob_error(rados, r, "unmarking", space, name, err);
    key_of(space, name, key);
    (void)unlist(rados, key, NULL); /* one too many harms nobody */
    return 0;
}

int cr_rados_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                           uint64_t generation, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    const struct cr_rados_api *api = rados->api;
    char text[24], key[KEY_BYTES];
    snprintf(text, sizeof(text), "%" PRIu64, generation);
    rados_write_op_t op = api->create_write_op();
    if (op != NULL) {
        api->write_op_assert_exists(op);
        api->write_op_cmpxattr(op, CR_RADOS_GENERATION, LIBRADOS_CMPXATTR_OP_EQ, text,
                               strlen(text));
        api->write_op_remove(op);
    }
    int r = cr_rados_operate(rados, op, rados->spaces[space], name);
    if (r < 0 && r != -ENOENT && r != -ECANCELED)
        return cr_rados_blob_error(rados, r, "removing", space, name, err);
    if (r != -ECANCELED) {
        key_of(space, name, key);
        (void)unlist(rados, key, NULL);
    }
    return r == 0 ? 0
                  : cr_error_set(err, -EAGAIN, "'%s/%s' is no longer condemned",
                                 cr_space_names[space], name);
}

/* --- reading them ---------------------------------------------------------------------------- */

struct listed {
    char key[KEY_BYTES];
    char value[24]; /* the generation as it was listed */
};

struct listing {
    struct listed *items;
    size_t count, capacity;
};

static int listing_add(struct listing *listing, const char *key, const char *value, size_t len)
{
    if (strlen(key) >= KEY_BYTES || len >= sizeof(listing->items->value))
        return 0; /* not ours */
    if (listing->count == listing->capacity) {
        size_t more = listing->capacity ? 2 * listing->capacity : 256;
        struct listed *grown = realloc(listing->items, more * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        listing->items = grown;
        listing->capacity = more;
    }
    struct listed *item = &listing->items[listing->count++];
    snprintf(item->key, sizeof(item->key), "%s", key);
    memcpy(item->value, value, len);
    item->value[len] = '\0';
    return 0;
}

/* The next page of one list, behind the last item that `listing` has of it. */
static int page_read(struct cr_rados *rados, const char *list, const char *after,
                     struct listing *listing, bool *ret_more)
{
    const struct cr_rados_api *api = rados->api;
    rados_omap_iter_t iter = NULL;
    unsigned char more = 0;
    int result = 0;
    rados_read_op_t op = api->create_read_op();
    if (op == NULL)
        return -ENOMEM;
    api->read_op_omap_get_vals2(op, after, "", PAGE, &iter, &more, &result);
    int r = api->read_op_operate(op, rados->root, list, 0);
    api->release_read_op(op);
    if (r == 0)
        r = result;
    while (r == 0) {
        char *key, *value;
        size_t len;
        r = api->omap_get_next(iter, &key, &value, &len);
        if (r < 0 || key == NULL)
            break;
        r = listing_add(listing, key, value, len);
    }
    if (iter != NULL)
        api->omap_get_end(iter);
    *ret_more = more != 0;
    return r;
}

static int lists_read(struct cr_rados *rados, struct listing *listing, struct cr_error *err)
{
    for (unsigned i = 0; i < CR_RADOS_MARK_LISTS; i++) {
        char list[24], after[KEY_BYTES] = "";
        bool more = true;
        snprintf(list, sizeof(list), "carrel-marks.%u", i);
        while (more) {
            size_t before = listing->count;
            int r = page_read(rados, list, after, listing, &more);
            if (r == -ENOENT)
                break; /* nothing was ever marked */
            if (r < 0)
                return cr_rados_error(rados, r, "reading", rados->root, "marks", list, err);
            if (listing->count == before)
                break;
            snprintf(after, sizeof(after), "%s", listing->items[listing->count - 1].key);
        }
    }
    return 0;
}

/* "packs/NAME". false when it is none of ours. */
static bool key_split(const char *key, enum cr_space *ret_space, const char **ret_name)
{
    for (int i = 0; i < CR_SPACE_COUNT; i++) {
        size_t len = strlen(cr_space_names[i]);
        if (strncmp(key, cr_space_names[i], len) == 0 && key[len] == '/' && key[len + 1] != '\0') {
            *ret_space = (enum cr_space)i;
            *ret_name = key + len + 1;
            return true;
        }
    }
    return false;
}

/* Two attributes of one blob, asked for in the background. */
struct look {
    rados_completion_t done[2];
    char text[2][24];
};

static int look_start(struct cr_rados *rados, enum cr_space space, const char *name,
                      struct look *look)
{
    static const char *const attributes[] = {CR_RADOS_GENERATION, CR_RADOS_MARKED};
    const struct cr_rados_api *api = rados->api;
    memset(look, 0, sizeof(*look));
    for (int i = 0; i < 2; i++) {
        int r = api->aio_create_completion2(NULL, NULL, &look->done[i]);
        if (r == 0) {
            r = api->aio_getxattr(rados->spaces[space], name, look->done[i], attributes[i],
                                  look->text[i], sizeof(look->text[i]) - 1);
            if (r < 0)
                api->aio_release(look->done[i]);
        }
        if (r < 0) {
            look->done[i] = NULL;
            return r;
        }
    }
    return 0;
}

/* 1 when it is marked, 0 when not, or -errno. `r` is what the start returned. */
static int look_finish(struct cr_rados *rados, struct look *look, int r, struct cr_mark *mark)
{
    uint64_t marked = 0;
    bool gone = false;
    for (int i = 0; i < 2; i++) {
        if (look->done[i] == NULL)
            continue;
        rados->api->aio_wait_for_complete(look->done[i]);
        int got = rados->api->aio_get_return_value(look->done[i]);
        rados->api->aio_release(look->done[i]);
        if (got == -ENOENT || got == -ENODATA)
            gone = true;
        else if (got < 0 && r == 0)
            r = got;
    }
    if (r < 0 || gone)
        return r;
    if (cr_u64_parse(look->text[0], UINT64_MAX, &mark->generation) < 0 ||
        cr_u64_parse(look->text[1], INT64_MAX, &marked) < 0)
        return 0;
    mark->marked_s = (int64_t)marked;
    return 1;
}

#define LOOKS 64U

/* Look at `count` listed names (at most LOOKS) and hand on those that are marked. */
static int looks(struct cr_rados *rados, const struct listed *items, size_t count, bool collector,
                 cr_mark_sink *sink, void *context, struct cr_error *err)
{
    struct look look[LOOKS];
    int started[LOOKS], stop = 0;
    enum cr_space space = CR_SPACE_PACKS;
    const char *name = "";
    for (size_t i = 0; i < count; i++) {
        memset(&look[i], 0, sizeof(look[i]));
        started[i] =
            key_split(items[i].key, &space, &name) ? look_start(rados, space, name, &look[i]) : 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!key_split(items[i].key, &space, &name))
            continue;
        struct cr_mark mark = {.space = space, .name = name};
        int r = look_finish(rados, &look[i], started[i], &mark);
        if (stop != 0)
            continue;
        if (r < 0)
            stop = cr_rados_blob_error(rados, r, "reading the mark of", space, name, err);
        else if (r > 0)
            stop = sink(context, &mark);
        else if (collector)
            (void)unlist(rados, items[i].key, items[i].value);
    }
    return stop;
}

int cr_rados_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context, struct cr_error *err)
{
    struct cr_rados *rados = cr_rados_of(blobs);
    char cookie[CR_RADOS_COOKIE_BYTES];
    struct listing listing = {0};
    int r = lists_read(rados, &listing, err);
    if (r == -ENOMEM)
        cr_error_errno(err, r, "reading the marks of a store");
    /* Only one may tidy: a name must not go out between its marking and its listing. */
    bool collector = cr_rados_cookie(rados, CR_LOCK_COLLECTOR, cookie);
    for (size_t i = 0; i < listing.count && r == 0; i += LOOKS) {
        size_t count = listing.count - i < LOOKS ? listing.count - i : LOOKS;
        r = looks(rados, listing.items + i, count, collector, sink, context, err);
    }
    free(listing.items);
    return r;
}
