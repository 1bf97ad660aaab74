/* SPDX-License-Identifier: MIT */
#include "server/chunkd/heads.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <pthread.h>

#define SLOTS          256U   /* a name has one; the later head takes it */
#define KEPT_BYTES_MAX CR_MIB /* larger heads are asked for each time */
#define SEEN_NEVER     UINT64_MAX

struct heads {
    struct cr_store *store;
    bool watched;
    pthread_mutex_t mutex;
    uint64_t changes; /* that were told of, or may have been missed */
    uint64_t hits;
    struct slot {
        char name[CR_NAME_MAX + 1];
        struct cr_buf text; /* empty = nothing is kept */
    } slots[SLOTS];
};

static struct slot *slot_of(struct heads *heads, const char *name)
{
    struct cr_id hash;
    cr_hash(name, strlen(name), &hash);
    return &heads->slots[cr_id_hash(&hash) % SLOTS];
}

/* The mutex is held. */
static void forget_all(struct heads *heads)
{
    heads->changes++;
    for (size_t i = 0; i < SLOTS; i++)
        cr_buf_done(&heads->slots[i].text);
}

/* Called by a thread of the store's. */
static void head_changed(void *context, const char *name)
{
    struct heads *heads = context;
    pthread_mutex_lock(&heads->mutex);
    if (name == NULL) {
        forget_all(heads);
    } else {
        struct slot *slot = slot_of(heads, name);
        heads->changes++;
        if (strcmp(slot->name, name) == 0)
            cr_buf_done(&slot->text);
    }
    pthread_mutex_unlock(&heads->mutex);
}

/* Is the store watched right now? When not, what is kept may be old, also later on. */
static bool is_watching(struct heads *heads)
{
    if (!heads->watched)
        return false;
    if (heads->store->ops->watching(heads->store))
        return true;
    pthread_mutex_lock(&heads->mutex);
    forget_all(heads);
    pthread_mutex_unlock(&heads->mutex);
    return false;
}

int heads_new(struct cr_store *store, struct heads **ret_heads)
{
    struct heads *heads = cr_calloc(1, sizeof(*heads));
    if (heads == NULL)
        return -ENOMEM;
    heads->store = store;
    pthread_mutex_init(&heads->mutex, NULL);
    for (size_t i = 0; i < SLOTS; i++)
        cr_buf_init(&heads->slots[i].text, KEPT_BYTES_MAX);
    /* A store that cannot tell, or not now, is asked each time. */
    heads->watched = store->ops->watch != NULL && store->ops->watching != NULL &&
                     store->ops->watch(store, head_changed, heads, NULL) == 0;
    *ret_heads = heads;
    return 0;
}

void heads_free(struct heads *heads)
{
    if (heads == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        cr_buf_done(&heads->slots[i].text);
    pthread_mutex_destroy(&heads->mutex);
    free(heads);
}

bool heads_peek(struct heads *heads, const char *name, struct cr_buf *text)
{
    if (!is_watching(heads))
        return false;
    pthread_mutex_lock(&heads->mutex);
    const struct slot *slot = slot_of(heads, name);
    bool found = slot->text.len > 0 && strcmp(slot->name, name) == 0 &&
                 cr_buf_append(text, slot->text.data, slot->text.len) == 0;
    heads->hits += found;
    pthread_mutex_unlock(&heads->mutex);
    return found;
}

uint64_t heads_seen(struct heads *heads)
{
    if (!is_watching(heads))
        return SEEN_NEVER;
    pthread_mutex_lock(&heads->mutex);
    uint64_t seen = heads->changes;
    pthread_mutex_unlock(&heads->mutex);
    return seen;
}

void heads_keep(struct heads *heads, const char *name, const struct cr_buf *text, uint64_t seen)
{
    if (seen == SEEN_NEVER || text->len > KEPT_BYTES_MAX || !is_watching(heads))
        return;
    pthread_mutex_lock(&heads->mutex);
    if (heads->changes == seen) {
        struct slot *slot = slot_of(heads, name);
        cr_buf_done(&slot->text);
        snprintf(slot->name, sizeof(slot->name), "%s", name);
        (void)cr_buf_append(&slot->text, text->data, text->len); /* no memory: not kept */
    }
    pthread_mutex_unlock(&heads->mutex);
}

uint64_t heads_hits(struct heads *heads)
{
    pthread_mutex_lock(&heads->mutex);
    uint64_t hits = heads->hits;
    pthread_mutex_unlock(&heads->mutex);
    return hits;
}
