/* SPDX-License-Identifier: MIT */
#include "server/chunkd/hot.h"

#include "lib/base/mem.h"
#include "lib/hotlist/hotstore.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define SLOTS  16U /* a root has one; the later list takes it */
#define KEPT_S 10  /* other servers of the same store take boots, too */

struct slot {
    struct cr_id root;
    int64_t until_s;
    struct cr_buf text;
};

struct hot {
    struct cr_store *store;
    bool take_boots;
    pthread_mutex_t taking; /* one boot is merged at a time */
    pthread_mutex_t mutex;  /* over the slots */
    struct slot slots[SLOTS];
};

int hot_new(struct cr_store *store, bool take_boots, struct hot **ret_hot)
{
    struct hot *hot = cr_calloc(1, sizeof(*hot));
    if (hot == NULL)
        return -ENOMEM;
    hot->store = store;
    hot->take_boots = take_boots;
    pthread_mutex_init(&hot->taking, NULL);
    pthread_mutex_init(&hot->mutex, NULL);
    for (size_t i = 0; i < SLOTS; i++)
        cr_buf_init(&hot->slots[i].text, CR_HOT_BYTES_MAX);
    *ret_hot = hot;
    return 0;
}

void hot_free(struct hot *hot)
{
    if (hot == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        cr_buf_done(&hot->slots[i].text);
    pthread_mutex_destroy(&hot->taking);
    pthread_mutex_destroy(&hot->mutex);
    free(hot);
}

/* --- memory ----------------------------------------------------------------------------------- */

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static struct slot *slot_of(struct hot *hot, const struct cr_id *root)
{
    return &hot->slots[cr_id_hash(root) % SLOTS];
}

bool hot_peek(struct hot *hot, const struct cr_id *root, struct cr_buf *text)
{
    pthread_mutex_lock(&hot->mutex);
    const struct slot *slot = slot_of(hot, root);
    bool found = cr_id_equal(&slot->root, root) && slot->until_s > now_s() &&
                 cr_buf_append(text, slot->text.data, slot->text.len) == 0;
    pthread_mutex_unlock(&hot->mutex);
    return found;
}

/* Keep the list for a moment; NULL = forget it. Without memory it is not kept. */
static void keep(struct hot *hot, const struct cr_id *root, const struct cr_buf *text)
{
    pthread_mutex_lock(&hot->mutex);
    struct slot *slot = slot_of(hot, root);
    if (text != NULL || cr_id_equal(&slot->root, root))
        slot->until_s = 0;
    slot->text.len = text != NULL ? 0 : slot->text.len;
    if (text != NULL && cr_buf_append(&slot->text, text->data, text->len) == 0) {
        slot->root = *root;
        slot->until_s = now_s() + KEPT_S;
    }
    pthread_mutex_unlock(&hot->mutex);
}

/* --- the store -------------------------------------------------------------------------------- */

int hot_get(struct hot *hot, const struct cr_id *root, struct cr_buf *text, struct cr_error *err)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0};
    struct cr_id from;
    int r = cr_hot_find(hot->store, root, &list, &from, err);
    if (r < 0)
        return r;
    /* It outlives its parent so; that it cannot be kept matters to nobody now. */
    if (hot->take_boots && !cr_id_equal(&from, root))
        (void)cr_hot_write(hot->store, &list, NULL);
    r = cr_hotlist_format(&list, text);
    if (r < 0)
        return cr_error_errno(err, r, "reading a hot list");
    keep(hot, root, text);
    return 0;
}

int hot_take(struct hot *hot, const struct cr_id *root, const struct cr_id *client,
             const struct cr_buf *boot, struct cr_error *err)
{
    if (!hot->take_boots)
        return cr_error_set(err, -ENOENT,
                            "this server takes no boots; it was started without "
                            "'--boots'");
    pthread_mutex_lock(&hot->taking);
    int r =
        cr_hot_boot_take(hot->store, root, client, (int64_t)time(NULL), boot->data, boot->len, err);
    pthread_mutex_unlock(&hot->taking);
    if (r == 0)
        keep(hot, root, NULL);
    return r;
}
