/* SPDX-License-Identifier: MIT */
/* Short-lived helper programs with a time limit, and waiting for processes without signals. */
#pragma once

#include "lib/base/error.h"

#include <stddef.h>
#include <sys/types.h>

#define TOOL_WORDS_BYTES 512U

/*
 * Run argv[0] (searched in PATH) and wait at most `timeout_ms`; then it is killed. *ret_status is
 * its exit status, or 128 + signal; `words`, of TOOL_WORDS_BYTES, receives the last line that it
 * wrote on stdout or stderr. Returns 0, -ETIMEDOUT, or -errno when it could not be started.
 */
int tool_run(const char *const argv[], int timeout_ms, int *ret_status, char *words,
             struct cr_error *err);

/*
 * The program `name` beside this one, in `path`; otherwise `name`, for PATH to find. Returns one of
 * the two.
 */
const char *tool_beside(const char *name, char *path, size_t size);

/* pidfd_open(2): a descriptor that polls readable once `pid` has ended. Returns it or -errno. */
int process_open(pid_t pid);

/* Wait until the pidfd reports an end or `timeout_ms` have passed. Returns 0 or -ETIMEDOUT. */
int process_wait(int pidfd, int timeout_ms);
