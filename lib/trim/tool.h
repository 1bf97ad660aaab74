/* SPDX-License-Identifier: MIT */
/* A program that looks into a file system for us. What it says may be the file system's words. */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct cr_tool_result {
    int status;     /* 128 + signal when a signal ended it */
    char said[192]; /* the first line of standard error, printable ASCII only; "" = none */
};

/* Run it as cr_command_run does; `out` ends with a zero byte that its length counts. */
int cr_tool_run(const char *const *argv, struct cr_buf *out, struct cr_tool_result *ret_result,
                struct cr_error *err);
