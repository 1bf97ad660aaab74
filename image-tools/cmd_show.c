/* SPDX-License-Identifier: MIT */
/* carrel image ls | show | rm: heads and what stands in them */
#include "image-tools/commands.h"
#include "image-tools/names.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/version.h"

#include <errno.h>
#include <inttypes.h>

int cmd_image_show(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    struct cr_ref ref;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_version_open(store, &ref, &version, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(output_version(ref.name, cr_version_info(version)), err);
    output_version_text(ref.name, cr_version_info(version));
    return 0;
}

/* --- ls --------------------------------------------------------------------------------------- */

static json_t *image_json(const struct cr_head *head)
{
    const struct cr_version_info *newest = cr_head_find(head, 0);
    return json_pack("{s:s, s:i, s:o?}", "image", head->name, "versions", (int)head->count,
                     "newest", newest ? output_version(head->name, newest) : NULL);
}

static void image_line(const struct cr_head *head)
{
    const struct cr_version_info *newest = cr_head_find(head, 0);
    if (newest == NULL) {
        printf("%-20s  (no version)\n", head->name);
        return;
    }
    struct cr_ref ref = {.number = newest->number};
    char text[CR_REF_TEXT], disk[CR_BYTES_TEXT], data[CR_BYTES_TEXT], made[TEXT_TIME];
    char message[CR_MESSAGE_BYTES_MAX + 1];
    snprintf(ref.name, sizeof(ref.name), "%s", head->name);
    printf("%-20s  %8" PRIu32 "  %9s  %9s  %s  %s\n", cr_ref_format(&ref, text), head->count,
           cr_bytes_format(newest->disk_bytes, disk, sizeof(disk)),
           cr_bytes_format(newest->data_bytes, data, sizeof(data)),
           text_time(newest->created_s, made),
           text_clean(newest->message, message, sizeof(message)));
}

/* A damaged head must not hide the images beside it: told on standard error, status 1. */
int cmd_image_ls(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(names_done) struct names names = {0};
    CLEANUP(json_cleanup) json_t *list = json_array();
    bool json = cli_has(cli, OPT_JSON);
    int status = 0, r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = names_read(store, &names, err);
    if (r < 0)
        return r;
    if (!json && names.count > 0)
        printf("%-20s  %8s  %9s  %9s  %-20s  %s\n", "NEWEST", "VERSIONS", "DISK", "DATA", "MADE",
               "MESSAGE");
    for (size_t i = 0; i < names.count; i++) {
        struct cr_head head = {0};
        struct cr_error why = {0};
        if (cr_store_head_read(store, names.items[i].text, &head, NULL, &why) < 0) {
            fprintf(stderr, "carrel: %s\n", why.text);
            status = EXIT_DAMAGED;
            continue;
        }
        if (json)
            json_array_append_new(list, image_json(&head));
        else
            image_line(&head);
        cr_head_done(&head);
    }
    if (json && (r = output_json(TAKE_PTR(list), err)) < 0)
        return r;
    return status;
}

/* --- rm --------------------------------------------------------------------------------------- */

/* The head without that version; compare-and-set, so that nobody else's change is lost. */
static int head_without(struct cr_store *store, const struct cr_ref *ref, struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    struct cr_id before;
    int r = cr_store_head_read(store, ref->name, &head, &before, err);
    if (r < 0)
        return r;
    if (cr_head_remove(&head, ref->number) < 0)
        return cr_error_set(err, -ENOENT,
                            "there is no version '%s@%" PRIu64 "'; `carrel image log %s` shows "
                            "those that exist",
                            ref->name, ref->number, ref->name);
    r = cr_head_format(&head, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "cannot write the head of '%s'", ref->name);
    return store->ops->head_set(store, ref->name, &before, bytes.data, bytes.len, err);
}

int cmd_image_rm(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_ref ref;
    struct cr_store_lock *lock = NULL;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r < 0)
        return r;
    if (ref.number == 0)
        return cr_error_set(err, -EINVAL,
                            "say which version of '%s' to remove: %s@N; `carrel image log %s` "
                            "shows them",
                            ref.name, ref.name, ref.name);
    r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = store->ops->image_lock(store, ref.name, &lock, err);
    if (r < 0)
        return r;
    r = head_without(store, &ref, err);
    store->ops->image_unlock(store, lock);
    if (r < 0)
        return r;
    char text[CR_REF_TEXT];
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s}", "removed", cr_ref_format(&ref, text)), err);
    if (!cli_has(cli, OPT_QUIET))
        printf(
            "removed %s; versions made from it stay whole, and its bytes stay in the store until "
            "garbage is collected\n",
            cr_ref_format(&ref, text));
    return 0;
}
