/* SPDX-License-Identifier: MIT */
#include "image-tools/head_edit.h"

#include "lib/base/mem.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <time.h>

static int edit_locked(struct cr_store *store, const char *name, head_change *change, void *context,
                       struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_id before;
    int r = cr_store_head_read(store, name, &head, &before, err);
    if (r == 0)
        r = change(&head, context, err);
    if (r < 0)
        return r;
    r = cr_head_format(&head, &bytes);
    /* Long reasons fill the head before the changes are many: the older half of them goes. */
    while (r == -EMSGSIZE && cr_head_fold(&head, head.change_count / 2, (int64_t)time(NULL)) > 0) {
        cr_buf_done(&bytes);
        cr_buf_init(&bytes, CR_HEAD_BYTES_MAX);
        r = cr_head_format(&head, &bytes);
    }
    if (r == -EMSGSIZE)
        return cr_error_set(err, r,
                            "the list of versions and changes of '%s' would have more than %llu "
                            "bytes; remove versions that nobody needs",
                            name, CR_HEAD_BYTES_MAX);
    if (r < 0)
        return cr_error_errno(err, r, "cannot write the head of '%s'", name);
    return store->ops->head_set(store, name, &before, bytes.data, bytes.len, err);
}

int head_edit(struct cr_store *store, const char *name, head_change *change, void *context,
              struct cr_error *err)
{
    struct cr_store_lock *lock = NULL;
    int r = store->ops->image_lock(store, name, &lock, err);
    if (r < 0)
        return r;
    r = edit_locked(store, name, change, context, err);
    store->ops->image_unlock(store, lock);
    return r;
}
