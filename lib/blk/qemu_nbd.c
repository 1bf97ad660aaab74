/* SPDX-License-Identifier: MIT */
#include "lib/blk/qemu_nbd.h"

#include "lib/base/command.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FOLDER_NAME "/carrel-XXXXXX"
#define SOCKET_NAME "/nbd"

static int folder_make(struct cr_qemu_nbd *server, struct cr_error *err)
{
    const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || strlen(parent) + sizeof(FOLDER_NAME SOCKET_NAME) > room ||
        strlen(parent) + sizeof(FOLDER_NAME) > sizeof(server->folder))
        parent = "/tmp";
    snprintf(server->folder, sizeof(server->folder), "%s" FOLDER_NAME, parent);
    if (mkdtemp(server->folder) == NULL) {
        server->folder[0] = '\0';
        return cr_error_errno(err, -errno, "cannot make a folder for a socket in '%s'", parent);
    }
    snprintf(server->socket, sizeof(server->socket), "%s" SOCKET_NAME, server->folder);
    snprintf(server->uri, sizeof(server->uri), "nbd+unix:///?socket=%s", server->socket);
    return 0;
}

/* Listening before the server runs, so that nobody waits for it to appear. */
static int socket_listen(const struct cr_qemu_nbd *server, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, server->socket, strlen(server->socket) + 1);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, (int)CR_SOURCE_CONNECTIONS_MAX) < 0)
        return cr_error_errno(err, -errno, "cannot listen on '%s'", server->socket);
    return TAKE_FD(fd);
}

int cr_qemu_nbd_start(struct cr_qemu_nbd *server, const char *spec, const char *format,
                      bool allocation_depth, struct cr_error *err)
{
    int r = folder_make(server, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int listen_fd = socket_listen(server, err);
    if (listen_fd < 0)
        return listen_fd;
    int message_pipe[2];
    if (pipe2(message_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return cr_error_errno(err, -errno, "cannot start 'qemu-nbd'");
    server->messages_fd = message_pipe[0];
    CLEANUP_CLOSE int message_write = message_pipe[1];

    char shared[32];
    snprintf(shared, sizeof(shared), "--shared=%u", 2 * CR_SOURCE_CONNECTIONS_MAX);
    const char *argv[12] = {"qemu-nbd", "--read-only", "--persistent", shared};
    size_t n = 4;
    if (allocation_depth)
        argv[n++] = "--allocation-depth";
    if (format != NULL) {
        argv[n++] = "--format";
        argv[n++] = format;
    }
    argv[n++] = spec;
    const struct cr_command command = {
        .argv = argv, .stdout_fd = -1, .stderr_fd = message_write, .listen_fd = listen_fd};
    return cr_command_start(&command, &server->pid, err);
}

void cr_qemu_nbd_stop(struct cr_qemu_nbd *server)
{
    cr_command_stop(server->pid);
    if (server->messages_fd >= 0)
        close(server->messages_fd);
    if (server->folder[0] != '\0') {
        unlink(server->socket);
        rmdir(server->folder);
    }
    *server = (struct cr_qemu_nbd)CR_QEMU_NBD_INIT;
}

void cr_qemu_nbd_complaint(struct cr_qemu_nbd *server, char *out, size_t out_size)
{
    ssize_t n = server->messages_fd < 0 ? 0 : read(server->messages_fd, out, out_size - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}
