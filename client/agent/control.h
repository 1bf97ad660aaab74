/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a session: one packet asks, one packet answers.
 *
 *      WORD [ARGUMENT]  ──▶        ◀── {"state":"running",...}  or  {"error":"a sentence"}
 *
 * A unix socket of whole packets (SOCK_SEQPACKET) in the run folder, for the account that the
 * agent runs under and for root.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>

#define CONTROL_CLIENTS_MAX 8
#define CONTROL_POLL_MAX    (CONTROL_CLIENTS_MAX + 1)

struct control {
    int fd; /* -1 when not open */
    char path[CR_SOCKET_PATH_BYTES_MAX + 1];
    int clients[CONTROL_CLIENTS_MAX]; /* -1 = free */
};

/* Listen at `path`; what a killed agent left there is removed. */
int control_open(const char *path, struct control *ret_control, struct cr_error *err);

/* Takes one that was never opened (fd -1). */
void control_close(struct control *control);

/* The descriptors that are worth watching, CONTROL_POLL_MAX of them; unused ones are -1. */
void control_poll(const struct control *control, struct pollfd *fds);

/*
 * The next request, if there is one, and the client who waits for the answer. Strangers and
 * requests that are too long are sent away.
 */
bool control_next(struct control *control, char request[CR_CONTROL_BYTES_MAX + 1], int *ret_client);

/* Answer and hang up. Takes the reference to `answer`. */
void control_answer(struct control *control, int client, json_t *answer);

/* The other side: ask on the connected `fd`, wait for the answer, which is the caller's. */
int control_ask(int fd, const char *request, json_t **ret_answer, struct cr_error *err);
