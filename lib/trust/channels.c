/* SPDX-License-Identifier: MIT */
/*
 * The channels in the targets role: what the head says of them, but signed. The rules by which a
 * channel is followed are those of the head, because it is a head that is asked.
 */
#include "lib/base/mem.h"
#include "lib/image/channel.h"
#include "lib/trust/fields.h"
#include "lib/trust/targets.h"

#include <errno.h>
#include <string.h>

static const char *const kinds[] = {
    [CR_CHANGE_PROMOTE] = "promote",
    [CR_CHANGE_ROLLBACK] = "rollback",
};

/* NULL when there are none. */
static json_t *channels_of(const struct cr_targets *targets)
{
    return json_object_get(json_object_get(targets->common.json, "carrel"), "channels");
}

/* --- reading --------------------------------------------------------------------------------- */

static int kind_parse(const char *text, enum cr_change_kind *ret_kind)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i], text) == 0) {
            *ret_kind = (enum cr_change_kind)i;
            return 0;
        }
    return -EINVAL;
}

static int change_parse(const json_t *json, struct cr_change *ret_change, struct cr_error *err)
{
    struct cr_change change = {0};
    const char *channel = "", *kind = "";
    uint64_t set_s = 0, at_s = 0;
    int r = cr_field_text(json, "channel", &channel, err);
    if (r == 0)
        r = cr_field_text(json, "kind", &kind, err);
    if (r == 0)
        r = cr_field_integer(json, "number", 0, &change.number, err);
    if (r == 0)
        r = cr_field_integer(json, "set_s", INT64_MIN, &set_s, err);
    if (r == 0)
        r = cr_field_integer(json, "at_s", INT64_MIN, &at_s, err);
    if (r < 0)
        return r;
    if (!cr_channel_is_valid(channel))
        return cr_error_set(err, -EBADMSG, "its field 'channel' is no name of a channel");
    if (kind_parse(kind, &change.kind) < 0)
        return cr_error_set(err, -EBADMSG, "its field 'kind' is neither promote nor rollback");
    change.set_s = (int64_t)set_s;
    change.at_s = (int64_t)at_s;
    snprintf(change.channel, sizeof(change.channel), "%s", channel);
    *ret_change = change;
    return 0;
}

static int look_at_image(const char *name, const json_t *changes, struct cr_error *err)
{
    struct cr_ref ref;
    struct cr_change change;
    if (cr_ref_parse(name, &ref, NULL) < 0 || strcmp(ref.name, name) != 0)
        return cr_error_set(err, -EBADMSG, "its channels name '%.64s', which is no image", name);
    if (!json_is_array(changes))
        return cr_error_set(err, -EBADMSG, "the channels of '%.64s' are no array", name);
    if (json_array_size(changes) > CR_CHANGES_MAX)
        return cr_error_set(err, -EBADMSG, "the channels of '%.64s' have more than %u changes",
                            name, CR_CHANGES_MAX);
    for (size_t i = 0; i < json_array_size(changes); i++) {
        int r = change_parse(json_array_get(changes, i), &change, err);
        if (r < 0)
            return cr_error_prefix(err, r, "change %zu of the channels of '%.64s'", i + 1, name);
    }
    return 0;
}

int cr_targets_channels_check(const struct cr_targets *targets, struct cr_error *err)
{
    json_t *carrel = json_object_get(targets->common.json, "carrel"), *channels, *changes;
    if (carrel == NULL)
        return 0;
    if (!json_is_object(carrel))
        return cr_error_set(err, -EBADMSG, "its field 'carrel' is no object");
    int r = cr_field_object(carrel, "channels", &channels, err);
    if (r < 0)
        return r;
    const char *name;
    json_object_foreach(channels, name, changes)
    {
        r = look_at_image(name, changes, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static json_t *change_format(const struct cr_change *change)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I}", "channel", change->channel, "kind",
                     kinds[change->kind], "number", (json_int_t)change->number, "set_s",
                     (json_int_t)change->set_s, "at_s", (json_int_t)change->at_s);
}

int cr_targets_changes_set(struct cr_targets *targets, const char *name,
                           const struct cr_change *changes, uint32_t count)
{
    CLEANUP_JSON json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        if (json_array_append_new(list, change_format(&changes[i])) != 0)
            return -ENOMEM;
    CLEANUP_JSON json_t *fields = json_pack("{s:{s:{}}}", "carrel", "channels");
    if (list == NULL || fields == NULL ||
        json_object_update_recursive(fields, targets->common.json) != 0)
        return -ENOMEM;
    json_t *carrel = json_object_get(fields, "carrel");
    json_t *channels = json_object_get(carrel, "channels");
    if (count == 0)
        json_object_del(channels, name);
    else if (json_object_set(channels, name, list) != 0)
        return -ENOMEM;
    return json_object_set(targets->common.json, "carrel", carrel) == 0 ? 0 : -ENOMEM;
}

/* --- what a name means ----------------------------------------------------------------------- */

struct collect {
    struct cr_head head;
    uint32_t room;
};

static int collect_version(void *context, const struct cr_trust_version *version)
{
    struct collect *collect = context;
    struct cr_head *head = &collect->head;
    if (head->count >= CR_HEAD_VERSIONS_MAX)
        return -EBADMSG;
    if (head->count == collect->room) {
        uint32_t room = collect->room == 0 ? 64 : 2 * collect->room;
        struct cr_version_info *versions = realloc(head->versions, room * sizeof(*versions));
        if (versions == NULL)
            return -ENOMEM;
        head->versions = versions;
        collect->room = room;
    }
    head->versions[head->count++] = (struct cr_version_info){
        .number = version->ref.number,
        .root = version->root,
        .disk_bytes = version->disk_bytes,
        .created_s = version->created_s,
        .parent = version->parent,
    };
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct cr_version_info *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int collect_changes(const struct cr_targets *targets, const char *name, struct cr_head *head)
{
    const json_t *changes = json_object_get(channels_of(targets), name);
    head->changes = cr_calloc(json_array_size(changes), sizeof(*head->changes));
    if (head->changes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(changes); i++) {
        int r = change_parse(json_array_get(changes, i), &head->changes[i], NULL);
        if (r < 0)
            return r;
        head->change_count++;
    }
    return 0;
}

int cr_targets_head(const struct cr_targets *targets, const char *name, struct cr_head *ret_head,
                    struct cr_error *err)
{
    struct collect collect = {0};
    struct cr_head *head = &collect.head;
    snprintf(head->name, sizeof(head->name), "%s", name);
    int r = cr_targets_each(targets, name, collect_version, &collect, err);
    if (r == 0)
        r = collect_changes(targets, name, head);
    if (r < 0) {
        cr_head_done(head);
        return err != NULL && err->text[0] != '\0'
                   ? r
                   : cr_error_errno(err, r, "the signed versions of '%s'", name);
    }
    if (head->count > 1)
        qsort(head->versions, head->count, sizeof(*head->versions), by_number);
    head->next = head->count == 0 ? 1 : head->versions[head->count - 1].number + 1;
    *ret_head = *head;
    return 0;
}

/*
 * What is signed was written after each of its changes, so a clock that is behind them is wrong: a
 * seat whose battery is empty starts in 1970, and its channels must lead somewhere all the same.
 */
static int64_t clock_corrected(const struct cr_head *head, int64_t now_s)
{
    for (uint32_t i = 0; i < head->change_count; i++)
        if (head->changes[i].set_s > now_s)
            now_s = head->changes[i].set_s;
    return now_s;
}

int cr_targets_resolve(const struct cr_targets *targets, const struct cr_ref *ref, int64_t now_s,
                       struct cr_trust_version *ret_version, struct cr_error *err)
{
    if (ref->number != 0)
        return cr_targets_version(targets, ref, ret_version, err);
    CLEANUP(cr_head_done) struct cr_head head = {0};
    const struct cr_version_info *info = NULL;
    int r = cr_targets_head(targets, ref->name, &head, err);
    if (r == 0)
        r = cr_head_resolve(&head, ref, clock_corrected(&head, now_s), &info, err);
    if (r < 0)
        return cr_error_prefix(err, r, "among what is signed");
    struct cr_ref found = {.number = info->number};
    memcpy(found.name, head.name, sizeof(found.name));
    return cr_targets_version(targets, &found, ret_version, err);
}
