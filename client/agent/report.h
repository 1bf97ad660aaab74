/* SPDX-License-Identifier: MIT */
/*
 * What the agent tells: the states of a session on stdout, warnings on stderr.
 *
 *   state: running                 or with --json
 * {"time":"2024-05-01T08:00:00.123Z","state":"running"} state: stopped (guest powered off) ...
 * "detail":"guest powered off"
 *
 * carrel-agent(1) lists the states; the table is in report.c.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum state {
    STATE_STARTING,  /* blockd is being started, the image looked up */
    STATE_RUNNING,   /* the machine runs */
    STATE_REBOOTING, /* the guest rebooted: the machine is being made anew */
    STATE_WAITING,   /* blockd died; the machine waits for its successor */
    STATE_PAUSED,    /* a read or write failed; the machine stands still and will try again */
    STATE_STOPPING,  /* asked to stop */
    STATE_STOPPED,   /* the machine is gone, and the overlay with it */
    STATE_FAILED,    /* the session ended on an error; the sentence is on stderr */
};

/* From here on states are JSON objects. */
void report_use_json(bool json);

/* One line; `detail` may be NULL. */
void report_state(enum state state, const char *detail);

/*
 * The last state, and how the session read its disk: the figures in the file `stats` that
 * carrel-blockd wrote when it ended, which may be missing. As JSON they are the member "cache"; as
 * text a line of the most telling ones goes before.
 */
void report_end(enum state state, const char *detail, const char *stats);

/* What a new policy changed, in one line. */
void report_policy(const char *text);

/* Also give each state, as an object that is `sink`'s, to `sink`; NULL: no more. */
typedef void report_sink(void *context, json_t *state);
void report_to(report_sink *sink, void *context);

/* The state told last, and its detail or NULL. */
enum state report_last(const char **ret_detail);

void report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The state's word, as printed. */
const char *report_word(enum state state);
