/* SPDX-License-Identifier: MIT */
/* What is new in targets, in lines that a person reads before signing them. */
#include "lib/base/mem.h"
#include "lib/image/channel.h"
#include "lib/trust/repo_file.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

struct news {
    const struct cr_targets *other;
    const struct cr_repo_draft *draft;
    const char *sign;
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static int tell(struct news *news, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    news->count++;
    return news->draft->news == NULL ? 0 : news->draft->news(news->draft->context, line);
}

/* --- versions --------------------------------------------------------------------------------- */

static int version_compare(void *context, const struct cr_trust_version *version)
{
    struct news *news = context;
    struct cr_trust_version other;
    char ref[CR_REF_TEXT], root[CR_ID_HEX];
    bool known = cr_targets_version(news->other, &version->ref, &other, NULL) == 0;
    if (known && (news->sign[0] == '-' || cr_id_equal(&other.root, &version->root)))
        return 0;
    return tell(news, "%s %s %s", known ? "!" : news->sign, cr_ref_format(&version->ref, ref),
                cr_id_format(&version->root, root));
}

/* --- channels --------------------------------------------------------------------------------- */

static bool change_equal(const struct cr_change *a, const struct cr_change *b)
{
    return strcmp(a->channel, b->channel) == 0 && a->kind == b->kind && a->number == b->number &&
           a->set_s == b->set_s && a->at_s == b->at_s;
}

static int change_tell(struct news *news, const char *name, const struct cr_change *change)
{
    char at[32] = "";
    struct tm tm;
    time_t at_s = (time_t)change->at_s;
    if (change->at_s > news->draft->now_s && gmtime_r(&at_s, &tm) != NULL)
        strftime(at, sizeof(at), " from %Y-%m-%d %H:%M UTC", &tm);
    if (change->number == 0)
        return tell(news, "> %s:%s ends%s", name, change->channel, at);
    return tell(news, "> %s:%s = %s@%" PRIu64 "%s", name, change->channel, name, change->number,
                at);
}

/* How many of the changes a person has signed before; what is let go of them is told. */
static int known_tell(struct news *news, const char *name, const struct cr_head *old,
                      const struct cr_head *new, uint32_t *ret_known)
{
    uint32_t same = 0;
    bool goes_on = cr_head_goes_on(old, new, news->draft->now_s, ret_known);
    if (*ret_known == old->change_count)
        return 0;
    if (goes_on)
        return tell(news, "> %s: %" PRIu32 " old changes of its channels are let go", name,
                    old->change_count - *ret_known);
    while (same < old->change_count &&
           same < new->change_count &&change_equal(&old->changes[same], &new->changes[same]))
        same++;
    *ret_known = same;
    return tell(news, "> %s: %" PRIu32 " earlier changes of its channels are taken back", name,
                old->change_count - same);
}

/* Changes are only ever added, and let go when they are many; what is not so is told as well. */
static int channels_compare(struct news *news, const struct cr_targets *before,
                            const struct cr_targets *after, const char *name)
{
    struct cr_head old = {0}, new = {0};
    struct cr_error err;
    uint32_t known = 0;
    int r = cr_targets_head(before, name, &old, &err);
    if (r == 0 || r == -ENOENT)
        r = cr_targets_head(after, name, &new, &err);
    r = r == -ENOENT ? 0 : r;
    if (r == 0)
        r = known_tell(news, name, &old, &new, &known);
    for (uint32_t i = known; i < new.change_count &&r == 0; i++)
        r = change_tell(news, name, &new.changes[i]);
    cr_head_done(&old);
    cr_head_done(&new);
    return r;
}

static json_t *channels_of(const struct cr_targets *targets)
{
    return json_object_get(json_object_get(targets->common.json, "carrel"), "channels");
}

static int all_channels_compare(struct news *news, const struct cr_targets *before,
                                const struct cr_targets *after)
{
    CLEANUP_JSON json_t *names = json_object();
    const char *name;
    json_t *changes;
    int r = names == NULL ? -ENOMEM : 0;
    json_object_update(names, channels_of(before)); /* one or both may have none */
    json_object_update(names, channels_of(after));
    json_object_foreach(names, name, changes)
    {
        if (r == 0)
            r = channels_compare(news, before, after, name);
    }
    return r;
}

int cr_repo_compare(const struct cr_targets *before, const struct cr_targets *after,
                    const struct cr_repo_draft *draft, unsigned *ret_changes)
{
    struct news news = {.other = before, .draft = draft, .sign = "+"};
    int r = cr_targets_each(after, NULL, version_compare, &news, NULL);
    news.other = after;
    news.sign = "-";
    if (r == 0)
        r = cr_targets_each(before, NULL, version_compare, &news, NULL);
    if (r == 0)
        r = all_channels_compare(&news, before, after);
    *ret_changes = news.count;
    return r;
}
