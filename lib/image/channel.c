/* SPDX-License-Identifier: MIT */
#include "lib/image/channel.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/*
 * All walks go from the last change to the first, so that a rollback is met before what it ends:
 * `end_s` is the earliest rollback met so far, and an earlier change of a later time is void.
 */
struct walk {
    const struct cr_head *head;
    const char *channel;
    uint32_t left;
    int64_t end_s;
};

static struct walk walk_begin(const struct cr_head *head, const char *channel)
{
    return (struct walk){head, channel, head->change_count, INT64_MAX};
}

static const struct cr_change *walk_next(struct walk *walk)
{
    while (walk->left > 0) {
        const struct cr_change *c = &walk->head->changes[--walk->left];
        if (strcmp(c->channel, walk->channel) != 0 || c->at_s > walk->end_s)
            continue;
        if (c->kind == CR_CHANGE_ROLLBACK)
            walk->end_s = c->at_s;
        return c;
    }
    return NULL;
}

const struct cr_change *cr_head_channel(const struct cr_head *head, const char *channel,
                                        int64_t now_s)
{
    struct walk walk = walk_begin(head, channel);
    const struct cr_change *c, *best = NULL;
    while ((c = walk_next(&walk)) != NULL)
        if (c->at_s <= now_s && (best == NULL || c->at_s > best->at_s))
            best = c;
    return best;
}

const struct cr_change *cr_head_scheduled(const struct cr_head *head, const char *channel,
                                          int64_t now_s)
{
    struct walk walk = walk_begin(head, channel);
    const struct cr_change *c, *best = NULL;
    while ((c = walk_next(&walk)) != NULL)
        if (c->at_s > now_s && (best == NULL || c->at_s < best->at_s))
            best = c;
    return best;
}

/* --- all channels ----------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int cr_head_channels(const struct cr_head *head, const char ***ret_names, size_t *ret_count)
{
    const char **names = cr_calloc(head->change_count, sizeof(*names));
    size_t count = 0;
    if (names == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < head->change_count; i++)
        names[i] = head->changes[i].channel;
    if (head->change_count > 1)
        qsort(names, head->change_count, sizeof(*names), by_text);
    for (uint32_t i = 0; i < head->change_count; i++)
        if (count == 0 || strcmp(names[count - 1], names[i]) != 0)
            names[count++] = names[i];
    *ret_names = names;
    *ret_count = count;
    return 0;
}

/* Whether its channel points where it says, now or from its time on. */
static bool is_needed(const struct cr_head *head, const struct cr_change *c, int64_t now_s)
{
    return cr_head_channel(head, c->channel, c->at_s > now_s ? c->at_s : now_s) == c;
}

const struct cr_change *cr_head_needed(const struct cr_head *head, uint64_t number, int64_t now_s)
{
    for (uint32_t i = 0; i < head->change_count; i++)
        if (head->changes[i].number == number && is_needed(head, &head->changes[i], now_s))
            return &head->changes[i];
    return NULL;
}

/* --- letting go ------------------------------------------------------------------------------- */

/* What goes was void or is over at every time to come, and a rollback that goes voided only what
 * goes with it: so nothing that stays comes to mean something again. */
int cr_head_fold(struct cr_head *head, uint32_t keep, int64_t now_s)
{
    const uint32_t before = head->change_count;
    if (before <= keep)
        return 0;
    const uint32_t old = before - keep;
    CLEANUP_FREE bool *stays = cr_calloc(old, sizeof(*stays));
    if (stays == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < old; i++)
        stays[i] = is_needed(head, &head->changes[i], now_s);
    uint32_t count = 0;
    for (uint32_t i = 0; i < before; i++)
        if (i >= old || stays[i])
            head->changes[count++] = head->changes[i];
    head->change_count = count;
    return (int)(before - count);
}

static bool change_equal(const struct cr_change *a, const struct cr_change *b)
{
    return strcmp(a->channel, b->channel) == 0 && a->kind == b->kind && a->number == b->number &&
           a->set_s == b->set_s && a->at_s == b->at_s && strcmp(a->by, b->by) == 0 &&
           strcmp(a->why, b->why) == 0;
}

/* The next needed change from `at` on; change_count at the end. */
static uint32_t next_needed(const struct cr_head *head, uint32_t at, int64_t now_s)
{
    while (at < head->change_count && !is_needed(head, &head->changes[at], now_s))
        at++;
    return at;
}

/* What is needed says all that channels mean from now on: two lists that need the same mean the
 * same. */
static bool means_the_same(const struct cr_head *a, const struct cr_head *b, int64_t now_s)
{
    for (uint32_t i = 0, k = 0;; i++, k++) {
        i = next_needed(a, i, now_s);
        k = next_needed(b, k, now_s);
        if (i == a->change_count || k == b->change_count)
            return i == a->change_count && k == b->change_count;
        if (!change_equal(&a->changes[i], &b->changes[k]))
            return false;
    }
}

bool cr_head_goes_on(const struct cr_head *before, const struct cr_head *after, int64_t now_s,
                     uint32_t *ret_kept)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < before->change_count && kept < after->change_count; i++)
        kept += change_equal(&before->changes[i], &after->changes[kept]);
    *ret_kept = kept;
    const struct cr_head rest = {.changes = after->changes, .change_count = kept};
    return kept == before->change_count || means_the_same(before, &rest, now_s);
}

/* --- going back ------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct cr_change *x = *(const struct cr_change *const *)a;
    const struct cr_change *y = *(const struct cr_change *const *)b;
    if (x->at_s != y->at_s)
        return x->at_s < y->at_s ? -1 : 1;
    return x < y ? -1 : x > y;
}

int cr_head_before(const struct cr_head *head, const char *channel, int64_t now_s,
                   uint64_t *ret_number)
{
    CLEANUP_FREE const struct cr_change **held = cr_calloc(head->change_count, sizeof(*held));
    CLEANUP_FREE uint64_t *stack = cr_calloc(head->change_count, sizeof(*stack));
    struct walk walk = walk_begin(head, channel);
    const struct cr_change *c;
    size_t count = 0, depth = 0;
    if (held == NULL || stack == NULL)
        return -ENOMEM;
    while ((c = walk_next(&walk)) != NULL)
        if (c->at_s <= now_s)
            held[count++] = c;
    if (count > 1)
        qsort(held, count, sizeof(*held), by_time);
    for (size_t i = 0; i < count; i++) {
        size_t at = depth;
        while (held[i]->kind == CR_CHANGE_ROLLBACK && at > 0 && stack[at - 1] != held[i]->number)
            at--;
        if (held[i]->kind == CR_CHANGE_ROLLBACK && at > 0)
            depth = at;
        else
            stack[depth++] = held[i]->number;
    }
    uint64_t present = depth > 0 ? stack[depth - 1] : 0;
    while (depth > 0 && (stack[depth - 1] == present || stack[depth - 1] == 0 ||
                         cr_head_find(head, stack[depth - 1]) == NULL))
        depth--;
    if (depth == 0)
        return -ENOENT;
    *ret_number = stack[depth - 1];
    return 0;
}

/* --- what a reference means ------------------------------------------------------------------- */

static void time_text(int64_t seconds, char *out, size_t size)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(out, size, "?");
}

/* "stable, testing", of those that point somewhere; as many as fit. */
static void channels_text(const struct cr_head *head, int64_t now_s, char *out, size_t size)
{
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0, used = 0;
    out[0] = '\0';
    if (cr_head_channels(head, &names, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct cr_change *c = cr_head_channel(head, names[i], now_s);
        size_t len = strlen(names[i]) + 2;
        if (c == NULL || c->number == 0)
            continue;
        if (used + len + sizeof("...") > size) {
            snprintf(out + used, size - used, " ...");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", names[i]);
    }
}

static int channel_unknown(const struct cr_head *head, const struct cr_ref *ref, int64_t now_s,
                           struct cr_error *err)
{
    const struct cr_change *later = cr_head_scheduled(head, ref->channel, now_s);
    char names[160], when[40];
    if (later != NULL && later->number != 0) {
        time_text(later->at_s, when, sizeof(when));
        return cr_error_set(err, -ENOENT,
                            "channel '%s:%s' points nowhere yet: '%s@%" PRIu64 "' holds from %s",
                            ref->name, ref->channel, ref->name, later->number, when);
    }
    channels_text(head, now_s, names, sizeof(names));
    if (names[0] == '\0')
        return cr_error_set(err, -ENOENT,
                            "image '%s' has no channel '%s', nor any other; `carrel image promote "
                            "%s@N %s` makes it",
                            ref->name, ref->channel, ref->name, ref->channel);
    return cr_error_set(err, -ENOENT, "image '%s' has no channel '%s'; it has: %s", ref->name,
                        ref->channel, names);
}

int cr_head_resolve(const struct cr_head *head, const struct cr_ref *ref, int64_t now_s,
                    const struct cr_version_info **ret_info, struct cr_error *err)
{
    uint64_t number = ref->number;
    if (ref->channel[0] != '\0') {
        const struct cr_change *change = cr_head_channel(head, ref->channel, now_s);
        if (change == NULL || change->number == 0)
            return channel_unknown(head, ref, now_s, err);
        number = change->number;
    }
    const struct cr_version_info *info = cr_head_find(head, number);
    if (info != NULL) {
        *ret_info = info;
        return 0;
    }
    if (head->count == 0)
        return cr_error_set(err, -ENOENT, "image '%s' has no version", ref->name);
    if (ref->channel[0] != '\0')
        return cr_error_set(err, -ENOENT,
                            "channel '%s:%s' points at '%s@%" PRIu64 "', which is removed; promote "
                            "another version",
                            ref->name, ref->channel, ref->name, number);
    return cr_error_set(err, -ENOENT,
                        "image '%s' has no version %" PRIu64 "; its newest is %" PRIu64
                        ", `carrel image log %s` shows all",
                        ref->name, number, head->versions[head->count - 1].number, ref->name);
}
