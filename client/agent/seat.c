/* SPDX-License-Identifier: MIT */
#include "client/agent/seat.h"

#include "client/agent/clock.h"
#include "client/agent/report.h"
#include "client/agent/tool.h"
#include "lib/base/command.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/policy/folder.h"
#include "lib/trust/role.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define FIRST_ANSWER_MS 5000
#define SEEN            "seen" /* the latest time that this seat has seen, seconds since 1970 */

static const struct cr_spool_limits outbox_limits = {.bytes = 8 * CR_MIB, .entries = 10000};

/* --- time that does not go back ----------------------------------------------------------------
 */

static int64_t seen_read(const struct seat *seat)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(32);
    uint64_t seen_s = 0;
    if (cr_file_read(seat->dir_fd, SEEN, &text) == 0 && cr_buf_append(&text, "", 1) == 0)
        (void)cr_u64_parse((const char *)text.data, INT64_MAX / 2, &seen_s);
    return (int64_t)seen_s;
}

/* Remember that it is at least `now_s`; written at most once a minute. */
static void seen_note(const struct seat *seat, int64_t now_s)
{
    char text[24];
    if (now_s < seen_read(seat) + 60)
        return;
    int n = snprintf(text, sizeof(text), "%" PRId64, now_s);
    (void)cr_file_replace(seat->dir_fd, SEEN, text, (size_t)n, 0600);
}

/* --- policy ------------------------------------------------------------------------------------
 */

static void policy_age_warn(const struct cr_policy *policy)
{
    char until[CR_EXPIRES_TEXT];
    if (policy->expires_s <= time(NULL))
        report_warning("the policy of this seat expired at %s and stays in force until the server "
                       "has a new one",
                       cr_expires_format(policy->expires_s, until));
}

/* The policy in the folder, if it is right and not the one in force. */
static bool policy_take(struct seat *seat, struct cr_policy *before)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    struct cr_policy policy = {0};
    struct cr_error err = {""};
    int r = cr_file_read(seat->dir_fd, CR_SEAT_POLICY, &bytes);
    if (r == -ENOENT)
        return false;
    if (r < 0)
        cr_error_errno(&err, r, "reading it");
    else
        r = cr_policy_open(bytes.data, bytes.len, seat->keys, seat->key_count, &policy, &err);
    if (r < 0) {
        report_warning("the policy of this seat is not used: %s", err.text);
        return false;
    }
    if (seat->has_policy && policy.version <= seat->policy.version) {
        cr_policy_done(&policy);
        return false;
    }
    *before = seat->policy;
    seat->policy = policy;
    seat->has_policy = true;
    policy_age_warn(&policy);
    return true;
}

void seat_changes_format(const struct cr_policy *before, const struct cr_policy *after,
                         bool (*applies)(const char *key), char *out, size_t size)
{
    static const char *const when[] = {"at once", "at the next start", "not by this seat"};
    size_t used = 0;
    int n = snprintf(out, size, "policy %" PRIu64, after->version);
    used = n > 0 && (size_t)n < size ? (size_t)n : size - 1;
    for (size_t w = 0; w < CR_ARRAY_LEN(when); w++) {
        bool first = true;
        const struct cr_policy_key *key;
        for (size_t i = 0; (key = cr_policy_key(i)) != NULL; i++) {
            size_t of = !applies(key->name) ? 2 : key->effect == CR_EFFECT_LIVE ? 0 : 1;
            if (of != w || cr_policy_key_equal(i, before, after))
                continue;
            n = snprintf(out + used, size - used, "%s%s %s", first ? "; " : ",",
                         first ? when[w] : "", key->name);
            used += n > 0 && used + (size_t)n < size ? (size_t)n : 0;
            first = false;
        }
    }
}

/* --- courier -----------------------------------------------------------------------------------
 */

static int courier_start(struct seat *seat, struct cr_error *err)
{
    const struct seat_options *options = seat->options;
    const char *argv[12] = {options->courier, "--server", options->server, "--dir",
                            options->dir,     "--keys",   options->keys};
    int out[2];
    if (options->pki != NULL) {
        argv[7] = "--pki";
        argv[8] = options->pki;
    }
    if (pipe2(out, O_CLOEXEC) < 0)
        return cr_error_errno(err, -errno, "starting '%s'", options->courier);
    CLEANUP_CLOSE int out_read = out[0];
    CLEANUP_CLOSE int out_write = out[1];
    fcntl(out_read, F_SETFL, O_NONBLOCK);
    const struct cr_command command = {
        .argv = argv, .stdout_fd = out_write, .stderr_fd = STDERR_FILENO, .listen_fd = -1};
    int r = cr_command_start(&command, &seat->pid, err);
    if (r < 0)
        return r;
    seat->pidfd = process_open(seat->pid);
    if (seat->pidfd < 0) {
        r = seat->pidfd;
        cr_command_stop(seat->pid);
        seat->pid = -1;
        return cr_error_errno(err, r, "watching '%s'", options->courier);
    }
    seat->out.fd = TAKE_FD(out_read);
    return 0;
}

static void courier_reap(struct seat *seat)
{
    int status;
    while (waitpid(seat->pid, &status, 0) < 0 && errno == EINTR)
        ;
    cr_cleanup_close(&seat->pidfd);
    lines_close(&seat->out);
    seat->pid = seat->pidfd = -1;
}

/* Returns whether the server's first word has come. */
static bool courier_hear(struct seat *seat, bool *ret_policy)
{
    char line[LINE_BYTES];
    bool heard = false;
    while (lines_next(&seat->out, line) != NULL) {
        bool answered = strcmp(line, "answered") == 0;
        if (answered || strcmp(line, "away") == 0) {
            seat->answered = answered;
            heard = true;
        }
        *ret_policy = *ret_policy || strncmp(line, "policy ", 7) == 0;
    }
    if (seat->answered)
        seen_note(seat, time(NULL));
    return heard;
}

static void first_answer_await(struct seat *seat)
{
    int64_t until = clock_now_ms() + FIRST_ANSWER_MS;
    bool policy = false;
    while (!courier_hear(seat, &policy) && seat->out.fd >= 0 && clock_left_ms(until) > 0) {
        struct pollfd fd = {.fd = seat->out.fd, .events = POLLIN};
        poll(&fd, 1, clock_left_ms(until));
    }
}

bool seat_heard(struct seat *seat, struct cr_policy *before)
{
    bool policy = false;
    if (seat->options == NULL || seat->pid < 0)
        return false;
    courier_hear(seat, &policy);
    struct pollfd end = {.fd = seat->pidfd, .events = POLLIN};
    if (poll(&end, 1, 0) > 0) {
        courier_reap(seat);
        seat->answered = false;
        report_warning("'%s' ended; policy and reports wait for the next session",
                       seat->options->courier);
    }
    return policy && policy_take(seat, before);
}

/* --- open and close ----------------------------------------------------------------------------
 */

static int keys_open(struct seat *seat, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, seat->options->keys, &text);
    if (r < 0)
        return cr_error_errno(err, r, "reading the keys '%s'", seat->options->keys);
    r = cr_signed_keys_parse(text.data, text.len, seat->keys, &seat->key_count, err);
    return r < 0 ? cr_error_prefix(err, r, "the keys '%s'", seat->options->keys) : 0;
}

static int folder_open(struct seat *seat, struct cr_error *err)
{
    const char *dir = seat->options->dir;
    char outbox[PATH_MAX];
    int r = cr_dir_make(AT_FDCWD, dir, 0700);
    if (r == 0) {
        seat->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = seat->dir_fd < 0 ? -errno : 0;
    }
    if (r == 0 &&
        snprintf(outbox, sizeof(outbox), "%s/%s", dir, CR_SEAT_OUTBOX) >= (int)sizeof(outbox))
        r = -ENAMETOOLONG;
    if (r < 0)
        return cr_error_errno(err, r, "using the seat's folder '%s'", dir);
    return cr_spool_open(outbox, &outbox_limits, &seat->outbox, err);
}

int seat_open(struct seat *seat, const struct seat_options *options, struct cr_error *err)
{
    struct cr_policy none;
    *seat = (struct seat){.options = options, .dir_fd = -1, .pid = -1, .pidfd = -1, .out.fd = -1};
    if (options == NULL)
        return 0;
    int r = keys_open(seat, err);
    if (r == 0)
        r = folder_open(seat, err);
    if (r == 0)
        r = courier_start(seat, err);
    if (r < 0)
        return r;
    first_answer_await(seat);
    policy_take(seat, &none);
    return 0;
}

void seat_close(struct seat *seat)
{
    if (seat->options == NULL)
        return;
    lines_close(&seat->out);
    if (seat->pid > 0)
        cr_command_stop(seat->pid);
    cr_cleanup_close(&seat->pidfd);
    cr_spool_close(TAKE_PTR(seat->outbox));
    cr_cleanup_close(&seat->dir_fd);
    for (size_t i = 0; i < seat->key_count; i++)
        cr_key_done(&seat->keys[i]);
    cr_policy_done(&seat->policy);
    seat->options = NULL;
}

/* --- without a server ---------------------------------------------------------------------------
 */

static int own_certificate(const struct seat *seat, struct cr_id *ret_seat, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    char path[PATH_MAX];
    if (seat->options->pki == NULL)
        return cr_error_set(err, -EACCES,
                            "this seat has no certificate, so no lease can be its own; give one "
                            "with --pki");
    snprintf(path, sizeof(path), "%s/client.pem", seat->options->pki);
    int r = cr_file_read(AT_FDCWD, path, &pem);
    if (r == 0)
        r = cr_lease_seat(pem.data, pem.len, ret_seat);
    return r < 0 ? cr_error_errno(err, r, "reading the certificate '%s'", path) : 0;
}

static int lease_read(const struct seat *seat, struct cr_lease *ret_lease, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    int r = cr_file_read(seat->dir_fd, CR_SEAT_LEASE, &bytes);
    if (r == -ENOENT)
        return cr_error_set(err, r,
                            "this seat has no lease; connect it to its server once before it is to "
                            "start alone");
    if (r < 0)
        return cr_error_errno(err, r, "reading the lease");
    return cr_lease_open(bytes.data, bytes.len, seat->keys, seat->key_count, ret_lease, err);
}

int seat_may_start(struct seat *seat, const char *image, struct cr_error *err)
{
    struct cr_lease lease;
    struct cr_ref ref;
    struct cr_id own;
    bool set_back = false;
    if (seat->options == NULL || seat->answered || !seat->has_policy)
        return 0;
    int64_t now_s = cr_lease_clock(time(NULL), seen_read(seat), &set_back);
    if (set_back)
        report_warning("the clock of this PC was set back; the latest time it has seen counts");
    int r = seat->policy.lease_days == 0
                ? cr_error_set(err, -EACCES, "the policy lets this seat start with its server only")
                : cr_ref_parse(image, &ref, err);
    if (r == 0)
        r = own_certificate(seat, &own, err);
    if (r == 0)
        r = lease_read(seat, &lease, err);
    if (r == 0)
        r = cr_lease_check(&lease, &own, &ref, now_s, err);
    if (r == 0)
        seen_note(seat, now_s);
    return r < 0 ? cr_error_prefix(err, r, "starting '%s' without a server", image) : 0;
}

/* --- reports ------------------------------------------------------------------------------------
 */

static void boot_id(char out[static 40])
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(40);
    out[0] = '\0';
    if (cr_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text) == 0 && text.len >= 36)
        snprintf(out, 40, "%.36s", (const char *)text.data);
}

void seat_report(struct seat *seat, json_t *report)
{
    char boot[40];
    struct cr_error err = {""};
    if (seat->options != NULL && report != NULL) {
        boot_id(boot);
        json_object_set_new(report, "seat_boot", json_string(boot));
        json_object_set_new(report, "session", json_integer(getpid()));
        json_object_set_new(report, "number", json_integer((json_int_t)++seat->reports));
        CLEANUP_FREE char *text = json_dumps(report, JSON_COMPACT);
        if (text != NULL && cr_spool_put(seat->outbox, text, strlen(text), &err) < 0)
            report_warning("a report is lost: %s", err.text);
    }
    json_decref(report);
}
