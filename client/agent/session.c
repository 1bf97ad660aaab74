/* SPDX-License-Identifier: MIT */
#include "client/agent/session.h"

#include "client/agent/data_disk.h"
#include "client/agent/kvm.h"
#include "client/agent/report.h"
#include "client/agent/session_state.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#define BLOCKD_RETRY_MIN_MS 100
#define BLOCKD_RETRY_MAX_MS 5000
#define BLOCKD_HOLD_MS      300   /* for its last words, see blockd_flush */
#define POWER_OFF_MS        90000 /* for a guest whose overlay is to be kept */

/* --- blockd -------------------------------------------------------------------------------------
 */

static int blockd_heard(struct session *session, struct cr_error *err)
{
    bool ready = false;
    int r = blockd_read(&session->blockd, &ready, err);
    if (session->blockd.held && session->timers[TIMER_BLOCKD_FLUSH] == INT64_MAX)
        timer_set(session, TIMER_BLOCKD_FLUSH, BLOCKD_HOLD_MS);
    if (r == 0 && session->started)
        machine_open_plain(session);
    if (r < 0 || !ready)
        return r;
    session->blockd_retry_ms = BLOCKD_RETRY_MIN_MS;
    if (!session->started) {
        r = seat_may_start(&session->seat, session->blockd.version, err);
        if (r < 0)
            return r;
        session->started = true;
        timer_set(session, TIMER_SPACE, 0);
        r = machine_start(session, err);
        if (r == 0)
            seat_report(&session->seat,
                        json_pack("{s:s, s:s, s:I}", "kind", "started", "version",
                                  session->blockd.version, "after_ms",
                                  (json_int_t)(clock_now_ms() - session->began_ms)));
        return r;
    }
    if (session->plain[0] == '\0')
        report_state(session->paused ? STATE_PAUSED : STATE_RUNNING, NULL);
    if (session->stalled)
        timer_set(session, TIMER_IO_RETRY, 0);
    return 0;
}

/* Before the machine runs this is the end; later the machine waits and blockd gets a successor. */
static int blockd_ended(struct session *session, struct cr_error *err)
{
    char reason[BLOCKD_LINE_BYTES];
    bool was_ready = session->blockd.ready;
    blockd_reap(&session->blockd, reason);
    timer_clear(session, TIMER_BLOCKD_FLUSH);
    if (!session->started)
        return cr_error_set(err, -EIO, "starting '%s': %s", session->image, reason);
    report_warning("'%s' ended (%s); starting it again", session->options->blockd, reason);
    if (was_ready && session->plain[0] == '\0')
        report_state(STATE_WAITING, "the image service is started again");
    timer_set(session, TIMER_BLOCKD_START, session->blockd_retry_ms);
    session->blockd_retry_ms = session->blockd_retry_ms * 2 > BLOCKD_RETRY_MAX_MS
                                   ? BLOCKD_RETRY_MAX_MS
                                   : session->blockd_retry_ms * 2;
    return 0;
}

/* --- signals and timers -------------------------------------------------------------------------
 */

int session_stop(struct session *session, struct cr_error *err)
{
    bool again = session->stopping;
    session->stopping = true;
    if (!again)
        report_state(STATE_STOPPING, NULL);
    /* A thrown-away overlay needs no orderly end; one that is kept does, unless we insist. */
    bool lasts = session->options->keep != NULL || session->data_disk[0] != '\0' ||
                 cr_overlay_outlives(session->desktop.overlay);
    if (!lasts || !session->started || again) {
        session_end(session, "asked to");
        return 0;
    }
    timer_set(session, TIMER_POWER_OFF, POWER_OFF_MS);
    return vm_press_power(session->vm, err);
}

static int signal_heard(struct session *session, struct cr_error *err)
{
    struct signalfd_siginfo info;
    if (read(session->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    return session_stop(session, err);
}

static int timer_fired(struct session *session, enum timer timer, struct cr_error *err)
{
    struct cr_error reason = {""};
    timer_clear(session, timer);
    switch (timer) {
    case TIMER_BLOCKD_START:
        /* By its full name: the machine must find the version it was started on. */
        if (blockd_start(&session->blockd, &session->blockd_options, session->blockd.version,
                         &reason) < 0) {
            report_warning("%s; trying again", reason.text);
            timer_set(session, TIMER_BLOCKD_START, BLOCKD_RETRY_MAX_MS);
        }
        return 0;
    case TIMER_BLOCKD_FLUSH:
        blockd_flush(&session->blockd);
        return 0;
    case TIMER_IO_RETRY:
        return machine_retry(session, err);
    case TIMER_IO_CALM:
        session->io_failures = 0;
        if (session->paused)
            report_state(STATE_RUNNING, NULL);
        session->paused = false;
        return 0;
    case TIMER_POWER_OFF:
        report_warning("the guest did not switch itself off in %d s; the overlay is as a power cut "
                       "leaves it",
                       POWER_OFF_MS / 1000);
        session_end(session, "asked to");
        return 0;
    case TIMER_DAY_END:
        return session_stop(session, err);
    case TIMER_HEARTBEAT:
        policy_heartbeat(session);
        return 0;
    case TIMER_SPACE:
        space_watch(session);
        return 0;
    case TIMERS:
        break;
    }
    return 0;
}

static int timers_run(struct session *session, struct cr_error *err)
{
    int64_t now = clock_now_ms();
    for (enum timer timer = 0; timer < TIMERS && !session->done; timer++) {
        int r = session->timers[timer] <= now ? timer_fired(session, timer, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

enum {
    WATCH_SIGNAL,
    WATCH_MACHINE,
    WATCH_OUT,
    WATCH_LOG,
    WATCH_END,
    WATCH_COURIER,
    WATCH_COURIER_END,
    WATCH_CONTROL
};
#define WATCH_COUNT (WATCH_CONTROL + CONTROL_POLL_MAX)

static int poll_once(struct session *session, struct pollfd fds[WATCH_COUNT], struct cr_error *err)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < TIMERS; i++)
        if (session->timers[i] < next)
            next = session->timers[i];
    fds[WATCH_SIGNAL].fd = session->signal_fd;
    fds[WATCH_MACHINE].fd = vm_event_fd(session->vm);
    fds[WATCH_OUT].fd = session->blockd.out.fd;
    fds[WATCH_LOG].fd = session->blockd.log.fd;
    fds[WATCH_END].fd = session->blockd.pidfd;
    fds[WATCH_COURIER].fd = session->seat.out.fd;
    fds[WATCH_COURIER_END].fd = session->seat.pidfd;
    control_poll(&session->control, fds + WATCH_CONTROL);
    for (size_t i = 0; i < WATCH_COUNT; i++)
        fds[i].events = POLLIN;
    if (poll(fds, WATCH_COUNT, clock_left_ms(next)) < 0 && errno != EINTR)
        return cr_error_errno(err, -errno, "waiting for events");
    return 0;
}

static int session_loop(struct session *session, struct cr_error *err)
{
    while (!session->done) {
        struct pollfd fds[WATCH_COUNT] = {0};
        struct vm_event event;
        int r = poll_once(session, fds, err);
        if (r == 0 && fds[WATCH_SIGNAL].revents != 0)
            r = signal_heard(session, err);
        while (r == 0 && !session->done && vm_next(session->vm, &event))
            r = machine_heard(session, &event, err);
        if (r == 0 && !session->done &&
            (fds[WATCH_OUT].revents != 0 || fds[WATCH_LOG].revents != 0))
            r = blockd_heard(session, err);
        if (r == 0 && !session->done && fds[WATCH_END].revents != 0)
            r = blockd_ended(session, err);
        if (r == 0 && !session->done &&
            (fds[WATCH_COURIER].revents != 0 || fds[WATCH_COURIER_END].revents != 0))
            policy_heard(session);
        if (r == 0 && !session->done)
            r = control_heard(session, err);
        if (r == 0)
            r = timers_run(session, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An accelerator, and a warning when it is the slow one. */
static void accelerator_choose(struct session *session)
{
    const char *reason = NULL;
    session->kvm = kvm_usable(session->run.path, &reason);
    if (!session->kvm)
        report_warning("no hardware virtualisation: %s; the desktop runs under software emulation, "
                       "many times slower",
                       reason);
}

/* The file or log of the serial line begins with the session; QEMU appends to it at each start. */
static int serial_begin(const struct cr_desktop *desktop, struct cr_error *err)
{
    const char *path = desktop->serial == CR_SERIAL_FILE ? desktop->serial_path
                       : desktop->serial_log[0] != '\0'  ? desktop->serial_log
                                                         : NULL;
    if (path == NULL)
        return 0;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? cr_error_errno(err, -errno, "opening '%s' for the serial line", path) : 0;
}

static int session_open(struct session *session, struct cr_error *err)
{
    const struct session_options *options = session->options;
    unsigned machines = 0;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    session->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (session->signal_fd < 0)
        return cr_error_errno(err, -errno, "listening to signals");
    int r = rundir_open(options->run_dir, &session->run, err);
    if (r == 0)
        r = seat_open(&session->seat, options->seat, err);
    if (r < 0)
        return r;
    policy_session(session);
    snprintf(session->stats, sizeof(session->stats), "%s/stats.json", options->cache);
    session->blockd_options = (struct blockd_options){
        .program = options->blockd,
        .server = options->server,
        .other_servers = options->other_servers,
        .fill_rate = session->fill_rate[0] != '\0' ? session->fill_rate : NULL,
        .cache = options->cache,
        .pki = options->pki,
        .trust = options->trust,
        .deltas = options->deltas,
        .stats = session->stats,
        .socket = session->run.nbd_socket,
        .pidfile = session->run.blockd_pidfile,
    };
    /* First what a killed agent left behind: the machine, then what it reads and writes. */
    r = vm_open(session->run.libvirt, &session->vm, &machines, err);
    if (r < 0)
        return r;
    bool blockd = blockd_clear_leftover(&session->blockd_options);
    const struct overlay_options wanted = {
        .cache = options->cache,
        .image = session->image,
        .person = session->desktop.overlay_for == CR_OVERLAY_FOR_PERSON ? options->person : "",
        .keep = options->keep,
        .mode = session->desktop.overlay,
        .update = session->desktop.overlay_update,
        .keep_days = session->desktop.overlay_keep_days,
    };
    if (options->overlay_spill != NULL)
        layers_sweep(options->overlay_spill);
    r = overlay_open(&wanted, &session->overlay, err);
    if (r == 0)
        r = data_disk_open(options, session->desktop.data_disk_bytes, session->data_disk, err);
    if (r < 0)
        return r;
    if (machines > 0 || blockd || session->overlay.swept > 0)
        report_warning("an earlier session was killed; ended %u machine(s) and %u image service(s) "
                       "and cleared away %u overlay(s) that it left",
                       machines, (unsigned)blockd, session->overlay.swept);
    r = control_open(session->run.control_socket, &session->control, err);
    if (r < 0)
        return r;
    r = serial_begin(&session->desktop, err);
    if (r < 0)
        return r;
    accelerator_choose(session);
    const char *version = overlay_version(&session->overlay);
    return blockd_start(&session->blockd, &session->blockd_options,
                        version != NULL ? version : session->image, err);
}

/* In the order in which they lean on each other: machine, image service, overlay, folder. */
static int session_close(struct session *session, struct cr_error *err)
{
    control_close(&session->control);
    int ended = session->vm != NULL ? machine_end(session, err) : 0;
    vm_free(session->vm);
    blockd_stop(&session->blockd, &session->blockd_options);
    int r = overlay_close(&session->overlay, ended == 0 ? err : NULL);
    r = ended < 0 ? ended : r;
    rundir_close(&session->run);
    if (session->signal_fd >= 0)
        close(session->signal_fd);
    return r;
}

/* Each state that is told also goes to the server. */
static void state_report(void *context, json_t *state)
{
    struct session *session = context;
    json_object_set_new(state, "kind", json_string("state"));
    seat_report(&session->seat, state);
}

int session_run(const struct session_options *options, struct cr_error *err)
{
    struct session session = {
        .options = options,
        .run.lock_fd = -1,
        .overlay.lock_fd = -1,
        .signal_fd = -1,
        .control.fd = -1,
        .seat = {.dir_fd = -1, .pid = -1, .pidfd = -1, .out.fd = -1},
        .blockd_retry_ms = BLOCKD_RETRY_MIN_MS,
        .began_ms = clock_now_ms(),
    };
    struct cr_error close_error = {""};
    blockd_init(&session.blockd);
    for (enum timer timer = 0; timer < TIMERS; timer++)
        timer_clear(&session, timer);

    report_to(state_report, &session);
    report_state(STATE_STARTING, options->image);
    int r = session_open(&session, err);
    if (r == 0)
        r = session_loop(&session, err);
    int closed = session_close(&session, &close_error);
    if (r == 0 && closed < 0)
        r = cr_error_set(err, closed, "%s", close_error.text);
    if (r < 0)
        report_end(STATE_FAILED, err->text, session.stats);
    else
        report_end(STATE_STOPPED, session.end, session.stats);
    report_to(NULL, NULL);
    seat_close(&session.seat);
    return r;
}
