/* SPDX-License-Identifier: MIT */
#include "image-tools/trust_courier.h"

#include "lib/base/fd.h"
#include "lib/base/libexec.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char **environ;

/* --- reaching it
 * ---------------------------------------------------------------------------------- */

static int reach_socket(const char *path, int *ret_fd, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) > CR_SOCKET_PATH_BYTES_MAX)
        return cr_error_set(err, -ENAMETOOLONG, "the signer's socket '%.200s': too long", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return cr_error_errno(err, -errno, "the signer's socket '%s': does carrel-signer run?",
                              path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* carrel-signer with one end of a socket pair as its standard input and output. */
static int start_once(const char *folder, int *ret_fd, pid_t *ret_pid, struct cr_error *err)
{
    char program[PATH_MAX], once[] = "--once", state[] = "--state", name[] = "carrel-signer";
    int pair[2];
    posix_spawn_file_actions_t actions;
    int r = cr_libexec_find("carrel-signer", program, err);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return cr_error_errno(err, -errno, "starting '%s'", program);
    CLEANUP_CLOSE int ours = pair[0];
    CLEANUP_CLOSE int theirs = pair[1];
    CLEANUP_FREE char *dir = strdup(folder);
    char *const argv[] = {name, state, dir, once, NULL};
    if (dir == NULL || posix_spawn_file_actions_init(&actions) != 0)
        return cr_error_errno(err, -ENOMEM, "starting '%s'", program);
    posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, theirs, STDOUT_FILENO);
    /* What it refuses comes back in its answer; what keeps it from starting is said by itself. */
    r = -posix_spawn(ret_pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r < 0)
        return cr_error_errno(err, r, "starting '%s'", program);
    *ret_fd = TAKE_FD(ours);
    return 0;
}

/* --- talking
 * --------------------------------------------------------------------------------------- */

static int exchange(int fd, const struct cr_buf *note, struct cr_buf *answer)
{
    uint8_t piece[16384];
    for (size_t sent = 0; sent < note->len;) {
        ssize_t n = send(fd, note->data + sent, note->len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        sent += (size_t)n;
    }
    if (shutdown(fd, SHUT_WR) < 0)
        return -errno;
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int r = cr_buf_append(answer, piece, (size_t)n);
        if (r < 0)
            return r;
    }
}

int trust_courier(void *context, const struct cr_buf *note, struct cr_buf *answer,
                  struct cr_error *err)
{
    const char *path = ((struct trust_courier *)context)->path;
    CLEANUP_CLOSE int fd = -1;
    pid_t pid = -1;
    struct stat st;
    if (stat(path, &st) < 0)
        return cr_error_errno(err, -errno, "the signer '%s'", path);
    int r = S_ISDIR(st.st_mode) ? start_once(path, &fd, &pid, err) : reach_socket(path, &fd, err);
    if (r < 0)
        return r;
    r = exchange(fd, note, answer);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (answer->len == 0)
        return cr_error_set(err, -EPROTO,
                            "the signer '%s' ended without an answer; its own words say why", path);
    return r < 0 ? cr_error_errno(err, r, "the signer '%s'", path) : 0;
}
