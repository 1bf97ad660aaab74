/* SPDX-License-Identifier: MIT */
#include "lib/sync/fence.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/text.h"
#include "lib/store/append.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define FORM          "carrel-fence 1\n"
#define LOCK_TRIES    60U
#define LOCK_PAUSE_NS (50L * 1000 * 1000)
#define STEPS_SUFFIX  ".steps"
#define NAME_TEXT     (sizeof("sync.") + CR_NAME_MAX)
#define BRANCH_ROOM   20U /* of a name, for what follows the dot */

/* --- its text ----------------------------------------------------------------------------------
 */

int cr_fence_format(const struct cr_fence *fence, struct cr_buf *out)
{
    char root[CR_ID_HEX];
    return cr_buf_printf(out, FORM "epoch %" PRIu64 "\nholder %s\ncommitted %" PRIu64 " %s\n",
                         fence->epoch, fence->holder, fence->committed,
                         cr_id_format(&fence->root, root));
}

/* "KEY number" */
static bool line_number(const char **text, const char *key, uint64_t *ret_number)
{
    size_t len = strlen(key);
    if (strncmp(*text, key, len) != 0)
        return false;
    *text += len;
    return cr_u64_take(text, INT64_MAX, ret_number) == 0;
}

static bool literal(const char **text, const char *expected)
{
    size_t len = strlen(expected);
    if (strncmp(*text, expected, len) != 0)
        return false;
    *text += len;
    return true;
}

int cr_fence_parse(const void *data, size_t len, struct cr_fence *ret_fence, struct cr_error *err)
{
    struct cr_fence fence = {0};
    char text[CR_STATE_BYTES_MAX / 16];
    if (len >= sizeof(text) || memchr(data, '\0', len) != NULL)
        return cr_error_set(err, -EBADMSG, "it is no fence of this form");
    memcpy(text, data, len);
    text[len] = '\0';
    const char *at = text;
    if (!literal(&at, FORM) || !line_number(&at, "epoch ", &fence.epoch) ||
        !literal(&at, "\nholder "))
        return cr_error_set(err, -EBADMSG, "it does not begin with '%.14s', epoch and holder",
                            FORM);
    size_t holder = strcspn(at, "\n");
    if (holder == 0 || holder >= sizeof(fence.holder))
        return cr_error_set(err, -EBADMSG, "its holder has %zu bytes", holder);
    memcpy(fence.holder, at, holder);
    at += holder;
    if (!line_number(&at, "\ncommitted ", &fence.committed) || !literal(&at, " ") ||
        strlen(at) != CR_ID_HEX || at[CR_ID_HEX - 1] != '\n' ||
        cr_id_parse(at, CR_ID_HEX - 1, &fence.root) < 0)
        return cr_error_set(err, -EBADMSG, "it does not end with number and root");
    *ret_fence = fence;
    return 0;
}

/* --- in the store ------------------------------------------------------------------------------
 */

static void side_name(const char *name, char out[static NAME_TEXT])
{
    snprintf(out, NAME_TEXT, "sync.%s", name);
}

/* Absent is epoch 0. *ret_hash is what a replacement expects; zero = absent. */
static int fence_read(struct cr_store *store, const char *name, struct cr_fence *ret_fence,
                      struct cr_id *ret_hash, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    char side[NAME_TEXT];
    side_name(name, side);
    *ret_fence = (struct cr_fence){0};
    *ret_hash = (struct cr_id){0};
    int r = store->ops->side_get(store, CR_SPACE_STATE, side, &text, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    cr_hash(text.data, text.len, ret_hash);
    r = cr_fence_parse(text.data, text.len, ret_fence, err);
    return r < 0 ? cr_error_prefix(err, r, "the fence of image '%s' cannot be read", name) : 0;
}

static int fence_write(struct cr_store *store, const char *name, const struct cr_fence *fence,
                       const struct cr_id *before, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    char side[NAME_TEXT];
    side_name(name, side);
    int r = cr_fence_format(fence, &text);
    if (r < 0)
        return cr_error_errno(err, r, "taking charge of image '%s'", name);
    r = store->ops->side_replace(store, CR_SPACE_STATE, side, cr_id_is_hole(before) ? NULL : before,
                                 text.data, text.len, err);
    return r < 0 ? r : store->ops->sync(store, err);
}

/* Publishers hold the lock for as long as they work; a claim or commit for a moment. */
static int lock_wait(struct cr_store *store, const char *name, struct cr_store_lock **ret_lock,
                     struct cr_error *err)
{
    int r = -EBUSY;
    for (unsigned i = 0; i < LOCK_TRIES && r == -EBUSY; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
        r = store->ops->image_lock(store, name, ret_lock, err);
    }
    return r;
}

/* The newest version: number 0 when there is none. */
static int newest_read(struct cr_store *store, const char *name, struct cr_version_info *ret_newest,
                       uint64_t *ret_next, struct cr_error *err)
{
    struct cr_head head;
    *ret_newest = (struct cr_version_info){0};
    *ret_next = 1;
    int r = cr_store_head_read(store, name, &head, NULL, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    const struct cr_version_info *newest = cr_head_find(&head, 0);
    if (newest != NULL)
        *ret_newest = *newest;
    *ret_next = head.next;
    cr_head_done(&head);
    return 0;
}

/* --- claim -------------------------------------------------------------------------------------
 */

static int claim_locked(struct cr_store *store, const char *name, const char *holder,
                        struct cr_claim_answer *ret_answer, struct cr_error *err)
{
    struct cr_fence fence;
    struct cr_id before;
    struct cr_version_info newest;
    uint64_t next = 1;
    int r = fence_read(store, name, &fence, &before, err);
    if (r == 0)
        r = newest_read(store, name, &newest, &next, err);
    if (r < 0)
        return r;
    struct cr_fence claimed = {.epoch = fence.epoch + 1};
    snprintf(claimed.holder, sizeof(claimed.holder), "%s", holder);
    r = fence_write(store, name, &claimed, &before, err);
    if (r == 0)
        *ret_answer = (struct cr_claim_answer){.epoch = claimed.epoch, .newest = newest.number};
    return r;
}

int cr_fence_claim(struct cr_store *store, const char *name, const char *holder,
                   struct cr_claim_answer *ret_answer, struct cr_error *err)
{
    struct cr_store_lock *lock = NULL;
    int r = lock_wait(store, name, &lock, err);
    if (r < 0)
        return r;
    r = claim_locked(store, name, holder, ret_answer, err);
    store->ops->image_unlock(store, lock);
    return r;
}

/* --- commit ------------------------------------------------------------------------------------
 */

static struct cr_version_info info_make(const struct cr_commit_request *request, const char *holder)
{
    struct cr_version_info info = {
        .root = request->root, .created_s = (int64_t)time(NULL), .parent = request->parent};
    snprintf(info.by, sizeof(info.by), "%s", holder);
    snprintf(info.message, sizeof(info.message), "%s", request->message);
    return info;
}

/* Returns 1 when this holder's version must become a branch. */
static int commit_locked(struct cr_store *store, const struct cr_commit_request *request,
                         const char *holder, struct cr_commit_answer *answer, struct cr_error *err)
{
    struct cr_fence fence;
    struct cr_id before;
    struct cr_version_info newest, info = info_make(request, holder);
    uint64_t next = 1;
    int r = fence_read(store, request->name, &fence, &before, err);
    if (r == 0)
        r = newest_read(store, request->name, &newest, &next, err);
    if (r < 0)
        return r;
    bool newest_is_ours = newest.number != 0 && newest.number == fence.committed &&
                          cr_id_equal(&newest.root, &fence.root);
    if (request->epoch == 0 || request->epoch != fence.epoch || strcmp(fence.holder, holder) != 0 ||
        (newest.number != request->expected && !newest_is_ours))
        return 1;
    answer->number = newest.number;
    if (newest_is_ours && cr_id_equal(&newest.root, &request->root))
        return 0; /* the answer was lost, or nothing has changed since */
    r = cr_store_adopt(store, &info, err);
    if (r < 0)
        return r;
    /* First what will be ours: if the head is set and nothing after it, we shall know our own. */
    fence.committed = next;
    fence.root = request->root;
    r = fence_write(store, request->name, &fence, &before, err);
    if (r == 0)
        r = cr_store_head_append(store, request->name, &info, err);
    answer->number = info.number;
    return r;
}

/* NAME.HOLDER, cut where that is too long. */
static void branch_name(const char *name, const char *holder, char out[static CR_NAME_MAX + 1])
{
    size_t name_len = strlen(name), holder_len = strlen(holder);
    if (name_len + 1 + holder_len > CR_NAME_MAX && holder_len > BRANCH_ROOM)
        holder_len =
            name_len + 1 + BRANCH_ROOM > CR_NAME_MAX ? BRANCH_ROOM : CR_NAME_MAX - 1 - name_len;
    if (name_len + 1 + holder_len > CR_NAME_MAX)
        name_len = CR_NAME_MAX - 1 - holder_len;
    snprintf(out, CR_NAME_MAX + 1, "%.*s.%.*s", (int)name_len, name, (int)holder_len, holder);
    /* NAME.steps is hidden from everybody. */
    size_t len = strlen(out), suffix = strlen(STEPS_SUFFIX);
    if (len >= suffix && strcmp(out + len - suffix, STEPS_SUFFIX) == 0)
        out[len - 1] = '_';
}

static int branch_locked(struct cr_store *store, const struct cr_commit_request *request,
                         const char *holder, struct cr_commit_answer *answer, struct cr_error *err)
{
    struct cr_version_info newest, info = info_make(request, holder);
    uint64_t next = 1;
    int r = newest_read(store, answer->name, &newest, &next, err);
    if (r < 0)
        return r;
    answer->number = newest.number;
    if (newest.number != 0 && cr_id_equal(&newest.root, &request->root))
        return 0; /* the answer was lost */
    r = cr_store_adopt(store, &info, err);
    if (r == 0)
        r = cr_store_head_append(store, answer->name, &info, err);
    answer->number = info.number;
    return r;
}

int cr_fence_commit(struct cr_store *store, const struct cr_commit_request *request,
                    const char *holder, struct cr_commit_answer *ret_answer, struct cr_error *err)
{
    struct cr_store_lock *lock = NULL;
    struct cr_commit_answer answer = {0};
    memcpy(answer.name, request->name, sizeof(answer.name));
    if (!cr_text_is_plain(request->message))
        return cr_error_set(err, -EBADMSG, "the message holds control characters or is not UTF-8");
    int r = store->ops->sync(store, err); /* what was sent is durable before anything names it */
    if (r == 0)
        r = lock_wait(store, request->name, &lock, err);
    if (r < 0)
        return r;
    r = commit_locked(store, request, holder, &answer, err);
    store->ops->image_unlock(store, lock);
    if (r == 1) {
        answer.branch = true;
        branch_name(request->name, holder, answer.name);
        r = lock_wait(store, answer.name, &lock, err);
        if (r < 0)
            return r;
        r = branch_locked(store, request, holder, &answer, err);
        store->ops->image_unlock(store, lock);
    }
    if (r == 0)
        *ret_answer = answer;
    return r;
}
