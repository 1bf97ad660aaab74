/* SPDX-License-Identifier: MIT */
#include "lib/trim/tool.h"

#include "lib/base/command.h"
#include "lib/base/limits.h"

static void first_line(const struct cr_buf *messages, char *out, size_t out_size)
{
    size_t n = 0;
    for (; n < messages->len && n + 1 < out_size && messages->data[n] != '\n'; n++)
        out[n] =
            messages->data[n] >= ' ' && messages->data[n] <= '~' ? (char)messages->data[n] : '?';
    out[n] = '\0';
}

int cr_tool_run(const char *const *argv, struct cr_buf *out, struct cr_tool_result *ret_result,
                struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf messages = CR_BUF_INIT(CR_TOOL_MESSAGE_BYTES_MAX);
    int status = 0, r = cr_command_run(argv, out, &messages, &status, err);
    if (r == 0 && (r = cr_buf_append(out, "", 1)) < 0)
        cr_error_errno(err, r, "cannot keep what '%s' prints", argv[0]);
    if (r < 0)
        return r;
    ret_result->status = status;
    first_line(&messages, ret_result->said, sizeof(ret_result->said));
    return 0;
}
