/* SPDX-License-Identifier: MIT */
/* carrel image rm NAME@N */
#include "image-tools/commands.h"
#include "image-tools/head_edit.h"
#include "image-tools/output.h"
#include "image-tools/publish_sign.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* What a channel points at now or will is somebody's desktop tomorrow morning. */
static int is_needed(const struct cr_head *head, uint64_t number, struct cr_error *err)
{
    int64_t now_s = (int64_t)time(NULL);
    const struct cr_change *change = cr_head_needed(head, number, now_s);
    char when[TEXT_TIME];
    if (change == NULL)
        return 0;
    if (change->at_s > now_s)
        return cr_error_set(err, -EBUSY,
                            "'%s@%" PRIu64 "' stays: channel '%s:%s' will point at it from %s; "
                            "`carrel image rollback %s:%s` takes back what is scheduled",
                            head->name, number, head->name, change->channel,
                            text_time(change->at_s, when), head->name, change->channel);
    return cr_error_set(
        err, -EBUSY,
        "'%s@%" PRIu64 "' stays: channel '%s:%s' points at it; promote another "
        "version to %s, or end the channel with `carrel image rollback %s:%s --end`",
        head->name, number, head->name, change->channel, change->channel, head->name,
        change->channel);
}

static int remove_version(struct cr_head *head, void *context, struct cr_error *err)
{
    const struct cr_ref *ref = context;
    const struct cr_version_info *info = cr_head_find(head, ref->number);
    if (info == NULL)
        return cr_error_set(err, -ENOENT,
                            "there is no version '%s@%" PRIu64 "'; `carrel image log %s` shows "
                            "those that exist",
                            ref->name, ref->number, ref->name);
    if (info->pinned)
        return cr_error_set(err, -EBUSY,
                            "'%s@%" PRIu64 "' stays: it is pinned; `carrel image pin %s@%" PRIu64
                            " --remove` lets it go",
                            ref->name, ref->number, ref->name, ref->number);
    int r = is_needed(head, ref->number, err);
    return r < 0 ? r : cr_head_remove(head, ref->number);
}

int cmd_image_rm(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_ref ref;
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
        r = head_edit(store, ref.name, remove_version, &ref, err);
    if (r < 0)
        return r;
    char text[CR_REF_TEXT];
    if (cli_has(cli, OPT_JSON))
        r = output_json(json_pack("{s:s}", "removed", cr_ref_format(&ref, text)), err);
    else if (!cli_has(cli, OPT_QUIET))
        printf(
            "removed %s; versions made from it stay whole, and its bytes stay in the store until "
            "garbage is collected\n",
            cr_ref_format(&ref, text));
    return r < 0 ? r : publish_sign(cli, store, err);
}
