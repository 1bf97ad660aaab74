/* SPDX-License-Identifier: MIT */
/* carrel image ls | show: heads and what stands in them */
#include "image-tools/commands.h"
#include "image-tools/names.h"
#include "image-tools/output.h"
#include "image-tools/record_show.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/channel.h"
#include "lib/recipe/recipe.h"
#include "lib/store/version.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

int cmd_image_show(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_ref ref;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_version_open(store, &ref, &version, err);
    if (r == 0)
        r = cr_store_head_read(store, ref.name, &head, NULL, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_RECIPE) || cli_has(cli, OPT_LOG))
        return record_show(cli, store, ref.name, cr_version_info(version), err);
    if (cli_has(cli, OPT_JSON))
        return output_json(output_version(&head, ref.name, cr_version_info(version)), err);
    output_version_text(&head, ref.name, cr_version_info(version));
    return 0;
}

/* --- ls --------------------------------------------------------------------------------------- */

/* {"stable": "physics@7"}: where the channels point now. */
static json_t *channels_json(const struct cr_head *head)
{
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0;
    json_t *channels = json_object();
    struct cr_ref ref = {0};
    char text[CR_REF_TEXT];
    memcpy(ref.name, head->name, sizeof(ref.name));
    if (cr_head_channels(head, &names, &count) < 0)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cr_change *held = cr_head_channel(head, names[i], (int64_t)time(NULL));
        if (held == NULL || held->number == 0)
            continue;
        ref.number = held->number;
        json_object_set_new(channels, names[i], json_string(cr_ref_format(&ref, text)));
    }
    return channels;
}

static json_t *image_json(const struct cr_head *head)
{
    const struct cr_version_info *newest = cr_head_find(head, 0);
    return json_pack("{s:s, s:i, s:o?, s:o}", "image", head->name, "versions", (int)head->count,
                     "newest", newest ? output_version(head, head->name, newest) : NULL, "channels",
                     channels_json(head));
}

/* " stable=5 testing=7" */
static void channels_print(const struct cr_head *head)
{
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0;
    if (cr_head_channels(head, &names, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct cr_change *held = cr_head_channel(head, names[i], (int64_t)time(NULL));
        if (held != NULL && held->number != 0)
            printf("  %s=%" PRIu64, names[i], held->number);
    }
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
    printf("%-20s  %8" PRIu32 "  %9s  %9s  %s", cr_ref_format(&ref, text), head->count,
           cr_bytes_format(newest->disk_bytes, disk, sizeof(disk)),
           cr_bytes_format(newest->data_bytes, data, sizeof(data)),
           text_time(newest->created_s, made));
    channels_print(head);
    printf("  %s\n", text_clean(newest->message, message, sizeof(message)));
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
               "CHANNELS, MESSAGE");
    for (size_t i = 0; i < names.count; i++) {
        struct cr_head head = {0};
        struct cr_error why = {0};
        if (cr_steps_is_name(names.items[i].text) && !cli_has(cli, OPT_ALL))
            continue;
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
