/* SPDX-License-Identifier: MIT */
#include "image-tools/names.h"

#include <errno.h>

void names_done(struct names *names)
{
    free(names->items);
    *names = (struct names){0};
}

static int names_add(void *context, const char *name)
{
    struct names *names = context;
    if (names->count >= CR_IMAGES_MAX)
        return -EMSGSIZE;
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 64;
        void *items = reallocarray(names->items, room, sizeof(names->items[0]));
        if (items == NULL)
            return -ENOMEM;
        names->items = items;
        names->room = room;
    }
    snprintf(names->items[names->count++].text, sizeof(names->items[0].text), "%s", name);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

int names_read(struct cr_store *store, struct names *ret_names, struct cr_error *err)
{
    struct names names = {0};
    int r = store->ops->heads_list(store, names_add, &names, err);
    if (r < 0) {
        names_done(&names);
        if (r == -EMSGSIZE || r == -ENOMEM)
            cr_error_errno(err, r, "cannot list the images of store '%s'", store->uri);
        return r;
    }
    if (names.count > 1)
        qsort(names.items, names.count, sizeof(names.items[0]), by_text);
    *ret_names = names;
    return 0;
}
