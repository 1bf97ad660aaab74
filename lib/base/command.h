/* SPDX-License-Identifier: MIT */
/*
 * Other programs, run without a shell. A child gets the signals' default behaviour, the C locale
 * and its own process group (so that Ctrl-C reaches only us), and is killed by the kernel when the
 * THREAD that started it ends: start long-lived children from a thread that outlives them.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct cr_command {
    const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH */
    int stdout_fd;           /* borrowed; -1 = /dev/null */
    int stderr_fd;           /* borrowed; -1 = /dev/null */
    int listen_fd; /* borrowed; handed over by socket activation (LISTEN_FDS); -1 = none */
};

/*
 * Start it; standard input is /dev/null. Returns 0 and the child's pid, which the caller owns and
 * ends with cr_command_stop; or -errno, -ENOENT when the program is not installed.
 */
int cr_command_start(const struct cr_command *command, pid_t *ret_pid, struct cr_error *err);

/*
 * End the child with SIGTERM, with SIGKILL when that takes more than some seconds, and reap it. A
 * pid of 0 or less is ignored.
 */
void cr_command_stop(pid_t pid);

/*
 * Run it to its end. Standard output is appended to `out`, standard error to `messages` (either may
 * be NULL). Output past the maximum of `out` kills the program and returns -EMSGSIZE; messages past
 * theirs are dropped. Returns 0 with the exit status (128 + signal when a signal ended it), or
 * -errno when it could not be run.
 */
int cr_command_run(const char *const *argv, struct cr_buf *out, struct cr_buf *messages,
                   int *ret_status, struct cr_error *err);

/*
 * The same, but `stop` is asked a few times a second, and when it says so the program is ended as
 * by cr_command_stop: -ECANCELED.
 */
int cr_command_run_until(const char *const *argv, bool (*stop)(void), struct cr_buf *out,
                         struct cr_buf *messages, int *ret_status, struct cr_error *err);
