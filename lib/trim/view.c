/* SPDX-License-Identifier: MIT */
#include "lib/trim/view.h"

#include "lib/base/buf.h"
#include "lib/base/command.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>

#define START_PATIENCE_MS 30000
#define GREETING_MAX      4096U
#define FOLDER_NAME       "/carrel-XXXXXX"
#define FILE_NAME         "/disk"

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}
#define CLEANUP_JSON __attribute__((cleanup(json_cleanup)))

static int file_make(struct cr_view *view, struct cr_error *err)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || strlen(parent) + sizeof(FOLDER_NAME) > sizeof(view->folder))
        parent = "/tmp";
    snprintf(view->folder, sizeof(view->folder), "%s" FOLDER_NAME, parent);
    if (mkdtemp(view->folder) == NULL) {
        view->folder[0] = '\0';
        return cr_error_errno(err, -errno, "cannot make a folder in '%s'", parent);
    }
    snprintf(view->path, sizeof(view->path), "%s" FILE_NAME, view->folder);
    CLEANUP_CLOSE int fd = open(view->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? cr_error_errno(err, -errno, "cannot make the file '%s'", view->path) : 0;
}

/*
 * The daemon works its options off in their order and the monitor is the last of them: its greeting
 * says that the file is there.
 */
static int greeting_wait(int fd, struct cr_buf *out)
{
    while (out->len == 0 || memchr(out->data, '\n', out->len) == NULL) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        int ready = poll(&polled, 1, START_PATIENCE_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready < 0 ? -errno : -ETIMEDOUT;
        char block[512];
        ssize_t n = read(fd, block, sizeof(block));
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        int r = cr_buf_append(out, block, (size_t)n);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The first line on the daemon's standard error, without its name. */
static void complaint_read(int fd, char *out, size_t out_size)
{
    ssize_t n = read(fd, out, out_size - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    char *colon = strstr(out, "qemu-storage-daemon: ");
    if (colon == out)
        memmove(out, out + strlen("qemu-storage-daemon: "),
                strlen(out + strlen("qemu-storage-daemon: ")) + 1);
}

static int daemon_start(struct cr_view *view, const char *const *argv, struct cr_error *err)
{
    int out_pipe[2], message_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", argv[0]);
    CLEANUP_CLOSE int out_read = out_pipe[0];
    CLEANUP_CLOSE int out_write = out_pipe[1];
    if (pipe2(message_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", argv[0]);
    CLEANUP_CLOSE int message_read = message_pipe[0];
    CLEANUP_CLOSE int message_write = message_pipe[1];
    const struct cr_command command = {
        .argv = argv, .stdout_fd = out_write, .stderr_fd = message_write, .listen_fd = -1};
    int r = cr_command_start(&command, &view->pid, err);
    if (r < 0)
        return r;
    close(TAKE_FD(out_write));
    struct cr_buf greeting = CR_BUF_INIT(GREETING_MAX);
    r = greeting_wait(out_read, &greeting);
    cr_buf_done(&greeting);
    if (r < 0) {
        char complaint[160];
        complaint_read(message_read, complaint, sizeof(complaint));
        return cr_error_set(err, r, "the disk cannot be shown as a file by FUSE: %s",
                            complaint[0] != '\0' ? complaint : strerror(-r));
    }
    return 0;
}

int cr_view_open(struct cr_view *view, const char *nbd_socket, uint64_t offset, uint64_t size_bytes,
                 struct cr_error *err)
{
    *view = (struct cr_view){0};
    if (access("/dev/fuse", R_OK | W_OK) < 0)
        return cr_error_set(err, -ENODEV,
                            "the disk cannot be shown as a file: /dev/fuse cannot be used");
    int r = file_make(view, err);
    if (r < 0)
        return r;
    CLEANUP_JSON json_t *disk =
        json_pack("{s:s, s:s, s:b, s:{s:s, s:s}}", "driver", "nbd", "node-name", "disk",
                  "read-only", 1, "server", "type", "unix", "path", nbd_socket);
    CLEANUP_JSON json_t *part = json_pack(
        "{s:s, s:s, s:b, s:s, s:I, s:I}", "driver", "raw", "node-name", "part", "read-only", 1,
        "file", "disk", "offset", (json_int_t)offset, "size", (json_int_t)size_bytes);
    CLEANUP_JSON json_t *export =
        json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "fuse", "id", "view", "node-name", "part",
                  "mountpoint", view->path, "writable", 0);
    CLEANUP_FREE char *disk_text = disk == NULL ? NULL : json_dumps(disk, JSON_COMPACT);
    CLEANUP_FREE char *part_text = part == NULL ? NULL : json_dumps(part, JSON_COMPACT);
    CLEANUP_FREE char *export_text = export == NULL ? NULL : json_dumps(export, JSON_COMPACT);
    if (disk_text == NULL || part_text == NULL || export_text == NULL)
        return cr_error_errno(err, -ENOMEM, "the disk cannot be shown as a file");
    const char *const argv[] = {
        "qemu-storage-daemon", "--blockdev", disk_text,        "--blockdev", part_text, "--export",
        export_text,           "--chardev",  "stdio,id=ready", "--monitor",  "ready",   NULL};
    return daemon_start(view, argv, err);
}

void cr_view_close(struct cr_view *view)
{
    cr_command_stop(view->pid);
    if (view->folder[0] != '\0') {
        if (view->path[0] != '\0' && unlink(view->path) < 0 && errno != ENOENT) {
            /* The daemon had no time to unmount. */
            const char *const argv[] = {"fusermount3", "-u", "-z", "--", view->path, NULL};
            int status;
            cr_command_run(argv, NULL, NULL, &status, NULL);
            unlink(view->path);
        }
        rmdir(view->folder);
    }
    *view = (struct cr_view){0};
}
