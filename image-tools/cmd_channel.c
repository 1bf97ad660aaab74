/* SPDX-License-Identifier: MIT */
/* carrel image promote | rollback | pin | channels */
#include "image-tools/commands.h"
#include "image-tools/date.h"
#include "image-tools/head_edit.h"
#include "image-tools/output.h"
#include "image-tools/publish_sign.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/who.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* A change that is to be made, and what was there before. */
struct request {
    struct cr_ref
        source; /* promote: the version; rollback: number = --to, 0 = where it was before */
    struct cr_change change;
    bool scheduled, ends;
    uint64_t before; /* where the channel pointed; 0 = nowhere */
    unsigned folded; /* old changes that were let go for this one */
};

static int request_begin(const struct cli *cli, struct request *request, struct cr_error *err)
{
    const char *why;
    int r = cli_message(cli, &why, err);
    if (r < 0)
        return r;
    snprintf(request->change.why, sizeof(request->change.why), "%s", why ? why : "");
    cr_who(request->change.by);
    request->change.set_s = request->change.at_s = (int64_t)time(NULL);
    return 0;
}

static int change_add(struct cr_head *head, struct request *request, struct cr_error *err)
{
    struct cr_change *change = &request->change;
    const struct cr_change *held = cr_head_channel(head, change->channel, change->set_s);
    request->before = held == NULL ? 0 : held->number;
    /* Whoever made an earlier change may have a clock that is ahead: stand behind it all the same.
     */
    for (uint32_t i = 0; i < head->change_count && !request->scheduled; i++) {
        const struct cr_change *c = &head->changes[i];
        if (strcmp(c->channel, change->channel) == 0 && c->set_s == c->at_s &&
            c->at_s > change->at_s)
            change->set_s = change->at_s = c->at_s;
    }
    int r = cr_head_change(head, change);
    if (r == -ENOSPC) { /* the oldest make room, but those that some channel still needs */
        int gone = cr_head_fold(head, CR_CHANGES_KEPT, change->set_s);
        request->folded = gone > 0 ? (unsigned)gone : 0;
        r = gone < 0 ? gone : cr_head_change(head, change);
    }
    if (r == -ENOSPC)
        return cr_error_set(err, r,
                            "image '%s' has %u changes of its channels that are in use or "
                            "scheduled, the most it can; end channels that nobody needs with "
                            "`carrel image promote --end`",
                            head->name, CR_CHANGES_MAX);
    return r < 0 ? cr_error_errno(err, r, "channel '%s:%s'", head->name, change->channel) : 0;
}

static int request_print(const struct cli *cli, const char *name, const struct request *request,
                         struct cr_error *err)
{
    const struct cr_change *c = &request->change;
    struct cr_ref channel = {0}, version = {.number = c->number}, before;
    char text[CR_REF_TEXT], to[CR_REF_TEXT], from[CR_REF_TEXT], when[TEXT_TIME];
    snprintf(channel.name, sizeof(channel.name), "%s", name);
    snprintf(channel.channel, sizeof(channel.channel), "%s", c->channel);
    memcpy(version.name, channel.name, sizeof(version.name));
    before = version;
    before.number = request->before;
    cr_ref_format(&channel, text);
    cr_ref_format(&version, to);
    cr_ref_format(&before, from);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:s?, s:s?, s:I, s:I, s:s, s:s, s:I}", "channel", text,
                                     "ref", c->number != 0 ? to : NULL, "before",
                                     before.number != 0 ? from : NULL, "set_s",
                                     (json_int_t)c->set_s, "at_s", (json_int_t)c->at_s, "by", c->by,
                                     "why", c->why, "folded", (json_int_t)request->folded),
                           err);
    if (cli_has(cli, OPT_QUIET))
        return 0;
    if (c->number == 0)
        printf("%s ends", text);
    else if (request->scheduled)
        printf("%s will point at %s from %s", text, to, text_time(c->at_s, when));
    else
        printf("%s points at %s", text, to);
    if (before.number != 0 && before.number != c->number)
        printf("%s %s", request->scheduled ? "; until then at" : ", before at", from);
    putchar('\n');
    if (request->folded > 0)
        printf("%u old changes of the channels of '%s' were let go: the newest %u are kept\n",
               request->folded, name, CR_CHANGES_KEPT);
    return 0;
}

/* --- promote ---------------------------------------------------------------------------------- */

static int promote(struct cr_head *head, void *context, struct cr_error *err)
{
    struct request *request = context;
    const struct cr_version_info *info = NULL;
    int r = cr_head_resolve(head, &request->source, request->change.set_s, &info, err);
    if (r < 0)
        return r;
    request->change.number = info->number;
    return change_add(head, request, err);
}

static int date_take(const struct cli *cli, struct request *request, struct cr_error *err)
{
    struct cr_error why = {0};
    if (!cli_has(cli, OPT_AT))
        return 0;
    request->scheduled = true;
    int r = date_parse(cli->values[OPT_AT], request->change.set_s, &request->change.at_s, &why);
    if (r < 0)
        return cr_error_set(err, r, "option '--at': %s", why.text);
    if (request->change.at_s <= request->change.set_s)
        return cr_error_set(err, -EINVAL,
                            "option '--at': '%s' is past; leave it out to promote at once",
                            cli->values[OPT_AT]);
    return 0;
}

int cmd_image_promote(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct request request = {.change.kind = CR_CHANGE_PROMOTE};
    const char *channel = cli->operands[1];
    int r = cr_ref_parse(cli->operands[0], &request.source, err);
    if (r < 0)
        return r;
    if (request.source.number == 0 && request.source.channel[0] == '\0')
        return cr_error_set(err, -EINVAL,
                            "say which version of '%s' to promote: %s@N, or %s:CHANNEL for the one "
                            "that another channel points at",
                            request.source.name, request.source.name, request.source.name);
    if (!cr_channel_is_valid(channel))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' is not a channel's name: use 1 to %u letters, digits, '.', "
                            "'_', '-', a letter or digit first, not digits alone",
                            channel, CR_CHANNEL_MAX);
    snprintf(request.change.channel, sizeof(request.change.channel), "%s", channel);
    r = request_begin(cli, &request, err);
    if (r == 0)
        r = date_take(cli, &request, err);
    if (r == 0)
        r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = head_edit(store, request.source.name, promote, &request, err);
    if (r == 0)
        r = request_print(cli, request.source.name, &request, err);
    return r < 0 ? r : publish_sign(cli, store, err);
}

/* --- rollback --------------------------------------------------------------------------------- */

static int target_find(const struct cr_head *head, struct request *request, struct cr_error *err)
{
    const char *channel = request->source.channel;
    int64_t now_s = request->change.set_s;
    const struct cr_change *held = cr_head_channel(head, channel, now_s);
    const struct cr_change *later = cr_head_scheduled(head, channel, now_s);
    bool points = held != NULL && held->number != 0;
    if (!points && later == NULL && (held == NULL || request->ends))
        return cr_error_set(err, -ENOENT,
                            "image '%s' has no channel '%s'; `carrel image channels %s` lists what "
                            "there is",
                            head->name, channel, head->name);
    if (request->ends)
        return 0;
    if (request->source.number != 0) {
        request->change.number = request->source.number;
        return cr_head_find(head, request->source.number) != NULL
                   ? 0
                   : cr_error_set(err, -ENOENT,
                                  "there is no version '%s@%" PRIu64 "'; `carrel image log %s` "
                                  "shows those that exist",
                                  head->name, request->source.number, head->name);
    }
    int r = cr_head_before(head, channel, now_s, &request->change.number);
    if (r == -ENOENT && points)
        return cr_error_set(err, r,
                            "channel '%s:%s' pointed at no other version before '%s@%" PRIu64
                            "' that still exists; name one with --to N (%" PRIu64
                            " keeps it and takes back what is scheduled), or --end",
                            head->name, channel, head->name, held->number, held->number);
    if (r == -ENOENT)
        return cr_error_set(err, r,
                            "channel '%s:%s' pointed at no version yet; --end takes back what is "
                            "scheduled",
                            head->name, channel);
    return r < 0 ? cr_error_errno(err, r, "channel '%s:%s'", head->name, channel) : 0;
}

static int roll_back(struct cr_head *head, void *context, struct cr_error *err)
{
    struct request *request = context;
    int r = target_find(head, request, err);
    return r < 0 ? r : change_add(head, request, err);
}

int cmd_image_rollback(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct request request = {.change.kind = CR_CHANGE_ROLLBACK, .ends = cli_has(cli, OPT_END)};
    const char *to = cli->values[OPT_TO];
    int r = cr_ref_parse(cli->operands[0], &request.source, err);
    if (r < 0)
        return r;
    if (request.source.channel[0] == '\0')
        return cr_error_set(err, -EINVAL,
                            "say which channel of '%s' to roll back: %s:CHANNEL; `carrel image "
                            "channels %s` lists them",
                            request.source.name, request.source.name, request.source.name);
    if (to != NULL && request.ends)
        return cr_error_set(err, -EINVAL, "give --to or --end, not both");
    if (to != NULL &&
        (cr_u64_parse(to, INT64_MAX, &request.source.number) < 0 || request.source.number == 0))
        return cr_error_set(err, -EINVAL, "option '--to': '%.60s' is no number of a version", to);
    memcpy(request.change.channel, request.source.channel, sizeof(request.change.channel));
    r = request_begin(cli, &request, err);
    if (r == 0)
        r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = head_edit(store, request.source.name, roll_back, &request, err);
    if (r == 0)
        r = request_print(cli, request.source.name, &request, err);
    return r < 0 ? r : publish_sign(cli, store, err);
}

/* --- pin -------------------------------------------------------------------------------------- */

struct pin {
    struct cr_ref ref;
    bool pinned;
};

static int pin(struct cr_head *head, void *context, struct cr_error *err)
{
    struct pin *pin = context;
    const struct cr_version_info *info = NULL;
    int r = cr_head_resolve(head, &pin->ref, (int64_t)time(NULL), &info, err);
    if (r < 0)
        return r;
    pin->ref.number = info->number;
    return cr_head_pin(head, info->number, pin->pinned);
}

int cmd_image_pin(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct pin request = {.pinned = !cli_has(cli, OPT_REMOVE)};
    char text[CR_REF_TEXT];
    int r = cr_ref_parse(cli->operands[0], &request.ref, err);
    if (r < 0)
        return r;
    if (request.ref.number == 0 && request.ref.channel[0] == '\0')
        return cr_error_set(err, -EINVAL,
                            "say which version of '%s' to pin: %s@N; `carrel image log %s` shows "
                            "them",
                            request.ref.name, request.ref.name, request.ref.name);
    r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = head_edit(store, request.ref.name, pin, &request, err);
    if (r < 0)
        return r;
    cr_ref_format(&request.ref, text);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:b}", "ref", text, "pinned", (int)request.pinned),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        printf(request.pinned ? "%s is pinned: it is not removed until the pin is\n"
                              : "%s is no longer pinned\n",
               text);
    return 0;
}

/* --- channels --------------------------------------------------------------------------------- */

static void channel_print(const struct cr_head *head, const struct cr_change *c, const char *from)
{
    char when[TEXT_TIME], by[CR_WHO_BYTES_MAX + 1], why[CR_MESSAGE_BYTES_MAX + 1];
    char version[CR_REF_TEXT];
    struct cr_ref ref = {.number = c->number};
    snprintf(ref.name, sizeof(ref.name), "%s", head->name);
    printf("%-16s  %-20s  %s %s%s%s", c->channel, cr_ref_format(&ref, version), from,
           text_time(c->at_s, when), c->by[0] != '\0' ? "  by " : "",
           text_clean(c->by, by, sizeof(by)));
    printf("%s%s\n", c->why[0] != '\0' ? "  " : "", text_clean(c->why, why, sizeof(why)));
}

static void channel_take(const struct cr_head *head, const char *name, int64_t now_s, json_t *list)
{
    const struct cr_change *held = cr_head_channel(head, name, now_s), *later;
    if (held != NULL && held->number == 0)
        held = NULL;
    json_t *scheduled = json_array();
    bool any = held != NULL;
    if (held != NULL && list == NULL)
        channel_print(head, held, "since");
    int64_t from_s = now_s;
    while ((later = cr_head_scheduled(head, name, from_s)) != NULL) {
        from_s = later->at_s;
        later = cr_head_channel(head, name, from_s); /* of several of one time the one that holds */
        any = true;
        if (list == NULL)
            channel_print(head, later, "from ");
        else
            json_array_append_new(scheduled, output_change(head->name, later));
    }
    if (list != NULL && any)
        json_array_append_new(list, json_pack("{s:s, s:o?, s:O}", "channel", name, "now",
                                              held != NULL ? output_change(head->name, held) : NULL,
                                              "scheduled", scheduled));
    json_decref(scheduled);
}

int cmd_image_channels(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0;
    struct cr_ref ref;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_store_head_read(store, ref.name, &head, NULL, err);
    if (r == 0 && (r = cr_head_channels(&head, &names, &count)) < 0)
        cr_error_errno(err, r, "the channels of '%s'", ref.name);
    if (r < 0)
        return r;
    CLEANUP(json_cleanup) json_t *list = cli_has(cli, OPT_JSON) ? json_array() : NULL;
    for (size_t i = 0; i < count; i++)
        channel_take(&head, names[i], (int64_t)time(NULL), list);
    return list != NULL ? output_json(TAKE_PTR(list), err) : 0;
}
