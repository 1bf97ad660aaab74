/* SPDX-License-Identifier: MIT */
/* What the files session*.c share: one session, which lives in one thread. */
#pragma once

#include "client/agent/blockd.h"
#include "client/agent/clock.h"
#include "client/agent/control.h"
#include "client/agent/layers.h"
#include "client/agent/overlay.h"
#include "client/agent/rundir.h"
#include "client/agent/seat.h"
#include "client/agent/session.h"
#include "client/agent/vm.h"

/* What may happen at a time rather than on a descriptor. INT64_MAX: not now. */
enum timer {
    TIMER_BLOCKD_START,
    TIMER_BLOCKD_FLUSH,
    TIMER_IO_RETRY,
    TIMER_IO_CALM,
    TIMER_POWER_OFF,
    TIMER_DAY_END,
    TIMER_HEARTBEAT,
    TIMER_SPACE,
    TIMERS,
};

struct session {
    const struct session_options *options;
    struct seat seat;
    char image[CR_REF_TEXT];   /* what is started: as the policy or the command line says */
    struct cr_desktop desktop; /* likewise */
    int64_t began_ms;          /* when the session did */
    struct rundir run;
    struct overlay overlay;
    struct layers layers;
    struct blockd_options blockd_options;
    char stats[PATH_MAX];
    char fill_rate[24]; /* as the policy says; "" = it says nothing */
    struct blockd blockd;
    struct vm *vm;
    struct control control;
    int signal_fd;
    char data_disk[PATH_MAX]; /* "" = there is none */
    bool kvm;
    char plain[PATH_MAX]; /* what the machine reads directly, "" = it reads from blockd */
    bool plain_failed;    /* it could not be opened; not tried again before the next start */
    bool started;         /* the first machine was started */
    bool paused;          /* a failed read or write was reported */
    bool stalled;         /* it stands still for a failed read or write */
    unsigned io_failures; /* how often in a row */
    bool full;            /* ... and that was for lack of space */
    unsigned space_level; /* 0: enough, 1: told that it is short, 2: that it is scarce */
    int64_t scarce_ms;    /* room is not made before that, while the machine runs */
    bool stopping;        /* the guest was asked to switch off */
    bool done;
    const char *end;     /* how it ended, for the last state */
    int64_t rebooted_ms; /* when the guest last did, 0 = never; only in keeping mode */
    int blockd_retry_ms;
    int64_t timers[TIMERS];
};

static inline void timer_set(struct session *session, enum timer timer, int delay_ms)
{
    session->timers[timer] = clock_now_ms() + delay_ms;
}

static inline void timer_clear(struct session *session, enum timer timer)
{
    session->timers[timer] = INT64_MAX;
}

static inline void session_end(struct session *session, const char *how)
{
    session->done = true;
    session->end = how;
}

/* --- session.c --- */

/* As asked by a signal; the second wish is not polite any more. */
int session_stop(struct session *session, struct cr_error *err);

/* --- session_machine.c --- */

/* A new overlay, or in keeping mode the first and only one, and a machine on it. */
int machine_start(struct session *session, struct cr_error *err);

/* End the machine at once and start another on a clean overlay; `why` is told with the state. */
int machine_reset(struct session *session, const char *why, struct cr_error *err);

/* What the machine's event means. */
int machine_heard(struct session *session, const struct vm_event *event, struct cr_error *err);

/* Let it go on after a failed read or write, if it can. */
int machine_retry(struct session *session, struct cr_error *err);

/* The version became complete: let the running machine read its file directly. */
void machine_open_plain(struct session *session);

/* End the machine at once, and what its overlay was moved on to. */
int machine_end(struct session *session, struct cr_error *err);

/* --- session_space.c --- */

struct space {
    uint64_t taken, left; /* bytes, of the file that takes the writes and for it */
    unsigned percent;     /* full; 0 when all that the guest can write fits */
    bool limited;         /* by overlay_max, not by the file system */
};
void space_look(const struct session *session, struct space *ret_space);

/* The timer's: tell that space gets short, make room when it is scarce. */
void space_watch(struct session *session);

/* QEMU stopped the machine for lack of space: make room. False when nothing helped. */
bool space_ran_out(struct session *session);

/* --- session_policy.c --- */

/* Image, desktop and timers by the policy, before the first start. */
void policy_session(struct session *session);

/* Whether its network card has a link. */
bool policy_network(const struct session *session);

/* Listen to the courier; do and tell what a new policy changes. */
void policy_heard(struct session *session);

/* Report that the seat lives, and how it is. */
void policy_heartbeat(struct session *session);
void policy_timers(struct session *session);

/* --- session_control.c --- */

/* Do what is asked on the control socket. */
int control_heard(struct session *session, struct cr_error *err);
