/* SPDX-License-Identifier: MIT */
/* What a session does by the seat's policy, and what it reports of itself. */
#include "client/agent/qmp.h"
#include "client/agent/report.h"
#include "client/agent/session_state.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STATS_BYTES_MAX (64 * CR_KIB)

/* The keys of a policy that this agent does something about. */
static bool applies(const char *key)
{
    static const char *const known[] = {"name",       "image",     "desktop",   "network",
                                        "lease_days", "heartbeat", "power_off", "fill_rate"};
    for (size_t i = 0; i < CR_ARRAY_LEN(known); i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

/* --- the start ---------------------------------------------------------------------------------
 */

/* What the seat was told, and over it what the policy says. */
static void desktop_choose(struct session *session)
{
    const struct session_options *options = session->options;
    const struct cr_policy *policy = &session->seat.policy;
    struct cr_desktop desktop = options->desktop;
    struct cr_error err = {""};
    session->desktop = options->desktop;
    if (!session->seat.has_policy || policy->desktop.len == 0)
        return;
    int r = cr_desktop_update("policy", policy->desktop.data, policy->desktop.len, &desktop, &err);
    if (r == 0 && desktop.overlay_for == CR_OVERLAY_FOR_PERSON &&
        cr_overlay_outlives(desktop.overlay) && options->person[0] == '\0')
        r = cr_error_set(&err, -EINVAL,
                         "it keeps an overlay for each person, and nobody was named (--person)");
    if (r == 0)
        session->desktop = desktop;
    else
        report_warning("the policy's desktop does not go with this seat's, which is used: %s",
                       err.text);
}

void policy_session(struct session *session)
{
    const struct cr_policy *policy = &session->seat.policy;
    snprintf(session->image, sizeof(session->image), "%s",
             session->seat.has_policy && policy->image[0] != '\0' ? policy->image
                                                                  : session->options->image);
    session->fill_rate[0] = '\0';
    if (session->seat.has_policy)
        snprintf(session->fill_rate, sizeof(session->fill_rate), "%" PRIu64, policy->fill_bytes_s);
    desktop_choose(session);
    policy_timers(session);
}

/* --- at once ------------------------------------------------------------------------------------
 */

/* Milliseconds until it is `minute` of the day, local time, at least one. */
static int until_minute_ms(uint32_t minute)
{
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    int left_s = ((int)minute - 60 * tm.tm_hour - tm.tm_min) * 60 - tm.tm_sec;
    return 1000 * (left_s > 0 ? left_s : left_s + 24 * 60 * 60);
}

void policy_timers(struct session *session)
{
    const struct cr_policy *policy = &session->seat.policy;
    timer_clear(session, TIMER_DAY_END);
    timer_clear(session, TIMER_HEARTBEAT);
    if (session->seat.has_policy && policy->power_off)
        timer_set(session, TIMER_DAY_END, until_minute_ms(policy->power_off_minute));
    if (session->seat.has_policy)
        timer_set(session, TIMER_HEARTBEAT, (int)policy->heartbeat_s * 1000);
}

bool policy_network(const struct session *session)
{
    return !session->seat.has_policy || session->seat.policy.network;
}

/* The machine's only card has this name by libvirt's counting. */
static void link_set(struct session *session)
{
    struct cr_error err = {""};
    if (!session->started || session->desktop.nic == CR_NIC_NONE)
        return;
    int r = qmp_ask(session->vm, "set_link",
                    json_pack("{s:s, s:b}", "name", "net0", "up", (int)policy_network(session)),
                    policy_network(session) ? "connecting the guest" : "cutting the guest off",
                    NULL, &err);
    if (r < 0)
        report_warning("%s", err.text);
}

void policy_heard(struct session *session)
{
    struct cr_policy before = {0};
    CLEANUP_JSON json_t *empty = NULL;
    char text[512];
    bool had = session->seat.has_policy;
    if (!seat_heard(&session->seat, &before))
        return;
    if (!had) {
        empty = json_object();
        (void)cr_policy_parse(empty, &before, NULL);
    }
    seat_changes_format(&before, &session->seat.policy, applies, text, sizeof(text));
    cr_policy_done(&before);
    link_set(session);
    policy_timers(session);
    report_policy(text);
    seat_report(&session->seat, json_pack("{s:s, s:s}", "kind", "policy", "applied", text));
}

/* --- reports ------------------------------------------------------------------------------------
 */

static json_t *stats_read(const struct session *session)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(STATS_BYTES_MAX);
    return cr_file_read(AT_FDCWD, session->stats, &text) == 0
               ? json_loadb((const char *)text.data, text.len, 0, NULL)
               : NULL;
}

void policy_heartbeat(struct session *session)
{
    const char *detail = NULL;
    struct cr_spool_stat waiting = {0};
    struct stat st = {0};
    enum state state = report_last(&detail);
    CLEANUP_JSON json_t *cache = stats_read(session);
    (void)cr_spool_stat(session->seat.outbox, &waiting, NULL);
    (void)stat(session->overlay.path, &st);
    seat_report(
        &session->seat,
        json_pack("{s:s, s:I, s:s, s:s*, s:s, s:I, s:I, s:b, s:I, s:O*}", "kind", "heartbeat",
                  "time_s", (json_int_t)time(NULL), "state", report_word(state), "detail", detail,
                  "version",
                  session->blockd.version[0] != '\0' ? session->blockd.version : session->image,
                  "policy", (json_int_t)session->seat.policy.version, "overlay_bytes",
                  (json_int_t)st.st_blocks * 512, "plain", session->plain[0] != '\0',
                  "reports_lost", (json_int_t)waiting.lost, "cache", cache));
    timer_set(session, TIMER_HEARTBEAT, (int)session->seat.policy.heartbeat_s * 1000);
}
