/* SPDX-License-Identifier: MIT */
/* carrel image rm NAME@N, or NAME --steps */
#include "image-tools/build_cache.h"
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
    if (change->at_s > now_s) {
        /* A rollback without a number would also take back what is not scheduled. */
        const struct cr_change *now = cr_head_channel(head, change->channel, now_s);
        char keep[32] = "--end";
        if (now != NULL && now->number != 0 && now->number != number)
            snprintf(keep, sizeof(keep), "--to %" PRIu64, now->number);
        return cr_error_set(err, -EBUSY,
                            "'%s@%" PRIu64 "' stays: channel '%s:%s' will point at it from %s; "
                            "`carrel image rollback %s:%s %s` takes back what is scheduled",
                            head->name, number, head->name, change->channel,
                            text_time(change->at_s, when), head->name, change->channel, keep);
    }
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

static int removed_print(const struct cli *cli, const struct cr_ref *ref, unsigned steps,
                         bool steps_left, struct cr_error *err)
{
    char text[CR_REF_TEXT];
    cr_ref_format(ref, text);
    bool version = ref->number != 0;
    if (cli_has(cli, OPT_JSON))
        return output_json(
            json_pack("{s:s?, s:i}", "removed", version ? text : NULL, "steps", (int)steps), err);
    if (cli_has(cli, OPT_QUIET))
        return 0;
    if (version)
        printf("removed %s; versions made from it stay whole, and its bytes stay in the store "
               "until garbage is collected\n",
               text);
    if (steps > 0 || !version)
        printf("removed %u results of build steps of %s\n", steps, ref->name);
    if (steps_left)
        printf("  results of its build steps are kept and may hold the same bytes; `carrel image "
               "rm %s --steps` removes them\n",
               ref->name);
    return 0;
}

int cmd_image_rm(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_ref ref;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r < 0)
        return r;
    bool with_steps = cli_has(cli, OPT_STEPS);
    if (ref.channel[0] != '\0' || (ref.number == 0 && !with_steps))
        return cr_error_set(err, -EINVAL,
                            "say which version of '%s' to remove: %s@N; `carrel image log %s` "
                            "shows them",
                            ref.name, ref.name, ref.name);
    r = cli_store_open_writable(cli, &store, err);
    if (r == 0 && ref.number != 0)
        r = head_edit(store, ref.name, remove_version, &ref, err);
    if (r < 0)
        return r;
    unsigned steps = 0;
    r = with_steps ? build_cache_drop(store, ref.name, &steps, err) : 0;
    if (r == 0)
        r = removed_print(cli, &ref, steps, !with_steps && build_cache_has(store, ref.name), err);
    return r < 0 || ref.number == 0 ? r : publish_sign(cli, store, err);
}
