/* SPDX-License-Identifier: MIT */
#include "client/agent/control.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Longer than any request takes, a machine made anew under emulation included. */
#define ANSWER_TIMEOUT_MS 300000

int control_open(const char *path, struct control *ret_control, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control control = {.fd = -1};
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control.clients[i] = -1;
    snprintf(control.path, sizeof(control.path), "%s", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "removing the old socket '%s'", path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode before the name: nobody else can connect in between. */
    if (fd < 0 || fchmod(fd, 0600) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, CONTROL_CLIENTS_MAX) < 0)
        return cr_error_errno(err, -errno, "listening on the socket '%s'", path);
    control.fd = TAKE_FD(fd);
    *ret_control = control;
    return 0;
}

static void client_drop(struct control *control, int client)
{
    close(control->clients[client]);
    control->clients[client] = -1;
}

void control_close(struct control *control)
{
    if (control->fd < 0)
        return;
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (control->clients[i] >= 0)
            client_drop(control, i);
    unlink(control->path);
    close(control->fd);
    control->fd = -1;
}

void control_poll(const struct control *control, struct pollfd *fds)
{
    bool room = false;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i].fd = control->clients[i];
        room = room || control->clients[i] < 0;
    }
    fds[CONTROL_CLIENTS_MAX].fd = room ? control->fd : -1;
}

static bool is_stranger(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
           (peer.uid != 0 && peer.uid != geteuid());
}

static void clients_accept(struct control *control)
{
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i] >= 0)
            continue;
        control->clients[i] = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (control->clients[i] < 0)
            return;
        if (is_stranger(control->clients[i]))
            client_drop(control, i);
    }
}

bool control_next(struct control *control, char request[CR_CONTROL_BYTES_MAX + 1], int *ret_client)
{
    if (control->fd < 0)
        return false;
    clients_accept(control);
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i] < 0)
            continue;
        ssize_t n = recv(control->clients[i], request, CR_CONTROL_BYTES_MAX + 1, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0 || n > (ssize_t)CR_CONTROL_BYTES_MAX || memchr(request, '\0', (size_t)n)) {
            client_drop(control, i);
            continue;
        }
        request[n] = '\0';
        *ret_client = i;
        return true;
    }
    return false;
}

void control_answer(struct control *control, int client, json_t *answer)
{
    CLEANUP_FREE char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    /* One who does not take it is not waited for. */
    if (text != NULL)
        (void)!send(control->clients[client], text, strlen(text), MSG_NOSIGNAL);
    client_drop(control, client);
}

int control_ask(int fd, const char *request, json_t **ret_answer, struct cr_error *err)
{
    char text[CR_CONTROL_BYTES_MAX + 1];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ssize_t n = send(fd, request, strlen(request), MSG_NOSIGNAL);
    if (n >= 0)
        n = poll(&poll_fd, 1, ANSWER_TIMEOUT_MS);
    if (n == 0)
        return cr_error_set(err, -ETIMEDOUT, "asking the agent for '%s': no answer after %d s",
                            request, ANSWER_TIMEOUT_MS / 1000);
    if (n > 0)
        n = recv(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return cr_error_set(err, n < 0 ? -errno : -EPIPE,
                            "asking the agent for '%s': it ended instead of answering", request);
    text[n] = '\0';
    json_error_t reason;
    *ret_answer = json_loads(text, 0, &reason);
    if (*ret_answer == NULL)
        return cr_error_set(err, -EPROTO, "asking the agent for '%s': its answer is no JSON",
                            request);
    return 0;
}
