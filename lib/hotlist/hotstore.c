/* SPDX-License-Identifier: MIT */
#include "lib/hotlist/hotstore.h"

#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/store/side.h"

#include <errno.h>

#define BOOTS_NAME_BYTES (CR_ID_HEX + 8)
#define REPLACE_TRIES    10

static const char *boots_name(const struct cr_id *root, char out[static BOOTS_NAME_BYTES])
{
    char hex[CR_ID_HEX];
    snprintf(out, BOOTS_NAME_BYTES, "%s.boots", cr_id_format(root, hex));
    return out;
}

/* --- reading --------------------------------------------------------------------------------- */

int cr_hot_read(struct cr_store *store, const struct cr_id *root, struct cr_hotlist *ret_list,
                struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX);
    struct cr_error why = {0};
    char hex[CR_ID_HEX];
    int r = cr_store_side_read(store, CR_SPACE_HOT, cr_id_format(root, hex), &bytes, err);
    if (r < 0)
        return r == -EMSGSIZE ? cr_error_set(err, -EBADMSG, "hot list '%s' is too long", hex) : r;
    r = cr_hotlist_parse(bytes.data, bytes.len, ret_list, &why);
    if (r == 0 && !cr_id_equal(&ret_list->root, root)) {
        cr_hotlist_done(ret_list);
        r = cr_error_set(&why, -EBADMSG, "it is one of another version");
    }
    return r < 0 ? cr_error_set(err, r, "hot list '%s' is corrupted: %s", hex, why.text) : 0;
}

int cr_hot_boots(struct cr_store *store, const struct cr_id *root, uint32_t *ret_count,
                 struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    CLEANUP(cr_boots_done) struct cr_boots boots = {0};
    char name[BOOTS_NAME_BYTES];
    int r = cr_store_side_read(store, CR_SPACE_HOT, boots_name(root, name), &bytes, err);
    if (r == 0)
        r = cr_boots_parse(bytes.data, bytes.len, &boots, err);
    if (r == 0)
        *ret_count = boots.count;
    return r;
}

/* Which version has a root, and which one it was made from. */
struct search {
    struct cr_store *store;
    const struct cr_id *root;
    bool found;
    uint64_t disk_bytes;
    struct cr_id parent; /* reserved = none */
};

/* The parent's root; when it was removed, that of the newest version before the child. */
static void parent_find(struct search *search, const struct cr_head *head,
                        const struct cr_version_info *child)
{
    CLEANUP(cr_head_done) struct cr_head other = {0};
    const struct cr_version_info *parent = NULL;
    if (child->parent.name[0] == '\0')
        return;
    if (strcmp(child->parent.name, head->name) == 0)
        parent = cr_head_find(head, child->parent.number);
    else if (cr_store_head_read(search->store, child->parent.name, &other, NULL, NULL) == 0)
        parent = cr_head_find(&other, child->parent.number);
    if (parent == NULL && child > head->versions)
        parent = child - 1;
    if (parent != NULL)
        search->parent = parent->root;
}

static int head_search(void *context, const char *name)
{
    struct search *search = context;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    if (cr_store_head_read(search->store, name, &head, NULL, NULL) < 0)
        return 0; /* damaged, or just removed: another may have it */
    for (uint32_t i = 0; i < head.count && !search->found; i++) {
        if (!cr_id_equal(&head.versions[i].root, search->root))
            continue;
        search->found = true;
        search->disk_bytes = head.versions[i].disk_bytes;
        parent_find(search, &head, &head.versions[i]);
    }
    return search->found; /* 1 ends the listing */
}

/* The list of the nearest ancestor; `search` is of the version itself. */
static int ancestors_read(struct search search, struct cr_hotlist *ret_list, struct cr_id *ret_from,
                          struct cr_error *err)
{
    for (unsigned i = 0; i < CR_HOT_ANCESTORS_MAX && !cr_id_is_hole(&search.parent); i++) {
        struct cr_id root = search.parent;
        int r = cr_hot_read(search.store, &root, ret_list, err);
        if (r == 0)
            *ret_from = root;
        if (r != -ENOENT)
            return r;
        search = (struct search){.store = search.store, .root = &root};
        r = search.store->ops->heads_list(search.store, head_search, &search, err);
        if (r < 0)
            return r;
    }
    return -ENOENT;
}

int cr_hot_find(struct cr_store *store, const struct cr_id *root, struct cr_hotlist *ret_list,
                struct cr_id *ret_from, struct cr_error *err)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist parent = {0};
    struct search search = {.store = store, .root = root};
    char hex[CR_ID_HEX];
    int r = cr_hot_read(store, root, ret_list, err);
    *ret_from = *root;
    if (r != -ENOENT)
        return r;
    r = store->ops->heads_list(store, head_search, &search, err);
    if (r < 0)
        return r;
    r = ancestors_read(search, &parent, ret_from, err);
    if (r == -ENOENT)
        return cr_error_set(err, r, "there is no hot list of version '%s'",
                            cr_id_format(root, hex));
    if (r == 0)
        r = cr_hotlist_inherit(&parent, root, search.disk_bytes, ret_list);
    return r == -ENOMEM ? cr_error_errno(err, r, "reading a hot list") : r;
}

/* --- writing --------------------------------------------------------------------------------- */

int cr_hot_write(struct cr_store *store, const struct cr_hotlist *list, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HOT_BYTES_MAX);
    char hex[CR_ID_HEX];
    int r = cr_store_writable(store, err);
    if (r < 0)
        return r;
    r = cr_hotlist_format(list, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "writing a hot list");
    r = store->ops->side_put(store, CR_SPACE_HOT, cr_id_format(&list->root, hex), bytes.data,
                             bytes.len, err);
    return r < 0 ? r : store->ops->sync(store, err);
}

/* The list is of this version, which is here and has a disk of that size. */
static int version_check(struct cr_store *store, const struct cr_id *root,
                         const struct cr_hotlist *list, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    if (!cr_id_equal(&list->root, root))
        return cr_error_set(err, -EBADMSG, "the boot is one of another version");
    int r = cr_store_object_read(store, CR_MANIFEST, root, &plain, err);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &manifest, err);
    if (r == 0 && manifest.disk_bytes != list->disk_bytes)
        r = cr_error_set(err, -EBADMSG, "the boot is one of a disk of another size");
    return r;
}

/* The boots before; `ret_hash` is of what is stored, NULL in *ret_expected = nothing is. What is
 * corrupted counts as none and is replaced. */
static int boots_read(struct cr_store *store, const char *name, struct cr_boots *boots,
                      struct cr_id *hash, const struct cr_id **ret_expected, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(store, CR_SPACE_HOT, name, &bytes, err);
    *ret_expected = r == 0 ? hash : NULL;
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    cr_hash(bytes.data, bytes.len, hash);
    r = cr_boots_parse(bytes.data, bytes.len, boots, NULL);
    return r == -ENOMEM ? cr_error_errno(err, r, "reading recorded boots") : 0;
}

static int boot_add(struct cr_store *store, const char *name, struct cr_boots *boots,
                    struct cr_boot *boot, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    const struct cr_id *expected = NULL;
    struct cr_id hash;
    int r = boots_read(store, name, boots, &hash, &expected, err);
    if (r < 0)
        return r;
    const struct cr_boot *earlier = cr_boots_find(boots, &boot->client);
    if (earlier != NULL && earlier->when_s <= boot->when_s &&
        earlier->when_s + CR_HOT_AGAIN_S > boot->when_s)
        return cr_error_set(err, -EBUSY,
                            "this client brought a boot of this version a moment ago; one is taken "
                            "every %d s",
                            CR_HOT_AGAIN_S);
    cr_boots_add(boots, boot);
    r = cr_boots_format(boots, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "writing recorded boots");
    r = store->ops->side_replace(store, CR_SPACE_HOT, name, expected, bytes.data, bytes.len, err);
    if (r == -EAGAIN) /* another process was quicker: it is added to what that one wrote */
        boot->list = boots->boots[--boots->count].list;
    return r;
}

int cr_hot_boot_take(struct cr_store *store, const struct cr_id *root, const struct cr_id *client,
                     int64_t now_s, const void *data, size_t len, struct cr_error *err)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist merged = {0};
    struct cr_boot boot = {.client = *client, .when_s = now_s};
    char name[BOOTS_NAME_BYTES];
    struct cr_error why = {0};
    int r = cr_store_writable(store, err);
    if (r == 0 && (r = cr_hotlist_parse(data, len, &boot.list, &why)) < 0)
        cr_error_set(err, r, "the boot is not recorded as it should be: %s", why.text);
    if (r == 0)
        r = version_check(store, root, &boot.list, err);
    boots_name(root, name);
    for (int tries = 0; r == 0; tries++) {
        CLEANUP(cr_boots_done) struct cr_boots boots = {0};
        r = boot_add(store, name, &boots, &boot, err);
        if (r == 0 && (r = cr_boots_merge(&boots, &merged)) < 0)
            cr_error_errno(err, r, "merging recorded boots");
        if (r != -EAGAIN || tries == REPLACE_TRIES)
            break;
        r = 0;
    }
    cr_hotlist_done(&boot.list);
    return r < 0 ? r : cr_hot_write(store, &merged, err);
}
