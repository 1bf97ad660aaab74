/* SPDX-License-Identifier: MIT */
/*
 * The life of an overlay as a session of carrel-agent leads it, without a machine: open, begin,
 * "work" appended to the file, and with "drop" thrown away and begun again, close. To be killed
 * anywhere.
 *
 *   overlaylife CACHE keep|boot WORK [drop]
 */
#include "client/agent/overlay.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* More than an overlay that nobody wrote to has, so that it is worth keeping. */
#define WORK_TIMES 40000

static int work(const struct overlay *overlay, const char *text, struct cr_error *err)
{
    CLEANUP_CLOSE int fd = open(overlay->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(16 * CR_MIB);
    int r = fd < 0 ? -1 : 0;
    for (int i = 0; r == 0 && i < WORK_TIMES; i++)
        r = cr_buf_printf(&buf, "%s\n", text);
    if (r == 0)
        r = cr_write_full(fd, buf.data, buf.len);
    return r < 0 ? cr_error_set(err, r, "writing to '%s' failed", overlay->path) : 0;
}

int main(int argc, char **argv)
{
    static const char uri[] = "nbd+unix:///tiny@1?socket=/none";
    struct cr_overlay_note base = {.version = "tiny@1", .disk_bytes = 64 * CR_MIB};
    struct overlay overlay = {.lock_fd = -1};
    struct cr_error err = {""};
    if (argc < 4)
        return 2;
    memset(base.root, '5', sizeof(base.root) - 1);
    const struct overlay_options options = {
        .cache = argv[1],
        .image = "tiny",
        .person = "",
        .mode = strcmp(argv[2], "keep") == 0 ? CR_OVERLAY_KEEP : CR_OVERLAY_BOOT,
        .keep_days = 3,
    };
    int r = overlay_open(&options, &overlay, &err);
    if (r == 0)
        r = overlay_begin(&overlay, &base, uri, &err);
    if (r == 0)
        r = work(&overlay, argv[3], &err);
    if (r == 0 && argc > 4)
        r = overlay_drop(&overlay, &err);
    if (r == 0 && argc > 4)
        r = overlay_begin(&overlay, &base, uri, &err);
    if (r == 0)
        r = overlay_close(&overlay, &err);
    if (r < 0)
        fprintf(stderr, "overlaylife: %s\n", err.text);
    return r < 0;
}
